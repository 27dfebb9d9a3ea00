"""Recorded runs, executed again: the same comes out, and nothing leaves the machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic_ai.messages import ModelResponse

from fairlead import Principal
from fairlead.adapters.pydantic_ai.prices import KnownPrices
from fairlead.adapters.sql.schema import blobs, calls
from fairlead.adapters.sql.schema_memory import erased_blobs
from fairlead.core.errors import (
    ReplayInvalid,
    ReplayOtherCode,
    ReplayUnpriced,
    ReplayUnsafe,
    RoleMissing,
    UnknownWorkflow,
)
from fairlead.operations import (
    Order,
    ReplayOptions,
    ReplayReport,
    ReplaySelection,
    ReplayTerms,
    ToolPolicy,
    answer_approval,
    make_worker,
    replay_check,
    replay_runs,
    send_signal,
    verify_events,
)
from fairlead.ports.waits import Signal
from tests.acceptance.support.replay_app import lines, write_replay_app
from tests.acceptance.support.scene import Scene, scene, wait_for
from tests.databases import KINDS, address

pytestmark = pytest.mark.acceptance

ORDER = {"order": "A-1"}


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """The app, with its release made and no worker yet, on each database."""
    with (
        address(request.param, request, tmp_path) as url,
        scene(tmp_path / "app", write=write_replay_app, url=url) as made,
    ):
        yield made
        assert verify_events(made.platform).findings == ()


def played(stage: Scene, *asked: tuple[str, Any]) -> list[str]:
    """Run workflows with one worker of this process, and answer what they ask for."""
    worker, platform = make_worker(stage.platform), stage.platform
    worker.start()
    try:
        ids = [stage.start(workflow, given) for workflow, given in asked]
        for (workflow, _), run_id in zip(asked, ids, strict=True):
            if workflow == "everything":
                send_signal(platform, Signal(run_id=run_id, name="go", payload="go on", by="ann"))
                wait_for(lambda: bool(platform.approvals.list()))
                answer_approval(
                    platform, platform.approvals.list()[0].id, True, Order(by="ann", reason="fine")
                )
            stage.wait(run_id)
        return ids
    finally:
        worker.stop()


def candidate(stage: Scene, **edits: tuple[str, str]) -> str:
    """Change files of the app's bundle, make a release of it, and return its digest."""
    for name, (old, new) in edits.items():
        path = {"prompt": "prompts/reply.md", "policy": "policies/all.cedar"}.get(
            name, "fairlead.toml"
        )
        stage.edit(path, old, new)
    return stage.release_again().digest


def replayed(stage: Scene, digest: str, *run_ids: str, **terms: Any) -> ReplayReport:
    options = ReplayOptions(terms=ReplayTerms(**terms))
    return replay_runs(stage.platform, digest, ReplaySelection(run_ids=run_ids), options)


def rows(stage: Scene) -> dict[str, list[str]]:
    """Return every row of every table, the engine's included, as texts."""
    engine = stage.platform.database.engine
    found = {}
    schemas = [None, "dbos"] if engine.dialect.name == "postgresql" else [None]
    with engine.connect() as connection:
        for schema in schemas:
            for name in sa.inspect(connection).get_table_names(schema=schema):
                table = sa.table(name, schema=schema)
                read = connection.execute(sa.select(sa.text("*")).select_from(table)).all()
                found[name] = sorted(
                    str([bytes(v) if isinstance(v, memoryview) else v for v in row]) for row in read
                )
    return found


def added(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, int]:
    """Return how many rows are new or other ones, by table."""
    counts = {name: len(set(after[name]) - set(before[name])) for name in before}
    return {name: count for name, count in counts.items() if count}


def test_the_same_release_does_the_same_and_nothing_leaves_the_machine(stage: Scene) -> None:
    run_ids = played(
        stage, ("everything", ORDER), ("reply", "an angry letter"), ("regret", "B-2"), ("ask", "?")
    )
    written, kept = lines(stage.folder), rows(stage)
    assert written.count("pay") == 2 and written.count("unpay") == 1
    report = replayed(stage, stage.release.digest)
    # The child is a run of its own, and is replayed as one.
    assert {one.run_id for one in report.runs} > set(run_ids)
    assert [(one.verdict, one.why, one.differences) for one in report.runs] == [
        ("same", "", ())
    ] * 5
    assert report.noise == {"same": 5, "changed": 0, "diverged": 0}
    assert lines(stage.folder) == written
    # One event says that it was done.
    assert added(kept, rows(stage)) == {"events": 1}
    (event,) = stage.platform.events.list(chain=f"release:{stage.release.digest}", limit=1)
    assert (event.type, event.data["evidence"]) == ("replay.finished", report.evidence)


