"""A run goes on under another release: what it keeps, and what is too dangerous to make anew."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from fairlead.core.calls import Call
from fairlead.core.errors import RunFinished, RunPinned
from fairlead.core.release import Release, ToolContract
from fairlead.ports.journal import CallVerdict, Execution
from fairlead.runtime.admission import Admission, moved
from fairlead.testing import FakeKills
from tests.unit.runtime.test_admission import MANIFEST
from tests.unit.runtime.test_control import DONE, ORDER, Room

OLD = Release(digest="d1", manifest=MANIFEST, created_at=0.0)
UNKEYED = ToolContract(
    name="pay", description="Pay.", effect="once", scope="s", targets=(), parameters={}
)
KEYED = replace(UNKEYED, key=("order",))
SAME_CODE = replace(OLD, digest="d2")
OTHER_CODE = replace(OLD, digest="d2", manifest=replace(MANIFEST, code_digest="0" * 64))


def keyed(release: Release, contract: ToolContract = KEYED, tool: str = "pay") -> Release:
    """Return a release with a tool's contract."""
    contracts = {**release.manifest.contracts, tool: contract}
    return replace(release, manifest=replace(release.manifest, contracts=contracts))


def made(room: Room, *calls: tuple[str, str, Any]) -> None:
    """Put calls of `r1` on record: kind, name and effect."""
    execution = Execution(started_at=0.0, finished_at=0.0, attempts=1, claim=1)
    first = len(room.journal.of_run("r1")) + 1
    for number, (kind, name, effect) in enumerate(calls, first):
        call = Call(
            run_id="r1", number=number, kind=kind, name=name, arguments={}, effect=effect,
            lineage="r1",
        )  # type: ignore[arg-type]  # fmt: skip
        room.journal.finish(call, DONE, execution, CallVerdict())


LOOK, PAY = ("tool", "look", "read"), ("tool", "pay", "once")
MODEL, SEARCH, RECALL = (
    ("model", "m", "read"),
    ("retrieval", "notes", "read"),
    ("memory", "recall", "read"),
)
BEGINNINGS = [
    pytest.param((LOOK, MODEL, LOOK), 2, id="a model"),
    pytest.param((LOOK, LOOK, SEARCH, MODEL), 3, id="a collection"),
    pytest.param((RECALL, LOOK, MODEL), 1, id="memory"),
    pytest.param((PAY, LOOK), 3, id="nothing"),
    pytest.param((), 1, id="not begun"),
]


@pytest.mark.parametrize(("calls", "before"), BEGINNINGS)
def test_a_moved_run_keeps_what_the_release_had_no_part_in(calls: Any, before: int) -> None:
    room = Room()
    made(room, *calls)
    fresh = room.control.move("r1", (OLD, SAME_CODE), ORDER)
    forked = [f"fork r1 {fresh.id} {before}"] if before > 1 else []
    assert room.log == [*forked, "cancelled r1", f"record r1 {fresh.id} {before}"]
    assert (fresh.claims, fresh.release, fresh.lineage) == (int(before > 1), "d2", "r1")
    assert (room.records.orders, room.queue.cancelled) == ([ORDER], ["r1"])
    assert moved(room.runs.get("r1")) == fresh.id
    # To begin it a second time is no retry: it has not ended.
    with pytest.raises(RunFinished, match=f"goes on as run {fresh.id}"):
        room.control.retry("r1", ORDER)


def test_invariant_03_with_other_code_everything_is_made_anew() -> None:
    room = Room()
    made(room, LOOK, PAY, MODEL)
    with pytest.raises(RunPinned):
        room.control.move("r1", (OLD, OTHER_CODE), ORDER)
    fresh = room.control.move("r1", (keyed(OLD), keyed(OTHER_CODE)), ORDER)
    assert (fresh.code_digest, fresh.claims) == ("0" * 64, 0)
    assert room.log == ["cancelled r1", f"record r1 {fresh.id} 1"]


