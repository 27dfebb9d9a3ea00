"""Which worker executes which run: claims, parking, and takeover of what dead workers held.

A claim gives a run to a worker under a number that counts up. Worker and number together are the
fence: whoever acts for a run shows it, and a worker that lost the run meanwhile is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from fairlead.ports.engine import Transaction


@dataclass(frozen=True, kw_only=True)
class Fence:
    """Under which claim a worker acts for a run.

    Attributes:
        worker_id: The worker.
        claim: The claim's number.
    """

    worker_id: str
    claim: int


@dataclass(frozen=True, kw_only=True)
class Bid:
    """What a worker wants to execute.

    Attributes:
        worker_id: The worker.
        code: Only runs of this code digest.
        queues: Only runs of these queues.
        most: At most so many runs.
        uncleared: Runs that it executes and whose last worker died; while there is one, it takes
            no suspect.
        suspect: Whether it executes a suspect, a run that two workers died under; then it takes no
            run whose last worker died.
        after: The tenant that was served last; the round begins behind it.
    """

    worker_id: str
    code: str
    queues: tuple[str, ...]
    most: int
    uncleared: int = 0
    suspect: bool = False
    after: str = ""


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A run that a worker took.

    Attributes:
        run_id: The run.
        tenant: Its tenant.
        fence: The claim.
        deaths: Worker deaths under it since it last got on.
        fresh: True when the engine has never seen it.
    """

    run_id: str
    tenant: str
    fence: Fence
    deaths: int
    fresh: bool


@dataclass(frozen=True, kw_only=True)
class TakenOver:
    """What became of a dead worker's runs.

    Attributes:
        adopted: Runs that any worker may take again.
        quarantined: Runs that are not started again.
    """

    adopted: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()


Start: TypeAlias = Callable[[Transaction, str], None]
"""Gives a run to the engine, in the claim's transaction."""


class DispatchStore(Protocol):
    """Gives runs to workers, by the database's clock."""

    def claim(self, bid: Bid, start: Start) -> Sequence[Claimed]:
        """Take runs: fairly among tenants, by priority and age within one."""
        ...

    def awake(self, worker_id: str, most: int) -> Sequence[str]:
        """Return parked runs of a worker that have something to go on with; they run again."""
        ...

    def park(self, run_id: str, fence: Fence, wait: str) -> bool:
        """Record that a run waits, and gives its place up.

        Args:
            run_id: The run.
            fence: Under which claim.
            wait: Key of the wait.

        Returns:
            False when the wait is over already: the run goes on.

        Raises:
            LeaseLost: The run belongs to another claim by now.
        """
        ...

    def unload(self, run_id: str, fence: Fence) -> None:
        """Let go of a parked run: whoever is free takes it when it has something to go on with."""
        ...

    def parked(self, worker_id: str) -> frozenset[str]:
        """Return the runs that wait with a worker, as they are on record."""
        ...

    def strays(self, worker_id: str, seated: frozenset[str]) -> int:
        """Queue again what a worker holds on record and does not execute; return how many runs.

        Args:
            worker_id: The worker.
            seated: The runs that it executes.
        """
        ...

    def refuse(self, run_id: str, worker_id: str) -> None:
        """End a run whose record is not ours, so that nobody executes it."""
        ...

    def hand_back(self, worker_id: str) -> int:
        """Queue again what a worker still holds when it stops; return how many runs."""
        ...

    def take_over(self, dead: str, ttl_s: float, limit: int) -> TakenOver | None:
        """Bury a worker whose lease has lapsed, and queue its runs again, in one transaction.

        Args:
            dead: The worker.
            ttl_s: Seconds without a heartbeat after which it counts as dead.
            limit: At this many deaths without progress in between a run is stopped for good.

        Returns:
            What became of its runs; None when it lives, or another worker was faster.
        """
        ...