def test_a_candidate_with_a_worse_prompt_fails_and_its_model_is_really_asked(
    stage: Scene,
) -> None:
    letters = [f"an angry letter {number}" for number in range(8)] + ["a kind letter"]
    played(stage, *(("reply", letter) for letter in letters))
    digest = candidate(stage, prompt=("Reply kindly.", "Reply in a rude way."))
    written = lines(stage.folder)
    report = replayed(stage, digest)
    assert (report.conclusion, report.pairs.harmed, report.pairs.both_passed) == ("failure", 8, 1)
    assert report.noise == {"same": 9, "changed": 0, "diverged": 0}
    assert lines(stage.folder) == [*written, *["model"] * 9]
    worse = next(one for one in report.runs if one.after is False)
    found = {(one.what, one.before, one.after) for one in worse.differences}
    assert ("outcome", "succeeded", "denied FL-604") in found
    assert {what for what, _, _ in found} == {"outcome", "output", "check"}
    check = replay_check(report)
    assert (check.conclusion, check.figures["evidence"]) == ("failure", report.evidence)
    # From the recording nothing can be said of another prompt: that never passes.
    report = replayed(stage, digest, model="recorded")
    assert (report.conclusion, report.pairs.decided) == ("inconclusive", 0)
    assert "model function:s, call 1, is not on record with these arguments" in report.runs[0].why
    assert replay_check(report).conclusion == "neutral"
    assert lines(stage.folder) == [*written, *["model"] * 9]


