"""What follows a run that remembered: one run that makes more of it, started once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import fairlead as fl
from fairlead.core.errors import InvalidInput, KillSwitchPulled
from fairlead.ports.runs import Order, RunRecord
from fairlead.runtime import deriving
from fairlead.runtime.admission import StartOptions
from fairlead.testing import FakeAuthorizer
from tests.unit.runtime.bench import SLO_OF_TESTS
from tests.unit.runtime.shelf import SAID, MemoryBench, Shelf
from tests.unit.runtime.test_memory import recalls, remembers


@fl.workflow(
    intent="Summarise",
    owner="group:default/tests",
    input=fl.Remembered,
    output=str,
    slo=SLO_OF_TESTS,
    memory=fl.Memory(remember=fl.Remember()),
    queue="slow",
)
async def summarise(run: fl.Run[str], given: fl.Remembered) -> str:
    """Make one item of those that a run remembered."""
    items = await run.memory.get(*given.items)
    text = f"in short: {len(items)}"
    return (await run.memory.remember(text, derived_from=[one.id for one in items])).id


DERIVES: Any = fl.Remember(derive=summarise)


def bench(shelf: Shelf, body: Any, **options: Any) -> MemoryBench:
    return shelf.bench(body, remember=DERIVES, follows=[summarise], **options)


def started(one: MemoryBench) -> list[RunRecord]:
    return [run for run in one.runs.records.values() if run.workflow == "summarise"]


def test_a_run_that_remembered_is_followed(shelf: Shelf) -> None:
    async def body(run: Any, _: str) -> str:
        await run.memory.remember(SAID)
        await run.memory.remember("the customer lives in Ghent", kind="episodic")
        # Merged: nothing new was remembered.
        await run.memory.remember(SAID)
        return "done"

    one = bench(shelf, body)
    one.change(principal=fl.Principal(user="ann"), purpose="user", priority=7, environment="live")
    assert one.execute().state == "succeeded"
    (run,) = started(one)
    made = [item.id for item in shelf.items()]
    assert run.input == {"run": one.run_id, "items": made}
    assert len(made) == 2
    assert (run.release, run.principal.user, run.priority) == (one.release.digest, "ann", 7)
    assert (run.start_key, run.parent_id, run.queue) == (f"derive:{one.run_id}", None, "slow")
    assert run.environment == "live"
    assert (run.state, run.label.integrity if run.label else "") == ("queued", "trusted")
    calls = [(call.kind, call.name) for call in one.journal.of_run(one.run_id)]
    assert calls[-1] == ("child", "summarise")


def test_what_follows_makes_more_of_it(shelf: Shelf) -> None:
    one = bench(shelf, remembers())
    one.execute()
    (run,) = started(one)
    one.run_id = run.id
    assert one.execute(type(one.engine)()).state == "succeeded"
    source, made = shelf.items()
    assert made.provenance.derived_from == (source.id,)
    assert made.provenance.derivation.startswith("summarise@")


async def _fails(run: Any, _: str) -> str:
    await run.memory.remember(SAID)
    raise LookupError("no")


async def _nothing(_: Any, __: str) -> str:
    return "done"


@pytest.mark.parametrize("body", [_fails, _nothing, recalls()])
def test_nothing_follows_a_run_that_failed_or_remembered_nothing(shelf: Shelf, body: Any) -> None:
    one = bench(shelf, body)
    one.execute()
    assert started(one) == []


def test_nothing_follows_where_nothing_is_declared(shelf: Shelf) -> None:
    one = shelf.bench(remembers(), follows=[summarise])
    one.execute()
    assert started(one) == []


def test_nothing_follows_a_derivation_nor_its_children(shelf: Shelf) -> None:
    """Or two workflows would go on for ever."""
    one = bench(shelf, remembers())
    one.change(start_key="derive:another")
    assert one.execute().state == "succeeded"
    assert started(one) == []
    child = bench(shelf, remembers("the customer lives in Ghent"))
    child.runs.records["root"] = replace(child.record, id="root", start_key="derive:another")
    child.change(parent_id="root", parent_call=1)
    assert child.execute().state == "succeeded"
    assert started(child) == []


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_invariant_02_a_run_is_followed_once_wherever_its_worker_dies(
    shelf: Shelf, keep: int
) -> None:
    """Nothing of a later step is on record, neither with the engine nor in the journal."""
    one = bench(shelf, remembers())
    one.execute()
    (before,) = started(one)
    one.forget_end()
    for number in range(keep + 1, 3):
        one.journal.records.pop((one.run_id, number))
    one.effects.records.clear()
    assert one.execute(one.engine.replay(keep=keep)).state == "succeeded"
    assert started(one) == [before]
    assert len(shelf.items()) == 1


def test_a_run_at_its_last_step_is_followed(shelf: Shelf) -> None:
    one = bench(shelf, remembers(), limits=fl.Limits(steps=1))
    assert one.execute().state == "succeeded"
    assert len(started(one)) == 1


def test_the_policies_and_the_kill_switches_hold_for_what_follows(shelf: Shelf) -> None:
    denied = bench(shelf, remembers(), authorizer=FakeAuthorizer(denied=frozenset(("summarise",))))
    assert (denied.execute().state, started(denied)) == ("succeeded", [])
    last = denied.journal.of_run(denied.run_id)[-1]
    assert (last.name, last.result and last.result.code) == ("summarise", "FL-500")

    stopped = bench(shelf, remembers("the customer lives in Ghent"))

    def pull(*_: Any) -> None:
        stopped.kills.pull("app", "bench", Order(by="ann", reason="no more"))
        stopped.clock.time += 10

    async def body(run: Any, _: str) -> str:
        await run.memory.remember("the customer likes tea")
        pull()
        return "done"

    stopped = bench(shelf, body)
    assert (stopped.execute().state, started(stopped)) == ("succeeded", [])
    last = stopped.journal.of_run(stopped.run_id)[-1]
    assert last.result and last.result.code == KillSwitchPulled.code


def test_nobody_else_uses_the_start_keys_of_what_follows() -> None:
    with pytest.raises(InvalidInput, match="derive:"):
        StartOptions(key="derive:r1")
    assert StartOptions(key="derived").key == "derived"
    assert deriving.is_derivation(run_with("derive:r1"))
    assert not deriving.is_derivation(run_with("derived"))
    assert not deriving.is_derivation(run_with(None))


def run_with(key: str | None) -> RunRecord:
    return RunRecord(
        id="r",
        workflow="w",
        release="",
        code_digest="",
        principal=fl.Principal(),
        purpose="user",
        state="queued",
        input=None,
        created_at=0.0,
        start_key=key,
    )
