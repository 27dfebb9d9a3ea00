"""Carries a fault plan out in one process."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from fairlead.core.calls import Call
from fairlead.core.context import Context
from fairlead.core.errors import (
    FairleadError,
    StoreCorrupt,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    StoreUnavailable,
)
from fairlead.ports.boundary import Driven, Driver, DriverError
from fairlead.ports.clock import Clock
from fairlead.ports.engine import RunQueue
from fairlead.ports.faults import CallMoment, HostT, HumanFault, HumanMoment, QueueT, StoreT
from fairlead.testing.faults.actions import (
    Action,
    Answer,
    Delay,
    Error,
    Exit,
    Fail,
    Hang,
    Kill,
    Mutate,
    Repeat,
    Skew,
    Stop,
    merged,
)
from fairlead.testing.faults.clock import FaultyClock
from fairlead.testing.faults.firings import Firing, Firings, firings_of
from fairlead.testing.faults.plan import Fault, FaultPlan, Point
from fairlead.testing.faults.statements import listen
from fairlead.testing.faults.watched import Watched, WatchedHost

if TYPE_CHECKING:
    import sqlalchemy as sa

_STORE_ERRORS: dict[str, type[FairleadError]] = {
    "locked": StoreLocked,
    "full": StoreFull,
    "lost": StoreUnavailable,
    "readonly": StoreReadOnly,
    "corrupt": StoreCorrupt,
}
_BY_RUN = ("runs", "waits", "streams")
"""Stores whose methods take a run's id first."""

_BODY_ERRORS: dict[str, type[Exception]] = {
    "connection": ConnectionError,
    "timeout": TimeoutError,
    "bug": RuntimeError,
}


@dataclass(frozen=True, kw_only=True)
class Waits:
    """How a process waits, and how it tells time for windows.

    Attributes:
        pause: Waits in a coroutine, for a number of seconds.
        sleep: Waits in a thread, for a number of seconds.
        monotonic: Returns seconds that never go back.
    """

    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic


