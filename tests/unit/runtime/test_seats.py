"""Places: who is at work, who waits in memory, and who must go on elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fairlead.ports.dispatch import Claimed, Fence
from fairlead.ports.engine import Suspended
from fairlead.runtime.seats import Seats
from fairlead.testing import FakeClock


class Room:
    """Seats for two runs at work and two that wait."""

    def __init__(self, *, active_max: int = 2, parked_max: int = 2) -> None:
        self.clock, self.unloaded, self.lease = FakeClock(), list[tuple[str, Fence]](), True
        self.seats = Seats(
            active_max=active_max,
            parked_max=parked_max,
            clock=self.clock,
            lease_held=lambda: self.lease,
            unload=lambda run_id, fence: self.unloaded.append((run_id, fence)),
        )

    def take(self, run_id: str, claim: int = 1, deaths: int = 0) -> Fence:
        """Give a run a place."""
        fence = Fence(worker_id="me", claim=claim)
        self.seats.take(
            Claimed(run_id=run_id, tenant="t", fence=fence, deaths=deaths, fresh=claim == 1)
        )
        return fence

    def sit(self, run_id: str, claim: int = 1) -> Any:
        """Let a run begin."""
        self.take(run_id, claim)
        return self.seats.sit(run_id)

    async def park(self, run_id: str) -> tuple[Any, asyncio.Task[None]]:
        """Let a run begin and wait."""
        seat = self.sit(run_id)
        seat.expect()
        resting = asyncio.ensure_future(seat.rest())
        await asyncio.sleep(0)
        return seat, resting


def in_loop(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(5.0):
            await scenario()

    asyncio.run(bounded())


def test_a_place_is_taken_by_the_claim_and_freed_by_the_end() -> None:
    async def scenario() -> None:
        room = Room()
        fence = room.take("r1")
        assert (room.seats.free, room.seats.active, room.seats.seated) == (1, 1, {"r1"})
        seat = room.seats.sit("r1")
        assert seat.fence == fence
        assert (room.seats.free, room.seats.active) == (1, 1)
        room.seats.leave(seat, "r1")
        assert (room.seats.free, room.seats.active, room.seats.seated) == (2, 0, frozenset())

    in_loop(scenario)


def test_a_run_that_was_not_claimed_has_no_place() -> None:
    async def scenario() -> None:
        room = Room()
        room.take("r1")
        with pytest.raises(Suspended, match="r2 was not claimed"):
            room.seats.sit("r2")

    in_loop(scenario)


def test_an_execution_sits_under_the_newest_claim_and_leaves_only_its_own() -> None:
    async def scenario() -> None:
        room = Room()
        old = room.sit("r1", 1)
        new = room.sit("r1", 10)
        assert (old.fence.claim, new.fence.claim) == (1, 10)
        room.seats.leave(old, "r1")
        assert room.seats.seated == {"r1"}
        # The engine may be given a run twice, and it is executed once.
        with pytest.raises(Suspended, match="already"):
            room.seats.sit("r1")
        room.seats.leave(new, "r1")
        assert room.seats.seated == frozenset()

    in_loop(scenario)


def test_a_run_that_rests_gives_its_place_up_until_it_is_woken() -> None:
    async def scenario() -> None:
        room = Room()
        _, resting = await room.park("r1")
        assert (room.seats.free, room.seats.active, room.seats.parked) == (2, 0, {"r1"})
        assert room.seats.seated == {"r1"}
        room.seats.wake("r1")
        # At once, before its own loop has turned: the place is its own again.
        assert (room.seats.free, room.seats.parked, resting.done()) == (1, frozenset(), False)
        await resting
        assert (room.seats.free, room.seats.active) == (1, 1)

    in_loop(scenario)


def test_a_run_that_is_woken_before_it_rests_does_not_rest() -> None:
    async def scenario() -> None:
        room = Room(parked_max=0)
        seat = room.sit("r1")
        seat.expect()
        room.seats.wake("r1")
        await seat.rest()
        assert (room.seats.active, room.unloaded) == (1, [])

    in_loop(scenario)


def test_an_earlier_waking_does_not_count_for_the_next_rest() -> None:
    async def scenario() -> None:
        room = Room()
        seat, resting = await room.park("r1")
        room.seats.wake("r1")
        await resting
        room.seats.wake("r1")
        seat.expect()
        again = asyncio.ensure_future(seat.rest())
        for _ in range(3):
            await asyncio.sleep(0)
        assert (again.done(), room.seats.parked) == (False, {"r1"})
        room.seats.wake("r1")
        await again

    in_loop(scenario)


def test_who_stays_keeps_the_place() -> None:
    async def scenario() -> None:
        room = Room()
        seat = room.sit("r1")
        seat.expect()
        seat.stay()
        room.seats.wake("r1")
        room.seats.drop("r1")
        assert (room.seats.active, room.seats.parked) == (1, frozenset())

    in_loop(scenario)


def test_a_dropped_run_ends_here() -> None:
    async def scenario() -> None:
        room = Room()
        _, first = await room.park("r1")
        _, second = await room.park("r2")
        room.seats.drop("r1")
        with pytest.raises(Suspended, match="not this worker's any more"):
            await first
        assert not second.done()
        room.seats.wake("r2")
        await second

    in_loop(scenario)


def test_invariant_11_more_parked_runs_than_there_is_room_for_are_unloaded() -> None:
    async def scenario() -> None:
        room = Room(parked_max=1)
        _, resting = await room.park("r1")
        seat = room.sit("r2")
        seat.expect()
        with pytest.raises(Suspended, match="r2 was unloaded"):
            await seat.rest()
        assert room.unloaded == [("r2", seat.fence)]
        assert (room.seats.parked, resting.done()) == ({"r1"}, False)
        room.seats.wake("r1")
        await resting

    in_loop(scenario)


def test_the_lease_is_asked_at_each_moment() -> None:
    async def scenario() -> None:
        room = Room()
        seat = room.sit("r1")
        assert seat.held()
        room.lease = False
        assert not seat.held()

    in_loop(scenario)


def test_doubts_are_of_the_runs_at_work_and_end_with_progress() -> None:
    async def scenario() -> None:
        room = Room()
        room.take("r1")
        assert room.seats.doubts(2) == (0, False)
        room.take("r2", deaths=1)
        assert room.seats.doubts(2) == (1, False)
        room.take("r3", deaths=2)
        assert room.seats.doubts(2) == (2, True)
        seat = room.seats.sit("r3")
        seat.expect()
        resting = asyncio.ensure_future(seat.rest())
        await asyncio.sleep(0)
        # A parked run kills nobody.
        assert room.seats.doubts(2) == (1, False)
        room.seats.wake("r3")
        await resting
        assert room.seats.doubts(2) == (2, True)
        seat.got_on()
        assert room.seats.doubts(2) == (1, False)

    in_loop(scenario)


def test_what_the_engine_has_not_begun_is_overdue_once_in_a_while() -> None:
    async def scenario() -> None:
        room = Room()
        room.take("r1")
        room.sit("r2")
        room.clock.time += 10
        assert room.seats.overdue(10.0) == []
        room.clock.time += 0.1
        assert room.seats.overdue(10.0) == ["r1"]
        assert room.seats.overdue(10.0) == []
        room.clock.time += 10.1
        assert room.seats.overdue(10.0) == ["r1"]
        room.seats.sit("r1")
        room.clock.time += 100
        assert room.seats.overdue(10.0) == []

    in_loop(scenario)


def test_the_place_of_a_run_that_is_never_given_is_free_again() -> None:
    async def scenario() -> None:
        room = Room()
        room.take("r1")
        room.sit("r2")
        room.seats.vacate("r1")
        room.seats.vacate("r2")
        room.seats.vacate("r3")
        # What has begun leaves by itself.
        assert room.seats.seated == {"r2"}

    in_loop(scenario)
