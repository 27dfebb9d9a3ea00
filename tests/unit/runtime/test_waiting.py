"""A durable wait is a row and two steps; whoever goes on with the run finds it over or not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from fairlead.core.errors import ReplayDiverged, UnknownRun
from fairlead.ports.dispatch import Fence
from fairlead.ports.engine import Suspended
from fairlead.ports.faults import HumanFault
from fairlead.ports.waits import Signal, Wait, WaitKind
from fairlead.runtime.waiting import Awaited, wait_for
from tests.unit.runtime.test_boundary import Bench

MINUTE_S = 60.0


def awaited(kind: WaitKind = "signal", topic: str = "go", key: str = "w1") -> Awaited:
    return Awaited(run_id="r1", key=key, kind=kind, topic=topic, within_s=MINUTE_S)


def wait(bench: Bench, what: Awaited | None = None) -> Wait:
    made = wait_for(what or awaited(), bench.engine, bench.services, bench.seat)
    return asyncio.run(made)


def signal(bench: Bench, payload: Any = "hi") -> None:
    bench.waits.send(Signal(run_id="r1", name="go", payload=payload, by="ann"))


def steps_of(bench: Bench) -> list[str]:
    return [name for name, _ in bench.engine.steps]


def test_a_wait_that_nobody_answers_ends_when_it_is_due() -> None:
    bench = Bench()
    began = bench.clock.now()
    ended = wait(bench)
    assert (ended.over, ended.answered, ended.answer) == (True, False, None)
    assert (ended.opened_at, ended.ended_at) == (began, began + MINUTE_S)
    assert steps_of(bench) == ["wait w1", "answer w1"]
    assert (bench.dispatch.parkings, bench.seat.rests) == ([("r1", "w1")], 1)


def test_an_answer_ends_a_wait() -> None:
    bench = Bench()
    bench.seat.answer = lambda _: signal(bench)
    ended = wait(bench)
    assert (ended.answered, ended.answer) == (True, {"payload": "hi", "by": "ann"})
    assert ended.ended_at == bench.clock.now()


def test_what_was_answered_before_keeps_its_place() -> None:
    bench = Bench()
    signal(bench)
    assert wait(bench).answered
    assert (bench.dispatch.parkings, bench.seat.rests) == ([], 0)


def test_a_waking_without_an_answer_is_no_end() -> None:
    """The place may be taken again for any reason; only the row says that it is over."""
    bench = Bench()
    wakings = iter([None, None, "hi"])

    class Seat(type(bench.seat)):  # type: ignore[misc]
        async def rest(self) -> None:
            self.rests += 1
            payload = next(wakings)
            if payload:
                signal(bench, payload)

    bench.seat = Seat(bench.clock, bench.waits)
    assert wait(bench).answered
    assert bench.seat.rests == 3


def test_a_recovery_reads_both_steps_and_asks_no_row() -> None:
    bench = Bench()
    bench.seat.answer = lambda _: signal(bench)
    first = wait(bench)
    bench.again(bench.engine.replay())
    # A fork has the steps of its origin, and none of its rows.
    bench.waits.waits.clear()
    assert wait(bench) == first
    assert (bench.engine.executed, bench.seat.rests) == ([], 1)


def test_a_wait_goes_on_after_a_restart_and_does_not_begin_anew() -> None:
    bench = Bench()

    def dies(_: Wait) -> None:
        raise Suspended("the worker stops")

    bench.seat.answer = dies
    with pytest.raises(asyncio.CancelledError):
        wait(bench)
    assert steps_of(bench) == ["wait w1"]
    bench.clock.time += MINUTE_S - 1
    began = bench.waits.waits["r1", "w1"].opened_at
    bench.seat.answer = None
    for keep in (1, 0):
        bench.again(bench.engine.replay(keep=keep))
        ended = wait(bench)
        assert (ended.opened_at, ended.ended_at) == (began, began + MINUTE_S)
        assert bench.clock.now() == began + MINUTE_S


def test_an_answer_that_comes_when_the_run_has_read_its_end_changes_nothing() -> None:
    bench = Bench()
    assert not wait(bench).answered
    signal(bench)
    assert len(bench.waits.signals) == 1
    bench.again(bench.engine.replay(keep=1))
    assert not wait(bench).answered


def test_who_lost_the_run_does_not_wait_for_it() -> None:
    bench = Bench()
    bench.dispatch.owners["r1"] = Fence(worker_id="another", claim=2)
    stayed: list[str] = []

    class Seat(type(bench.seat)):  # type: ignore[misc]
        def stay(self) -> None:
            stayed.append("stay")

    bench.seat = Seat(bench.clock, bench.waits)
    with pytest.raises(Suspended, match="another worker"):
        wait(bench)
    assert (steps_of(bench), bench.seat.rests, stayed) == (["wait w1"], 0, ["stay"])


def test_a_place_is_kept_when_parking_fails() -> None:
    bench = Bench()
    stayed: list[str] = []

    class Seat(type(bench.seat)):  # type: ignore[misc]
        def stay(self) -> None:
            stayed.append("stay")

    def park(*_: Any) -> bool:
        raise UnknownRun("gone")

    bench.seat = Seat(bench.clock, bench.waits)
    bench.dispatch.park = park  # type: ignore[method-assign]
    with pytest.raises(UnknownRun):
        wait(bench)
    assert stayed == ["stay"]


def test_a_wait_that_ends_while_it_is_parked_gives_no_place_up() -> None:
    bench = Bench()
    park = bench.dispatch.park

    def answered(run_id: str, fence: Fence, key: str) -> bool:
        signal(bench)
        return park(run_id, fence, key)

    bench.dispatch.park = answered  # type: ignore[method-assign]
    assert wait(bench).answered
    assert bench.seat.rests == 0


def test_a_run_is_ready_to_be_woken_before_it_is_on_record_that_it_waits() -> None:
    """Else an answer in between wakes nobody."""
    bench, order = Bench(), list[str]()

    class Seat(type(bench.seat)):  # type: ignore[misc]
        def expect(self) -> None:
            order.append("expect")

    park = bench.dispatch.park

    def parks(run_id: str, fence: Fence, key: str) -> bool:
        order.append("park")
        return park(run_id, fence, key)

    bench.seat, bench.dispatch.park = Seat(bench.clock, bench.waits), parks  # type: ignore[method-assign]
    wait(bench)
    assert order == ["expect", "park"]


def test_another_wait_than_on_record_is_an_error() -> None:
    bench = Bench()
    wait(bench)
    bench.engine = bench.engine.replay()
    with pytest.raises(ReplayDiverged):
        wait(bench, awaited(key="w2"))


def test_a_wait_opens_its_row_together_with_something_else() -> None:
    bench, opened = Bench(), list[str]()

    def both() -> Wait:
        opened.append("both")
        return bench.waits.open("r1", "a1", "approval", topic="x", within_s=MINUTE_S)

    what = replace(awaited("approval", "x", "a1"), open=both)
    assert not wait(bench, what).answered
    bench.engine = bench.engine.replay()
    wait(bench, what)
    assert opened == ["both"]


@pytest.mark.parametrize("kind", ["timer", "signal", "child", "effect"])
def test_each_kind_waits_alike(kind: WaitKind) -> None:
    bench = Bench()
    bench.seat.answer = lambda found: bench.waits.answer(found.kind, found.topic, {"x": 1})
    ended = wait(bench, awaited(kind, "t"))
    assert (ended.kind, ended.topic, ended.answer) == (kind, "t", {"x": 1})


class Humans:
    """Faults that act in place of a person."""

    def __init__(self, fault: HumanFault | None) -> None:
        self.fault, self.moments = fault, list[tuple[str, str]]()

    async def human(self, moment: str, name: str, run_id: str) -> HumanFault | None:
        self.moments.append((moment, name))
        return self.fault if moment == "answered" else None


HUMANS = [
    (None, True, True),
    ("deny", True, False),
    ("ignore", False, None),
    ("expire", False, None),
]


@pytest.mark.parametrize(("fault", "answered", "approved"), HUMANS)
def test_a_test_may_answer_in_place_of_a_person(
    fault: HumanFault | None, answered: bool, approved: bool | None
) -> None:
    bench, humans = Bench(), Humans(fault)
    given: Any = humans
    bench.services = replace(bench.services, faults=given)
    bench.seat.answer = lambda found: bench.waits.answer(
        "approval", found.topic, {"approved": True, "by": "ann"}
    )

    def opens() -> Wait:
        return bench.waits.open("r1", "a1", "approval", topic="x", within_s=MINUTE_S)

    ended = wait(bench, replace(awaited("approval", "x", "a1"), open=opens, label="refund"))
    assert ended.answered == answered
    assert (ended.answer or {}).get("approved") == approved
    assert humans.moments == [("asked", "refund"), ("answered", "refund"), ("resumed", "refund")]
    assert wait(bench, awaited(key="w2")).answered is False
    assert len(humans.moments) == 3, "only a person's answers are asked about"
