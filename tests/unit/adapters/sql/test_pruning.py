"""Pruning on SQL: what goes, what stays, and that no payload goes which somebody refers to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.adapters.sql import references
from fairlead.adapters.sql.budgets import SqlBudgetStore
from fairlead.adapters.sql.schema import metadata
from fairlead.core.amounts import Amount
from fairlead.core.budget import Asker, Budget, charges_of
from fairlead.core.calls import Call, Done, Failed, Result, Unknown
from fairlead.core.errors import RunPruned
from fairlead.core.outcome import Outcome
from fairlead.ports.pruning import Pruned
from fairlead.ports.runs import Room, RunRecord
from fairlead.ports.waits import Signal
from fairlead.runtime.prune import AT_REST_S, RETENTION_DAYS, Wanted
from tests.unit.adapters.sql.archive import FENCE, LIVING, OLD, ORDER, Archive, full


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    made = Archive(tmp_path)
    yield made
    made.database.close()


ROWS = ("calls", "waits", "signals", "approvals", "stream_items", "effects")


def test_a_run_leaves_its_row_and_its_events(archive: Archive) -> None:
    run_id = full(archive)
    assert all(archive.count(table) for table in ROWS)
    before = archive.events.list(chain=f"run:{run_id}")
    blobs = archive.count("blobs")
    archive.later(2)
    removed = archive.prune()
    assert (removed.runs, removed.payloads) == (1, blobs)
    assert removed.bytes > blobs
    assert [archive.count(table) for table in (*ROWS, "blobs")] == [0] * 7
    run = archive.runs.get(run_id)
    assert (run.state, run.pruned_at, run.input, run.outcome) == (
        "succeeded",
        archive.clock.now(),
        None,
        None,
    )
    events = archive.events.list(chain=f"run:{run_id}")
    assert list(events[:-1]) == list(before)
    assert events[-1].type == "run.pruned"
    assert events[-1].data == {"by": "ann", "reason": ORDER.reason}
    assert archive.findings() == []
    assert archive.queue.known == set()
    assert archive.prune() == Pruned()


def test_what_was_reserved_for_a_run_and_its_own_budgets_go_with_it(archive: Archive) -> None:
    run_id, other = full(archive), archive.admit()
    store = SqlBudgetStore(archive.database, archive.clock)
    own = Budget(name="own", scope="run", calls=5)
    for root_id in (run_id, other):
        asker = Asker(app="a", workflow="w", tenant="default", root_id=root_id)
        call = replace(archive.call(root_id, 90, Done(value=1)), number=91)
        charges = charges_of([own], asker, call, Amount(calls=1))
        assert store.reserve(call, charges, "w1") is None
    archive.later(2)
    assert archive.prune().runs == 1
    assert [pot.value for pot in store.list()] == [other]
    assert archive.count("budget_holds") == 1


def test_a_rehearsal_says_what_would_go_and_changes_nothing(archive: Archive) -> None:
    full(archive)
    archive.later(2)
    before = {table.name: archive.count(table.name) for table in metadata.sorted_tables}
    said = archive.prune(replace(OLD, dry_run=True))
    assert {table.name: archive.count(table.name) for table in metadata.sorted_tables} == before
    assert archive.queue.known != set()
    assert said == archive.prune()
    assert said.runs == 1


def test_the_retention_of_its_own_release_counts(archive: Archive) -> None:
    archive.terms.days = {"short": 2, "long": 90}
    short, long = archive.ended(release="short"), archive.ended(release="long")
    gone = archive.ended(release="gone")
    archive.later(3)
    archive.prune(Wanted())
    assert archive.pruned() == {short}
    archive.later(RETENTION_DAYS)
    archive.prune(Wanted())
    assert archive.pruned() == {short, gone}
    archive.later(90)
    archive.prune(Wanted())
    assert archive.pruned() == {short, gone, long}


def test_invariant_11_the_newest_runs_of_each_release_and_workflow_stay(tmp_path: Path) -> None:
    archive = Archive(tmp_path, keep=2)
    made: dict[tuple[str, str], list[str]] = {}
    for place in [("d1", "w"), ("d1", "v"), ("d2", "w")] * 4:
        archive.clock.time += 1
        made.setdefault(place, []).append(archive.ended(release=place[0], workflow=place[1]))
    archive.later(365)
    archive.prune()
    assert archive.pruned() == {run_id for runs in made.values() for run_id in runs[:-2]}
    assert archive.findings() == []
    archive.database.close()


def test_only_so_many_runs_of_one_workflow(archive: Archive) -> None:
    runs = []
    for _ in range(5):
        archive.clock.time += 1
        runs.append(archive.ended())
    other = archive.ended(workflow="v")
    archive.later(2)
    archive.prune(replace(OLD, workflow="w", limit=3))
    assert archive.pruned() == set(runs[:3])
    archive.prune(replace(OLD, workflow="w"))
    assert archive.pruned() == set(runs)
    archive.prune()
    assert archive.pruned() == {*runs, other}


def test_a_run_that_has_just_ended_is_left_alone(archive: Archive) -> None:
    run_id = archive.ended()
    archive.clock.time += AT_REST_S - 1
    archive.prune(Wanted(older_than_days=0))
    assert archive.pruned() == set()
    archive.clock.time += 2
    archive.prune(Wanted(older_than_days=0))
    assert archive.pruned() == {run_id}


@pytest.mark.parametrize("name", LIVING)
def test_what_hangs_together_with_a_living_run_is_kept_until_that_has_ended(
    archive: Archive, name: str
) -> None:
    ended, alive = LIVING[name](archive)
    archive.later(365)
    assert archive.prune() == Pruned()
    archive.end(alive)
    assert archive.prune() == Pruned()
    archive.later(2)
    archive.prune()
    assert {ended, alive} <= archive.pruned()
    assert archive.findings() == []


def test_a_run_that_is_forked_while_it_is_looked_at_is_left_alone(archive: Archive) -> None:
    origin, other = archive.ended(), archive.ended()
    found = [[member.run_id for member in archive.store.history(run)] for run in (origin, other)]
    archive.control.fork(origin, 2, ORDER)
    assert archive.store.prune(found, ORDER).runs == 1
    assert archive.pruned() == {other}


def test_what_lives_takes_no_place_from_what_may_go(archive: Archive) -> None:
    parent, child = LIVING["parent_of_a_living_child"](archive)
    archive.clock.time += 1
    other = archive.ended()
    archive.later(2)
    # Handed over all the same, it is looked at again under the lock.
    assert archive.store.prune([[parent, child]], ORDER) == Pruned()
    archive.prune(replace(OLD, limit=1))
    assert archive.pruned() == {other}


def test_nothing_goes_on_from_a_run_that_was_pruned(archive: Archive) -> None:
    run_id = archive.ended(start_key="order-17", input="hello")
    whole = archive.runs.get(run_id)
    archive.later(2)
    archive.prune()
    with pytest.raises(RunPruned):
        archive.control.fork(run_id, 1, ORDER)
    # Also one that was read before it was pruned.
    archive.queue.known.add(run_id)
    fork = replace(whole, id="f1", start_key=None)
    with pytest.raises(RunPruned):
        archive.control.control.fork(whole, fork, ORDER, before=1, copy=lambda: None)
    again = replace(whole, id="r2", state="queued", worker_id=None)
    assert archive.runs.admit(again, room=Room(backlog=9)).id == run_id
    assert archive.findings() == []


def test_a_settled_effect_goes_and_one_in_doubt_keeps_its_history(archive: Archive) -> None:
    states: dict[str, Result] = {
        "done": Done(value=1),
        "failed": Failed(code="FL-621", reason="no"),
        "unknown": Unknown(reason="who knows"),
    }
    made = {}
    for state, result in states.items():
        made[state] = archive.admit()
        archive.call(made[state], 1, result, effect="once")
        archive.end(made[state])
    dead = archive.admit()
    call = Call(
        run_id=dead, number=1, kind="tool", name="pay", arguments=[1], effect="once", lineage=dead
    )
    archive.journal.intend(call, 0.0)
    archive.effects.intend(call, "default", FENCE)
    archive.end(dead)
    archive.later(2)
    archive.prune()
    assert archive.pruned() == {made["done"], made["failed"], dead}
    left = {effect.run_id: effect for effect in archive.effects.list()}
    assert {run: effect.state for run, effect in left.items()} == {
        made["unknown"]: "unknown",
        dead: "intended",
    }
    assert left[dead].arguments == [1]
    assert archive.findings() == []
    archive.effects.resolve(f"{made['unknown']}:1", True, "found", ORDER)
    archive.prune()
    assert made["unknown"] in archive.pruned()
    assert [effect.run_id for effect in archive.effects.list()] == [dead]
    assert archive.findings() == []


def test_invariant_02_a_business_key_outlives_its_run(archive: Archive) -> None:
    def refund(run_id: str) -> Call:
        return Call(
            run_id=run_id,
            number=1,
            kind="tool",
            name="refund",
            arguments={"order": 17, "secret": "x" * 100},
            effect="once",
            lineage=run_id,
            business_key="refund:17",
        )

    first = archive.admit()
    archive.record(refund(first), Done(value={"receipt": 5}))
    archive.end(first)
    archive.later(400)
    archive.prune()
    assert archive.pruned() == {first}
    second = archive.admit()
    before, _ = archive.effects.intend(refund(second), "default", FENCE)
    assert before is not None
    assert (before.state, before.result, before.arguments) == ("done", {"receipt": 5}, None)
    assert archive.findings() == []


def test_a_crash_before_the_engine_forgot_leaves_nothing_behind(archive: Archive) -> None:
    run_id = archive.ended()
    archive.later(2)
    archive.queue.dies = True
    with pytest.raises(KeyboardInterrupt):
        archive.prune()
    assert archive.pruned() == archive.queue.known == {run_id}
    archive.queue.dies = False
    assert archive.prune() == Pruned()
    assert archive.queue.known == set()
    assert archive.store.unforgotten(9) == []


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("DELETE FROM runs WHERE id = :run", "was admitted, and is on record no more"),
        ("DELETE FROM calls WHERE run_id = :run", "has ended, and is on record no more"),
        ("UPDATE runs SET pruned_at = 5 WHERE id = :run", "is on record as pruned"),
        ("DELETE FROM blobs WHERE :run = :run", "is not there"),
    ],
)
def test_a_run_that_was_removed_without_an_event_is_found(
    archive: Archive, statement: str, finding: str
) -> None:
    run_id = archive.ended()
    assert archive.findings() == []
    assert archive.sql(statement, run=run_id)
    assert finding in " ".join(archive.findings())


def test_an_event_of_pruning_without_pruning_is_found(archive: Archive) -> None:
    run_id = archive.ended()
    archive.later(2)
    archive.prune()
    assert archive.findings() == []
    archive.sql("UPDATE runs SET pruned_at = NULL WHERE id = :run", run=run_id)
    assert f"run {run_id} was pruned, and is on record as if it had not been" in archive.findings()
    archive.sql("DELETE FROM runs WHERE id = :run", run=run_id)
    assert f"run {run_id} was admitted, and is on record no more" in archive.findings()


def test_every_column_that_names_a_payload_counts_as_a_reference(archive: Archive) -> None:
    full(archive)
    with archive.database.reading() as connection:
        blobs = set(connection.execute(sa.text("SELECT digest FROM blobs")).scalars())
        holding = {
            f"{table.name}.{column.name}"
            for table in metadata.sorted_tables
            if table.name not in ("blobs", "events", "releases", "activations")
            for column in table.c
            if isinstance(column.type, sa.String) and not isinstance(column.type, sa.Text)
            if blobs & set(connection.execute(sa.select(column)).scalars())
        }
    known = {f"{digest.table.name}.{digest.name}" for _, digest, _ in references.REFERENCES}
    assert holding <= known
    columns = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.c
        if re.search(r"(input|outcome|result|answer|payload|query)_digest$", column.name)
    }
    assert columns <= known


payload = st.sampled_from(["a", "b", "c", "d"])
history = st.fixed_dictionaries(
    {
        "input": payload,
        "calls": st.lists(payload, max_size=3),
        "stream": st.lists(payload, max_size=2),
        "signal": st.none() | payload,
        "answer": payload,
        "effect": st.sampled_from(["read", "once"]),
        "old": st.booleans(),
    }
)


@settings(max_examples=15, deadline=None)
@given(histories=st.lists(history, min_size=1, max_size=6))
def test_no_payload_goes_that_another_run_refers_to(
    tmp_path_factory: pytest.TempPathFactory, histories: list[dict[str, Any]]
) -> None:
    archive = Archive(tmp_path_factory.mktemp("p"))
    kept: dict[str, tuple[RunRecord, list[Any], list[Any]]] = {}
    for one in sorted(histories, key=lambda each: not each["old"]):
        if not one["old"]:
            archive.clock.time = 2_000_000.0
        run_id = archive.admit(one["input"])
        for number, value in enumerate(one["calls"], 1):
            archive.call(run_id, number, Done(value=value), effect=one["effect"])
        for offset, item in enumerate(one["stream"]):
            archive.streams.write(run_id, "s", offset, item)
        if one["signal"] is not None:
            archive.waits.send(Signal(run_id=run_id, name="x", payload=one["signal"], by="ann"))
        archive.end(run_id, one["answer"])
        if not one["old"]:
            calls, items = archive.journal.of_run(run_id), archive.streams.read(run_id, "s", 0)
            kept[run_id] = archive.runs.get(run_id), list(calls), list(items)
    archive.clock.time = 2_000_000.0 + AT_REST_S
    removed = archive.prune()
    assert removed.runs == sum(one["old"] for one in histories)
    for run_id, (run, calls, items) in kept.items():
        assert archive.runs.get(run_id) == run
        assert list(archive.journal.of_run(run_id)) == calls
        assert list(archive.streams.read(run_id, "s", 0)) == items
    assert archive.findings() == []
    # And nothing stays that nobody refers to.
    with archive.database.reading() as connection:
        blobs = set(connection.execute(sa.text("SELECT digest FROM blobs")).scalars())
        held = references.held_by(connection, kept)
    assert blobs == held
    archive.database.close()


def test_an_outcome_of_a_pruned_run_has_no_answer(archive: Archive) -> None:
    run_id = archive.ended()
    archive.later(2)
    archive.prune()
    from fairlead.operations import outcome_of_run

    assert outcome_of_run(archive.runs.get(run_id)) == Outcome(state="succeeded")
