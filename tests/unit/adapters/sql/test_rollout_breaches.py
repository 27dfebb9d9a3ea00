"""What must never happen is found in the record, while the run that did it goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.rollout_breaches import read_breaches
from fairlead.core.calls import Call, Done, Effect, Failed, Result
from fairlead.core.release import Release, ToolContract, manifest_digest
from fairlead.ports.dispatch import Fence
from fairlead.ports.journal import CallVerdict
from fairlead.ports.runs import Room, RunRecord
from tests.unit.adapters.sql.rolling import TERMS, Rolling
from tests.unit.adapters.sql.test_runs import TIMING

DONE = Done(value=1)


@pytest.fixture
def stage(database: Database) -> Rolling:
    return Rolling(database)


def asked(run: RunRecord, number: int = 1, amount: int = 5, **values: object) -> Call:
    """Return a call that pays somebody."""
    effect: Effect = "once"
    call = Call(
        run_id=run.id,
        number=number,
        kind="tool",
        name="pay",
        arguments={"amount": amount},
        effect=effect,
        lineage=run.id,
    )
    return replace(call, **values)  # type: ignore[arg-type]


def call(stage: Rolling, call: Call, result: Result = DONE, *, ledger: bool = True) -> None:
    """Make a call as the boundary makes it, or around its ledger."""
    if ledger and call.effect != "read":
        stage.claim(code="code-b", most=10)
        stage.effects.intend(call, "acme", Fence(worker_id="w1", claim=1))
    stage.journal.finish(call, result, TIMING, CallVerdict())


@pytest.mark.parametrize("known_by", ["nobody", "the ledger", "a read"])
def test_an_effect_that_the_ledger_does_not_know_rolls_back(stage: Rolling, known_by: str) -> None:
    rollout = stage.ramp()
    effect = "read" if known_by == "a read" else "once"
    call(stage, asked(stage.begin(), effect=effect), ledger=known_by == "the ledger")
    found = stage.tick(rollout)
    assert found.phase == ("aborting" if known_by == "nobody" else "progressing")
    assert ("policy_bypass" in found.reason) == (known_by == "nobody")


@pytest.mark.parametrize(
    ("result", "leaked"),
    [(DONE, True), (Failed(code="FL-600", reason="no"), False)],
    ids=["sent", "not sent"],
)
def test_a_secret_that_was_sent_rolls_back(stage: Rolling, result: Result, leaked: bool) -> None:
    rollout = stage.ramp()
    run = stage.begin()
    call(stage, asked(run, effect="read", leaked=("aws-key",)), result)
    found = stage.tick(rollout)
    assert (found.phase == "aborting") == leaked
    assert (f"secret_leaked by run {run.id}" in found.reason) == leaked
    told = [one for one in stage.events.list(chain=f"run:{run.id}") if one.type == "call.finished"]
    assert told[-1].data["leaked"] == ["aws-key"]


@pytest.mark.parametrize(
    ("second", "twice"),
    [({}, True), ({"arguments": {"amount": 6}}, False), ({"effect": "idempotent"}, False)],
    ids=["the same", "another amount", "idempotent"],
)
def test_an_effect_that_a_run_asked_for_twice_rolls_back(
    stage: Rolling, second: dict[str, object], twice: bool
) -> None:
    rollout = stage.ramp()
    run = stage.begin()
    call(stage, asked(run, 1))
    assert stage.tick(rollout).phase == "progressing"
    call(stage, asked(run, 2, **second))
    found = stage.tick(rollout)
    assert (found.phase == "aborting") == twice
    assert (f"effect_duplicated by run {run.id}" in found.reason) == twice


def child(stage: Rolling, parent: RunRecord, number: int) -> RunRecord:
    """Return a child that a run started with one of its calls, and that a worker has claimed."""
    made = replace(
        parent,
        id=f"{parent.id}-{number}",
        state="queued",
        parent_id=parent.id,
        parent_call=number,
        root_id=parent.id,
        assignment=None,
        lineage=f"{parent.id}.{number}",
    )
    return stage.runs.admit(made, room=Room())


def test_what_a_child_of_a_run_does_is_the_runs_own(stage: Rolling) -> None:
    rollout = stage.ramp()
    run = stage.begin()
    first, second = child(stage, run, 1), child(stage, run, 2)
    call(stage, asked(first, lineage=first.lineage))
    assert stage.tick(rollout).phase == "progressing"
    call(stage, asked(second, lineage=second.lineage))
    found = stage.tick(rollout)
    assert (found.phase, found.bad) == ("aborting", True)
    assert f"effect_duplicated by run {run.id}" in found.reason


@pytest.mark.parametrize("breach", ["policy_bypass", "secret_leaked"])
def test_what_a_child_does_alone_counts(stage: Rolling, breach: str) -> None:
    rollout = stage.ramp()
    run = stage.begin()
    made = child(stage, run, 1)
    leaked = ("aws-key",) if breach == "secret_leaked" else ()
    one = asked(made, lineage=made.lineage, leaked=leaked)
    call(stage, one, ledger=breach == "secret_leaked")
    assert f"{breach} by run {run.id}" in stage.tick(rollout).reason


def test_the_same_effect_of_two_runs_is_none_of_that(stage: Rolling) -> None:
    rollout = stage.ramp()
    for _ in range(2):
        call(stage, asked(stage.begin()))
    assert stage.tick(rollout).phase == "progressing"


def test_what_a_run_that_ended_did_counts_as_well(stage: Rolling) -> None:
    rollout = stage.ramp()
    run = stage.begin()
    call(stage, asked(run), ledger=False)
    stage.end(run)
    assert stage.tick(rollout).phase == "rolled_back"


def test_what_the_baseline_does_is_none_of_the_candidate(stage: Rolling) -> None:
    rollout = stage.ramp()
    run = stage.begin(0.99)
    call(stage, asked(run), ledger=False)
    stage.end(run)
    assert stage.tick(rollout).phase == "progressing"


def test_what_an_app_does_by_design_is_left_out(stage: Rolling) -> None:
    analysis = replace(TERMS.analysis, invariants=("policy_bypass", "secret_leaked"))
    rollout = stage.ramp(replace(TERMS, analysis=analysis))
    run = stage.begin()
    for number in (1, 2):
        call(stage, asked(run, number))
    assert stage.tick(rollout).phase == "progressing"


@pytest.mark.parametrize("undoes", [True, False])
def test_what_undoes_two_effects_happens_twice(stage: Rolling, undoes: bool) -> None:
    hold = ToolContract(
        name="hold",
        description="Hold something",
        effect="once",
        scope="stock:write",
        targets=("item",),
        parameters={},
        compensate="pay" if undoes else "",
    )
    manifest = replace(stage.b.manifest, contracts={"hold": hold})
    stage.b = Release(digest=manifest_digest(manifest), manifest=manifest, created_at=1.0)
    stage.releases.put(stage.b)
    rollout = stage.ramp()
    run = stage.begin()
    for number in (1, 2):
        call(stage, asked(run, number))
    assert (stage.tick(rollout).phase == "progressing") == undoes


def test_a_look_goes_from_the_rollout_to_its_runs_and_reads_of_no_others(stage: Rolling) -> None:
    """It holds all new runs up while it lasts, however many effects ever happened."""
    if stage.database.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL plans by how many rows there are")
    rollout = stage.ramp()
    sent: list[str] = []

    def note(_: object, __: object, statement: str, given: object, *___: object) -> None:
        if "assignments" in statement and statement.startswith("SELECT DISTINCT"):
            sent.append(statement)
            plan = cursors.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
            first.append(str(plan.first()))

    first: list[str] = []
    with stage.database.engine.connect() as cursors, stage.database.reading() as connection:
        sa.event.listen(connection, "before_cursor_execute", note)
        read_breaches(connection, rollout)
    assert len(sent) == 3
    assert all("assignments_by_rollout" in one for one in first), first