class Injector:
    """The faults of one plan in one process; it is what `open_platform` takes as `faults`.

    Attributes:
        plan: The plan.
    """

    def __init__(
        self, plan: FaultPlan, *, firings: Firings | None = None, waits: Waits | None = None
    ) -> None:
        """Prepare to carry a plan out.

        Args:
            plan: The plan.
            firings: What has fired, and will; None keeps it in memory.
            waits: How to wait; None waits for real.
        """
        self.plan = plan
        self._firings = firings or Firings()
        self._waits = waits or Waits()
        self._counts = [0] * len(plan)
        self._until_s = [float("-inf")] * len(plan)
        self._lock = threading.Lock()

    @classmethod
    def of_file(cls, path: Path) -> Injector:
        """Return the injector of a plan in a file; what fires is recorded in a file beside it.

        Raises:
            ValueError: The file is no plan.
            OSError: It cannot be read.
        """
        return cls(FaultPlan.load(path), firings=firings_of(path))

    @property
    def firings(self) -> list[Firing]:
        """Everything that has fired, in order."""
        return self._firings.list()

    def strike(self, point: Point) -> list[Action]:
        """Reach a point: count it, and return what is to be done there, in the plan's order."""
        found = []
        with self._lock:
            for place, fault in enumerate(self.plan):
                if fault.concerns(point) and self._fires(place, fault, point):
                    found.append(fault.action)
        return found

    def _fires(self, place: int, fault: Fault, point: Point) -> bool:
        self._counts[place] += 1
        by_run = fault.counted == "run"
        count = (point.number or 0) if by_run else self._counts[place]
        now_s = self._waits.monotonic()
        if now_s < self._until_s[place]:
            return True
        if not fault.strikes_at(count):
            return False
        firing = Firing(
            fault=place,
            do=fault.action.do,
            name=point.names[0],
            moment=point.moment,
            run=point.run,
            number=point.number,
            count=count,
            pid=os.getpid(),
        )
        if not self._firings.claim(firing, fault.limit, per_run=by_run):
            return False
        if fault.for_s is not None:
            self._until_s[place] = now_s + fault.for_s
        return True

    # ------------------------------------------------------------------------------------- calls

    def body(self, call: Call, driver: Driver) -> Driver:
        """Return a call's body with the faults of its moments `before` and `inside`."""

        async def struck(context: Context) -> Driven:
            await self._call("before", call)
            driven = await driver(context)
            for action in await self._call("inside", call):
                if isinstance(action, Mutate):
                    patch = action.patch
                    value = action.value if patch is None else merged(driven.value, patch)
                    driven = replace(driven, value=value)
            return driven

        return struck

    async def call(self, moment: CallMoment, call: Call) -> None:
        """Strike at a moment of a call."""
        await self._call(moment, call)

    async def _call(self, moment: str, call: Call) -> list[Action]:
        point = Point(
            boundaries=(call.kind, "call"),
            names=(call.name,),
            moment=moment,
            run=call.run_id,
            number=call.number,
        )
        actions = self.strike(point)
        for action in actions:
            await self._do(action)
            if isinstance(action, Fail):
                raise _body_error(action)
        return actions

    async def human(self, moment: HumanMoment, name: str, run_id: str) -> HumanFault | None:
        """Strike at a moment of an approval; return what is to happen in place of the answer."""
        point = Point(boundaries=("human",), names=(name,), moment=moment, run=run_id)
        answer: HumanFault | None = None
        for action in self.strike(point):
            await self._do(action)
            if isinstance(action, Answer):
                answer = action.how
        return answer

    # ---------------------------------------------------------------------------- clock and store

    def clock(self, clock: Clock) -> Clock:
        """Return a clock whose readings can be wrong."""
        if not self._has("clock"):
            return clock
        return FaultyClock(clock, on_reading=self._reading)

    def _reading(self) -> float:
        skew_s = 0.0
        for action in self.strike(Point(boundaries=("clock",), names=("now",), moment="read")):
            self._do_now(action)
            if isinstance(action, Skew):
                skew_s += action.seconds
        return skew_s

    def connections(self, engine: sa.Engine) -> None:
        """Let statements and commits on a database's connections fail."""
        if self._has("store", "queue"):
            listen(engine, self._statement)

    def _statement(self, names: tuple[str, ...], moment: str) -> Error | None:
        error: Error | None = None
        points = [Point(boundaries=("store",), names=names, moment=moment)]
        if "claim" in names and moment == "before":
            points.append(Point(boundaries=("queue",), names=("claim",), moment=moment))
        for point in points:
            for action in self.strike(point):
                self._do_now(action)
                if isinstance(action, Fail):
                    error = action.error
        return error

    def store(self, name: str, store: StoreT) -> StoreT:
        """Return a store whose methods are points."""
        if not self._has("store"):
            return store
        hit = self._method("store", f"{name}.")
        return cast(StoreT, Watched(store, hit, by_run=name in _BY_RUN))

    def queue(self, queue: QueueT) -> QueueT:
        """Return a queue whose methods are points."""
        if not self._has("queue"):
            return queue
        return cast(QueueT, Watched(queue, self._method("queue", ""), by_run=True))

    def _method(self, boundary: str, prefix: str) -> Callable[[str, str, str | None], None]:
        def hit(name: str, moment: str, run: str | None) -> None:
            point = Point(
                boundaries=(boundary,), names=(f"{prefix}{name}",), moment=moment, run=run
            )
            for action in self.strike(point):
                self._do_now(action)
                if isinstance(action, Fail):
                    raise _STORE_ERRORS[action.error](f"{point.names[0]}: {action.reason}")

        return hit

    # ------------------------------------------------------------------------------------- queue

    def host(self, host: HostT, queue: RunQueue) -> HostT:
        """Return an engine's host whose claims of runs are points."""
        if not self._has("queue"):
            return host

        async def claimed(run_id: str, queue: RunQueue) -> None:
            await self._claimed(run_id, queue, host.worker_id)

        return cast(HostT, WatchedHost(host, queue, claimed=claimed))

    async def _claimed(self, run_id: str, queue: RunQueue, worker_id: str) -> None:
        point = Point(boundaries=("queue",), names=("claim",), moment="after", run=run_id)
        for action in self.strike(point):
            await self._do(action)
            if isinstance(action, Repeat):
                await asyncio.to_thread(queue.resume, [run_id], worker_id)

    # ----------------------------------------------------------------------------------- actions

    def _has(self, *boundaries: str) -> bool:
        return any(fault.boundary in boundaries for fault in self.plan)

    async def _do(self, action: Action) -> None:
        if isinstance(action, Delay):
            await self._waits.pause(action.seconds)
        elif isinstance(action, Hang):
            await asyncio.Event().wait()
        else:
            _end(action)

    def _do_now(self, action: Action) -> None:
        if isinstance(action, Delay):
            self._waits.sleep(action.seconds)
        else:
            _end(action)


def _end(action: Action) -> None:
    """Do what ends or stops this process; nothing for any other action."""
    match action:
        case Kill():
            os.kill(os.getpid(), signal.SIGKILL)
        case Stop():
            os.kill(os.getpid(), signal.SIGSTOP)
        case Exit(status=status):
            os._exit(status)
        case _:
            pass


def _body_error(action: Fail) -> Exception:
    cls = _BODY_ERRORS.get(action.error)
    if cls is not None:
        return cls(action.reason)
    return DriverError(
        action.reason,
        transient=action.transient,
        retry_after_s=action.retry_after_s,
        code=action.code,
    )