def test_invariant_11_live_models_cost_no_more_than_was_allowed(
    stage: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    played(stage, *(("reply", f"letter {number}") for number in range(10)))
    digest = candidate(stage, prompt=("Reply kindly.", "Reply very kindly."))
    monkeypatch.setattr(ModelResponse, "cost", lambda _: SimpleNamespace(total_price=0.25))
    monkeypatch.setattr(KnownPrices, "cost_usd", lambda *_, **__: 0.5)
    written = lines(stage.folder)
    report = replayed(stage, digest, cost_usd=1.0)
    paid = len(lines(stage.folder)) - len(written)
    # Each was expected to cost 0.5: so a third one was asked once the first had cost less.
    assert (paid, report.cost_usd, report.pairs.decided) == (3, 0.75, 3)
    left = [one for one in report.runs if one.after is None]
    assert {one.why for one in left} == {
        "the replays may cost 1 USD, and no more is left for a live model"
    }
    assert f"; {len(left)} are undecided as the bound of 1 USD is spent" in report.reason
    assert replayed(stage, digest, cost_usd=0.0).cost_usd == 0.0
    with pytest.raises(ReplayInvalid, match="cannot cost at most nan USD"):
        replayed(stage, digest, cost_usd=float("nan"))
    with pytest.raises(ReplayInvalid, match="not -1"):
        replayed(stage, digest, unpriced_calls=-1)


def test_invariant_11_a_bound_that_cannot_be_kept_is_refused_at_the_start(stage: Scene) -> None:
    played(stage, ("reply", "a kind letter"), ("reply", "another letter"))
    digest = candidate(stage, prompt=("Reply kindly.", "Reply very kindly."))
    written = lines(stage.folder)
    with pytest.raises(ReplayUnpriced, match="models without a known price: function:s; a bound"):
        replayed(stage, digest, cost_usd=1.0)
    assert lines(stage.folder) == written
    # Where no model is asked, there is nothing to bound.
    assert replayed(stage, digest, cost_usd=1.0, model="recorded").unpriced == {}
    report = replayed(stage, digest, cost_usd=1.0, unpriced_calls=1)
    assert (report.unpriced, report.pairs.decided) == ({"function:s": 1}, 1)
    assert "1 are undecided as the bound of 1 turns of models without a known" in report.reason
    assert lines(stage.folder) == [*written, "model"]
    # What nobody bounded in money is asked, and named.
    assert replayed(stage, digest).unpriced == {"function:s": 2}


def test_a_model_that_is_away_says_nothing_of_the_candidate(stage: Scene) -> None:
    played(stage, ("reply", "a kind letter"))
    digest = candidate(stage, prompt=("Reply kindly.", "Reply very kindly."))
    (stage.folder / "down").touch()
    (one,) = replayed(stage, digest).runs
    assert (one.verdict, one.after) == ("diverged", None)
    assert "somebody who was really asked failed" in one.why


def test_what_policies_decide_otherwise_is_a_change(stage: Scene) -> None:
    played(stage, ("everything", ORDER))
    written = lines(stage.folder)
    strict = '@id("no-pay") forbid (principal, action, resource == Tool::"pay");\n@id("all")'
    report = replayed(stage, candidate(stage, policy=('@id("all")', strict)))
    (one,) = [one for one in report.runs if one.workflow == "everything"]
    assert (one.verdict, one.before, one.after) == ("changed", True, False)
    found = {(each.what, each.where): (each.before, each.after) for each in one.differences}
    assert found["decision", "tool pay"] == ("allow all", "deny no-pay")
    assert found["call", "tool pay"][0] == "done"
    assert lines(stage.folder) == written
    # Nobody was asked about it on record: whether they would have agreed is nobody's guess.
    asks = (
        '@id("ask-look") @ask("approver") permit (principal, action, resource == Tool::"look");\n'
    )
    digest = candidate(stage, policy=(strict, asks + '@id("all")'))
    report = replayed(stage, digest)
    (one,) = [one for one in report.runs if one.workflow == "everything"]
    assert one.verdict == "diverged" and "an approval of tool look" in one.why


def test_tools_are_stubbed_or_live_only_when_they_read(stage: Scene) -> None:
    (run_id,) = played(stage, ("everything", ORDER))
    written, digest = lines(stage.folder), stage.release.digest
    stub = {"pay": ToolPolicy(mode="stub", value="nothing was paid")}
    report = replayed(stage, digest, run_id, tools={**stub, "look": ToolPolicy(mode="live")})
    (one,) = report.runs
    assert [each.what for each in one.differences] == ["output"]
    assert "nothing was paid" in one.differences[0].after
    assert lines(stage.folder) == [*written, "look"]
    with pytest.raises(ReplayUnsafe, match="pay has effect once"):
        replayed(stage, digest, run_id, tools={"pay": ToolPolicy(mode="live")})
    with pytest.raises(ReplayInvalid, match="no tool 'pray'"):
        replayed(stage, digest, run_id, tools={"pray": ToolPolicy()})
    with pytest.raises(ReplayInvalid, match="the stub of tool pay is nothing that it returns"):
        replayed(stage, digest, run_id, tools={"pay": ToolPolicy(mode="stub", value={"a": 1})})
    with pytest.raises(ReplayInvalid):
        replay_runs(stage.platform, digest, ReplaySelection(runs=0))
    with pytest.raises(UnknownWorkflow):
        replay_runs(stage.platform, digest, ReplaySelection(workflow="nothing"))


def test_memory_is_read_as_of_the_recorded_time(stage: Scene) -> None:
    played(stage, ("clerk", "A-1"))
    (run_id,) = played(stage, ("ask", "which order did a clerk see?"))
    recorded = stage.run(run_id).outcome["answer"]
    assert recorded == ["a clerk saw order A-1"]
    played(stage, ("clerk", "A-2"))
    # Another top_k is another question: it is read, and not answered from the recording.
    digest = candidate(
        stage, toml=("[worker]", "[workflow.ask]\nremember = {top_k = 7}\n\n[worker]")
    )
    kept = rows(stage)
    report = replayed(stage, digest, run_id)
    # Nor is it noted who read it.
    assert added(kept, rows(stage)) == {"events": 1}
    (one,) = report.runs
    assert (one.verdict, one.after) == ("changed", True)
    assert [each.what for each in one.differences] == ["call"]


def test_other_code_is_refused(stage: Scene) -> None:
    """In a process that has loaded some already."""
    (run_id,) = played(stage, ("talk", "hello"))
    before = stage.release.digest
    stage.edit("app.py", "return [turn.question", "return [0] + [turn.question")
    digest = stage.release_again().digest
    with pytest.raises(ReplayOtherCode, match=r"was made from code .* this process has loaded"):
        replayed(stage, before, run_id)
    report = replayed(stage, digest, run_id)
    # On its own release it cannot be played here, so the noise is not known.
    assert [(one.verdict, one.noise) for one in report.runs] == [("changed", None)]
    assert "made by other code" in report.runs[0].noise_why
    assert report.noise == {"same": 0, "changed": 0, "diverged": 0}


def test_a_secret_that_a_run_returned_is_no_difference(stage: Scene) -> None:
    """The record holds what was left of it."""
    (run_id,) = played(stage, ("echo", "ghp_" + "a1B2c3D4e5" * 3 + "f6G7h8"))
    assert "redacted" in str(stage.run(run_id).outcome)
    (one,) = replayed(stage, stage.release.digest, run_id).runs
    assert (one.verdict, one.differences) == ("same", ())


def test_a_conversation_is_read_as_it_was(stage: Scene) -> None:
    worker = make_worker(stage.platform)
    worker.start()
    try:
        for words in ("one", "two", "three"):
            ended = stage.wait(stage.start("talk", words, conversation="c"))
    finally:
        worker.stop()
    assert ended.outcome["answer"] == ["one", "two"]
    report = replayed(stage, stage.release.digest)
    assert report.verdicts == {"same": 3, "changed": 0, "diverged": 0}


def test_what_was_pruned_erased_or_forked_is_undecided(stage: Scene) -> None:
    erased, masked, whole = played(stage, ("talk", "a"), ("clerk", "e"), ("clerk", "d"))
    (pruned,) = played(stage, ("clerk", "b"))
    fork = stage.platform.control.fork(whole, 1, Order(by="ann", reason="what if"))
    with stage.platform.database.engine.begin() as connection:
        connection.execute(
            sa.text("INSERT INTO erased_blobs SELECT input_digest, 'e' FROM runs WHERE id = :id"),
            {"id": erased},
        )
        # As an erasure does: the payload keeps its name, and does not match it any more.
        result = sa.select(calls.c.result_digest).where(calls.c.run_id == masked)
        blob = connection.execute(result).scalar_one()
        held = sa.select(blobs.c.data).where(blobs.c.digest == blob)
        whole_data = connection.execute(held).scalar_one()
        connection.execute(
            sa.update(blobs).where(blobs.c.digest == blob).values(data=b'{"state": "done"}')
        )
        connection.execute(sa.insert(erased_blobs).values(digest=blob, erasure="e"))
    # The verb lets runs rest for an hour first.
    stage.platform.pruning.store.prune([[pruned]], Order(by="ann", reason="old"))
    report = replayed(stage, stage.release.digest, erased, masked, pruned, fork.id)
    whys = {one.run_id: (one.verdict, one.before, one.why) for one in report.runs}
    gone = ("diverged", None, "something was erased out of its record")
    assert (whys[erased], whys[masked]) == (gone, gone)
    assert whys[pruned] == ("diverged", None, "its payloads were pruned")
    assert whys[fork.id][0] == "diverged"
    assert (report.pairs.undecided, report.conclusion) == (4, "inconclusive")
    assert "4 of 4 replays are undecided (100%; at most 10% may be)" in report.reason
    with stage.platform.database.engine.begin() as connection:
        connection.execute(sa.update(blobs).where(blobs.c.digest == blob).values(data=whole_data))
    # Nobody names them: then they are left out.
    chosen = {one.run_id for one in replayed(stage, stage.release.digest).runs}
    assert chosen.isdisjoint((pruned, fork.id)) and erased in chosen


def test_a_record_with_a_gap_is_undecided(stage: Scene) -> None:
    """As after a hand in the database: a call that the log names is not there."""
    (run_id,) = played(stage, ("clerk", "a"))
    recordings = stage.platform.recordings
    assert recordings.load([run_id])[0].unusable == ""
    with stage.platform.database.engine.begin() as connection:
        kept = connection.execute(sa.select(calls).where(calls.c.run_id == run_id)).mappings().all()
        connection.execute(sa.delete(calls).where(calls.c.run_id == run_id))
    try:
        report = replayed(stage, stage.release.digest, run_id)
        assert report.runs[0].why == "1 calls of it are not on record any more"
    finally:
        with stage.platform.database.engine.begin() as connection:
            connection.execute(sa.insert(calls), [dict(one) for one in kept])


def test_a_run_of_a_damaged_release_is_undecided(stage: Scene) -> None:
    (run_id,) = played(stage, ("talk", "a"))
    before = stage.release.digest
    digest = candidate(stage, prompt=("Reply kindly.", "Reply."))
    spoil = sa.text("UPDATE releases SET manifest = :text WHERE digest = :digest")
    engine = stage.platform.database.engine
    kept = sa.text("SELECT manifest FROM releases WHERE digest = :digest")
    with engine.begin() as connection:
        text = connection.execute(kept, {"digest": before}).scalar_one()
        connection.execute(spoil, {"text": text.replace("desk", "disk"), "digest": before})
    try:
        (one,) = replayed(stage, digest, run_id).runs
        assert one.verdict == "diverged" and "its release cannot be read" in one.why
    finally:
        with engine.begin() as connection:
            connection.execute(spoil, {"text": text, "digest": before})


def test_without_a_run_there_is_no_data(stage: Scene) -> None:
    report = replayed(stage, stage.release.digest)
    assert (report.conclusion, report.runs) == ("no_data", ())
    assert replay_check(report).conclusion == "neutral"


def test_only_an_operator_replays_and_only_runs_of_their_tenant(stage: Scene) -> None:
    played(stage, ("talk", "a"))
    digest = stage.release.digest

    def acting_as(tenant: str, *roles: Any) -> Any:
        who = Principal(user="v", tenant=tenant, roles=roles, issuer="x")
        return replay_runs(replace(stage.platform, principal=who), digest)

    with pytest.raises(RoleMissing):
        acting_as("default", "viewer")
    assert len(acting_as("default", "operator").runs) == 1
    assert acting_as("elsewhere", "operator").conclusion == "no_data"