def test_a_moved_run_takes_its_name_and_its_place_along() -> None:
    room = Room(
        state="waiting",
        claims=4,
        start_key="k",
        conversation="talk",
        priority=5,
        worker_id="w1",
        wake_at=9.0,
        held_s=3.0,
        lineage="r0",
        environment="live",
    )
    made(room, LOOK)
    fresh = room.control.move("r1", (OLD, SAME_CODE), ORDER)
    assert (fresh.start_key, fresh.conversation, fresh.priority) == ("k", "talk", 5)
    assert (fresh.state, fresh.worker_id, fresh.wake_at, fresh.held_s) == ("queued", None, None, 0)
    assert (fresh.lineage, fresh.root_id, fresh.created_at) == ("r0", "", room.clock.now())
    assert fresh.environment == "live"
    assert (fresh.input, fresh.principal) == ("x", room.runs.get("r1").principal)
    with pytest.raises(RunFinished):
        room.control.move("r1", (OLD, SAME_CODE), ORDER)


def test_a_run_that_no_worker_has_begun_has_no_record_to_copy() -> None:
    room = Room(state="queued", claims=0)
    fresh = room.control.move("r1", (OLD, SAME_CODE), ORDER)
    assert (room.log, fresh.claims) == (["cancelled r1", f"record r1 {fresh.id} 1"], 0)


CHILD = ("child", "other", "read")
REFUSED = [
    pytest.param((MODEL, PAY), OLD, SAME_CODE, "pay", id="no key"),
    pytest.param((MODEL, PAY), keyed(OLD), SAME_CODE, "pay", id="the new one has no key"),
    pytest.param((MODEL, PAY), OLD, keyed(SAME_CODE), "pay", id="the old one had no key"),
    pytest.param(
        (MODEL, PAY), keyed(OLD), keyed(SAME_CODE, replace(KEYED, key=("user",))), "pay",
        id="another key",
    ),
    pytest.param((MODEL, PAY), keyed(OLD), keyed(SAME_CODE, UNKEYED), "pay", id="a key no more"),
    pytest.param(
        (MODEL, ("tool", "pay", "idempotent")), OLD, SAME_CODE, "pay", id="idempotent by place"
    ),
    pytest.param((LOOK, MODEL, PAY), OLD, SAME_CODE, "pay", id="behind what was kept"),
    pytest.param((MODEL, CHILD), OLD, SAME_CODE, "children", id="a child"),
    pytest.param((CHILD, MODEL), OLD, OTHER_CODE, "children", id="a child of other code"),
    pytest.param((LOOK,), OLD, replace(OTHER_CODE, manifest=replace(MANIFEST, workflows={})),
        "no workflow", id="no such workflow",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("calls", "old", "new", "said"), REFUSED)
def test_invariant_02_what_could_happen_twice_is_not_moved(
    calls: Any, old: Release, new: Release, said: str
) -> None:
    room = Room()
    made(room, *calls)
    with pytest.raises(RunPinned, match=said):
        room.control.move("r1", (old, new), ORDER)
    assert (room.log, room.queue.cancelled, len(room.runs.records)) == ([], [], 1)


def test_invariant_02_what_was_kept_may_be_anything() -> None:
    room = Room()
    made(room, PAY, CHILD, MODEL, PAY)
    fresh = room.control.move("r1", (keyed(OLD), keyed(SAME_CODE)), ORDER)
    assert room.log[-1] == f"record r1 {fresh.id} 3"


def test_invariant_02_an_effect_that_began_at_this_moment_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = Room()
    made(room, MODEL)
    monkeypatch.setattr(room.records, "late", lambda: made(room, PAY))
    with pytest.raises(RunPinned):
        room.control.move("r1", (OLD, SAME_CODE), ORDER)
    assert room.runs.get("r1").state == "running"
    assert room.queue.cancelled == []


def test_a_child_moves_with_its_parent_only() -> None:
    room = Room(parent_id="r0")
    with pytest.raises(RunPinned, match="child of run r0"):
        room.control.move("r1", (OLD, SAME_CODE), ORDER)


def test_whoever_waits_for_a_moved_run_gets_the_one_that_goes_on() -> None:
    room = Room()
    second = room.control.move("r1", (OLD, SAME_CODE), ORDER)
    third = room.control.move(second.id, (SAME_CODE, OLD), ORDER)
    room.runs.records[third.id] = replace(third, state="succeeded")
    door = Admission(runs=room.runs, clock=room.clock, kills=FakeKills(room.clock))
    assert asyncio.run(door.wait("r1", 1.0)).id == third.id
    cancelled = replace(room.runs.get("r1"), outcome={"moved_to": 7})
    for one in (cancelled, replace(cancelled, outcome="x"), replace(cancelled, state="failed")):
        assert moved(one) is None
