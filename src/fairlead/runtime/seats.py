"""The places of a worker: runs at work take one each, parked runs are counted apart.

A parked run keeps its execution in memory while there is room, so that it goes on within
milliseconds; beyond that it is unloaded, and goes on from its record. So any number of runs can
wait for people, and none of them keeps another one from its work.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from fairlead.ports.clock import Clock
from fairlead.ports.dispatch import Claimed, Fence
from fairlead.ports.engine import Suspended


class Seat(Protocol):
    """One execution of a run, as the run's own side sees it."""

    @property
    def fence(self) -> Fence:
        """Under which claim it acts."""
        ...

    def held(self) -> bool:
        """Whether its worker's lease surely holds at this moment."""
        ...

    def got_on(self) -> None:
        """Say that the run made progress: no worker's death before this counts against it."""
        ...

    def expect(self) -> None:
        """Be ready to be woken, before it is on record that the run waits."""
        ...

    async def rest(self) -> None:
        """Give the place up until there is something to go on with.

        Raises:
            Suspended: The run is unloaded, stopped, or belongs to another worker by now.
        """
        ...

    def stay(self) -> None:
        """Keep the place after all."""
        ...


class Places(Protocol):
    """Where an execution takes its seat."""

    def sit(self, run_id: str) -> Seat:
        """Return the place of a run's execution, which begins.

        Raises:
            Suspended: This worker has not claimed the run.
        """
        ...

    def leave(self, seat: Seat, run_id: str) -> None:
        """Free the place of an execution that has ended."""
        ...


@dataclass(kw_only=True, eq=False)
class _Taken:
    claimed: Claimed
    taken_at: float
    deaths: int
    begun: bool = False
    parked: bool = False
    told: bool = False
    loop: asyncio.AbstractEventLoop | None = None
    woken: asyncio.Future[None] | None = None


@dataclass(kw_only=True)
class Seats:
    """All places of a worker; shared by its event loop and its dispatcher's thread.

    Attributes:
        active_max: Most runs at work at the same time.
        parked_max: Most runs that wait in memory.
        clock: Time.
        lease_held: Whether the worker's lease surely holds.
        unload: Lets go of a parked run on record.
    """

    active_max: int
    parked_max: int
    clock: Clock
    lease_held: Callable[[], bool]
    unload: Callable[[str, Fence], None]
    _taken: dict[tuple[str, int], _Taken] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def free(self) -> int:
        """How many more runs may be at work."""
        with self._lock:
            return self.active_max - sum(not taken.parked for taken in self._taken.values())

    @property
    def active(self) -> int:
        """How many runs are at work."""
        with self._lock:
            return sum(not taken.parked for taken in self._taken.values())

    @property
    def parked(self) -> frozenset[str]:
        """The runs that wait in memory."""
        with self._lock:
            return frozenset(run_id for (run_id, _), taken in self._taken.items() if taken.parked)

    @property
    def seated(self) -> frozenset[str]:
        """All runs that have a place or wait in memory."""
        with self._lock:
            return frozenset(run_id for run_id, _ in self._taken)

    def doubts(self, suspect_deaths: int) -> tuple[int, bool]:
        """Return how many runs are uncleared after a death, and whether one is a suspect.

        Args:
            suspect_deaths: A run with so many deaths is a suspect.
        """
        with self._lock:
            deaths = [taken.deaths for taken in self._taken.values() if not taken.parked]
        return sum(count > 0 for count in deaths), any(count >= suspect_deaths for count in deaths)

    def take(self, claimed: Claimed) -> None:
        """Give a run a place, before the engine executes it."""
        taken = _Taken(claimed=claimed, taken_at=self.clock.monotonic(), deaths=claimed.deaths)
        with self._lock:
            self._taken[claimed.run_id, claimed.fence.claim] = taken

    def sit(self, run_id: str) -> Seat:
        """Return the place of a run's execution, which begins.

        Raises:
            Suspended: This worker has not claimed the run, or executes it already.
        """
        with self._lock:
            claims = [claim for known, claim in self._taken if known == run_id]
            if not claims:
                raise Suspended(f"run {run_id} was not claimed by this worker")
            taken = self._taken[run_id, max(claims)]
            if taken.begun:
                # The engine was given it twice, because it began so late.
                raise Suspended(f"run {run_id} is executed by this worker already")
            taken.begun = True
            taken.loop = asyncio.get_running_loop()
        return _Seat(self, taken)

    def leave(self, seat: Seat, run_id: str) -> None:
        """Free the place of an execution that has ended."""
        with self._lock:
            self._taken.pop((run_id, seat.fence.claim), None)

    def vacate(self, run_id: str) -> None:
        """Free the place of a run that the engine is never given."""
        with self._lock:
            for place in [key for key, t in self._taken.items() if key[0] == run_id]:
                if not self._taken[place].begun:
                    del self._taken[place]

    def wake(self, run_id: str) -> None:
        """Let a parked run go on; its place counts again from now."""
        for taken in self._resting(run_id):
            taken.parked, taken.told = False, True
            _tell(taken, None)

    def drop(self, run_id: str) -> None:
        """End a parked run's execution here; its record stays."""
        for taken in self._resting(run_id):
            _tell(taken, Suspended(f"run {run_id} is not this worker's any more"))

    def _resting(self, run_id: str) -> list[_Taken]:
        with self._lock:
            mine = [taken for (known, _), taken in self._taken.items() if known == run_id]
        return [taken for taken in mine if taken.woken is not None]

    def overdue(self, after_s: float) -> list[str]:
        """Return runs that the engine was given and has not begun."""
        limit = self.clock.monotonic() - after_s
        with self._lock:
            late = [t for t in self._taken.values() if not t.begun and t.taken_at < limit]
            for taken in late:
                taken.taken_at = self.clock.monotonic()
        return [taken.claimed.run_id for taken in late]


class _Seat:
    def __init__(self, seats: Seats, taken: _Taken) -> None:
        self._seats = seats
        self._taken = taken

    @property
    def fence(self) -> Fence:
        return self._taken.claimed.fence

    def held(self) -> bool:
        return self._seats.lease_held()

    def got_on(self) -> None:
        self._taken.deaths = 0

    def expect(self) -> None:
        self._taken.told = False
        self._taken.woken = asyncio.get_running_loop().create_future()

    async def rest(self) -> None:
        woken = self._taken.woken
        assert woken is not None, "a run rests after it was made ready to be woken"
        try:
            self._taken.parked = not self._taken.told
            if len(self._seats.parked) > self._seats.parked_max and not self._taken.told:
                run_id = self._taken.claimed.run_id
                await asyncio.to_thread(self._seats.unload, run_id, self.fence)
                raise Suspended(f"run {run_id} was unloaded while it waits")
            await woken
        finally:
            self.stay()

    def stay(self) -> None:
        self._taken.parked = False
        self._taken.woken = None


def _tell(taken: _Taken, error: Suspended | None) -> None:
    loop, woken = taken.loop, taken.woken
    if loop is None or woken is None:
        return

    def tell() -> None:
        if woken.done():
            return
        if error is None:
            woken.set_result(None)
        else:
            woken.set_exception(error)

    loop.call_soon_threadsafe(tell)
