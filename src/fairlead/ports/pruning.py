"""Removes what is left of runs that ended long ago; their events stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fairlead.ports.runs import Order


@dataclass(frozen=True, kw_only=True)
class RunGroup:
    """The runs of one release and workflow that have ended and were not pruned.

    Attributes:
        release: Digest of the release.
        workflow: The workflow.
        floor: When the oldest of those that are kept for replay ended; None when all of them are.
    """

    release: str
    workflow: str
    floor: float | None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a look at runs by age has come to.

    Attributes:
        finished_at: When the run ended.
        run_id: The run.
    """

    finished_at: float = float("-inf")
    run_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A run of a history: a run with its children and its forks, and theirs.

    Attributes:
        run_id: The run.
        release: Digest of its release.
        workflow: Its workflow.
        ended_at: When it ended; None while it lives.
        in_doubt: Whether nobody knows yet if one of its effects happened.
    """

    run_id: str
    release: str
    workflow: str
    ended_at: float | None
    in_doubt: bool


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What was removed.

    Attributes:
        runs: Runs of which only the row and the events are left.
        payloads: Payloads that nobody refers to any more.
        bytes: Their size.
        memories: Items of memory that were past their retention.
    """

    runs: int = 0
    payloads: int = 0
    bytes: int = 0
    memories: int = 0

    def __add__(self, other: Pruned) -> Pruned:
        """Return both together."""
        return Pruned(
            runs=self.runs + other.runs,
            payloads=self.payloads + other.payloads,
            bytes=self.bytes + other.bytes,
            memories=self.memories + other.memories,
        )


class PruneStore(Protocol):
    """Finds runs that ended long ago, and removes what is left of them."""

    def groups(self, keep: int) -> Sequence[RunGroup]:
        """Return each release and workflow that has runs to look at.

        Args:
            keep: How many runs of each, the newest ones, are kept for replay.
        """
        ...

    def roots(self, group: RunGroup, *, before: float, after: Place, most: int) -> Sequence[Place]:
        """Return runs of a group without a parent that ended before a time, oldest first.

        Args:
            group: The release and workflow.
            before: Seconds since 1970, UTC.
            after: Go on behind this one.
            most: Most runs.
        """
        ...

    def history(self, run_id: str) -> Sequence[Member]:
        """Return a run with its children and its forks, and theirs; without those pruned before."""
        ...

    def prune(
        self, histories: Sequence[Sequence[str]], order: Order, *, rehearse: bool = False
    ) -> Pruned:
        """Remove whole histories, each run with its event, in one transaction.

        A history of which a run lives by now, or that was pruned or has grown meanwhile, is left
        alone.

        Args:
            histories: The runs of each.
            order: Who and why.
            rehearse: Change nothing, and return what would have been removed.
        """
        ...

    def unforgotten(self, most: int) -> Sequence[str]:
        """Return pruned runs that the engine may still have a record of."""
        ...

    def forgotten(self, run_ids: Sequence[str]) -> None:
        """Note that the engine has no record of these runs any more."""
        ...
