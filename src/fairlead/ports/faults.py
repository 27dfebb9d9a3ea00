"""Where a test may break the platform: what the runtime asks at each named moment."""

from __future__ import annotations

from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from fairlead.core.calls import Call
from fairlead.ports.boundary import Driver
from fairlead.ports.clock import Clock
from fairlead.ports.engine import EngineHost, RunQueue

CallMoment: TypeAlias = Literal["asked", "after", "recorded"]
"""Moments of a call outside of its body: before anything is on record for it, when its body has
returned and no outcome is on record, and when the outcome is on record and the engine does not
know it yet. The moments of the body itself are `before` and `inside`."""

HumanMoment: TypeAlias = Literal["asked", "answered", "resumed"]
"""Moments of an approval: its row is written, its answer is written, its run goes on."""

HumanFault: TypeAlias = Literal["deny", "ignore", "expire"]

HostT = TypeVar("HostT", bound=EngineHost)
QueueT = TypeVar("QueueT", bound=RunQueue)
StoreT = TypeVar("StoreT")


class Faults(Protocol):
    """Deterministic faults; in production `NO_FAULTS`, which leaves everything as it is."""

    def body(self, call: Call, driver: Driver) -> Driver:
        """Return a call's body with the faults of its moments `before` and `inside`."""
        ...

    async def call(self, moment: CallMoment, call: Call) -> None:
        """Strike at a moment of a call."""
        ...

    async def human(self, moment: HumanMoment, name: str, run_id: str) -> HumanFault | None:
        """Strike at a moment of an approval.

        Args:
            moment: The moment.
            name: What the approval is for.
            run_id: The run that waits for it.

        Returns:
            What is to happen in place of the person's answer; None leaves it as it is.
        """
        ...

    def clock(self, clock: Clock) -> Clock:
        """Return a clock whose readings can be wrong."""
        ...

    def connections(self, engine: Any) -> None:
        """Let statements and commits on a database's connections fail.

        Args:
            engine: The database library's own engine; the port does not know its type.
        """
        ...

    def store(self, name: str, store: StoreT) -> StoreT:
        """Return a store whose methods are points.

        Args:
            name: First part of the points' names, such as `runs` in `runs.begin`.
            store: The store.
        """
        ...

    def queue(self, queue: QueueT) -> QueueT:
        """Return a queue whose methods are points."""
        ...

    def host(self, host: HostT, queue: RunQueue) -> HostT:
        """Return an engine's host whose claims of runs are points.

        Args:
            host: The host.
            queue: The queue that it claims from.
        """
        ...


class NoFaults:
    """Nothing ever breaks."""

    def body(self, call: Call, driver: Driver) -> Driver:  # noqa: ARG002 - the port's signature
        return driver

    async def call(self, moment: CallMoment, call: Call) -> None:
        pass

    async def human(self, moment: HumanMoment, name: str, run_id: str) -> HumanFault | None:
        pass

    def clock(self, clock: Clock) -> Clock:
        return clock

    def connections(self, engine: Any) -> None:
        pass

    def store(self, name: str, store: StoreT) -> StoreT:  # noqa: ARG002
        return store

    def queue(self, queue: QueueT) -> QueueT:
        return queue

    def host(self, host: HostT, queue: RunQueue) -> HostT:  # noqa: ARG002
        return host


NO_FAULTS: Faults = NoFaults()
"""What production runs with: nothing ever breaks, and nothing is looked up."""
