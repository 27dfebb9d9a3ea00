"""Keeps history bounded: what is left of runs that ended long ago is removed, batch by batch.

What is remembered goes with it once it is past its retention.

A run, its children and its forks are one history: forks share the keys of its effects, and parents
read how their children ended. It goes as a whole, once its youngest run is old enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fairlead.core.errors import ReleaseDamaged, UnknownRelease
from fairlead.core.release import WorkflowTerms
from fairlead.ports.clock import Clock
from fairlead.ports.engine import RunQueue
from fairlead.ports.memory import Change, MemoryStore
from fairlead.ports.pruning import Member, Place, Pruned, PruneStore, RunGroup
from fairlead.ports.releases import ReleaseStore
from fairlead.ports.runs import Order

BATCH_RUNS = 100
"""Runs of one transaction; a history that is larger by itself is one all the same."""

BATCH_ITEMS = 10_000
"""Items of memory that are removed in one transaction."""

AT_REST_S = 3600.0
"""Seconds after its end before which no run is pruned: a call that was in flight when its run was
cancelled may still come back, and is recorded."""

DAY_S = 86_400.0
RETENTION_DAYS = WorkflowTerms.retention_days
"""Stands in for the terms of a release that cannot be read any more."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be pruned.

    Attributes:
        older_than_days: Stands in place of each workflow's retention; None keeps to that.
        workflow: Only its runs, with their children; None for all.
        dry_run: Change nothing.
        limit: Most runs; a first history that is larger is pruned all the same.
    """

    older_than_days: float | None = None
    workflow: str | None = None
    dry_run: bool = False
    limit: int = 10_000


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """Removes what is left of runs that ended long ago.

    Attributes:
        store: Finds and removes.
        queue: The engine, which keeps records of its own.
        releases: Says how long a workflow's runs are kept.
        clock: Time.
        keep: Runs of each release and workflow, the newest ones, that are kept for replay however
            old they are.
        memory: What is remembered, of which goes what is past its retention; None for none.
    """

    store: PruneStore
    queue: RunQueue
    releases: ReleaseStore
    clock: Clock
    keep: int
    memory: MemoryStore | None = None

    def prune(self, wanted: Wanted, order: Order) -> Pruned:
        """Remove what is old enough; interrupted at any moment, the next call goes on.

        Args:
            wanted: What.
            order: Who and why.
        """
        removed = Pruned()
        self._forget(wanted)
        for batch in self._batches(wanted):
            removed += self.store.prune(batch, order, rehearse=wanted.dry_run)
            self._forget(wanted)
        return removed + self._expired(wanted, order)

    def _expired(self, wanted: Wanted, order: Order) -> Pruned:
        """Remove what is remembered past its retention; who names a workflow means its runs."""
        if self.memory is None or wanted.workflow is not None:
            return Pruned()
        change = Change(by=order.by, reason=order.reason)
        if wanted.dry_run:
            return Pruned(memories=self.memory.expire(change=change, rehearse=True))
        gone = 0
        while some := self.memory.expire(BATCH_ITEMS, change=change):
            gone += some
        return Pruned(memories=gone)

    def _forget(self, wanted: Wanted) -> None:
        """Have the engine forget what was pruned here, now or by a process that died after it."""
        while not wanted.dry_run and (left := self.store.unforgotten(BATCH_RUNS)):
            self.queue.forget(left)
            self.store.forgotten(left)

    def _batches(self, wanted: Wanted) -> Iterator[Sequence[Sequence[str]]]:
        batch: list[Sequence[str]] = []
        runs = total = 0
        for history in self._histories(wanted):
            if total and total + len(history) > wanted.limit:
                break
            batch.append(history)
            runs, total = runs + len(history), total + len(history)
            if runs >= BATCH_RUNS:
                yield batch
                batch, runs = [], 0
        if batch:
            yield batch

    def _histories(self, wanted: Wanted) -> Iterator[Sequence[str]]:
        """Yield the runs of each history that is old enough, every history once."""
        cutoffs = Cutoffs(self, wanted)
        seen: set[str] = set()
        for group in cutoffs.groups:
            if wanted.workflow not in (None, group.workflow):
                continue
            after, before = Place(), cutoffs.of(group.release, group.workflow)
            while roots := self.store.roots(group, before=before, after=after, most=BATCH_RUNS):
                after = roots[-1]
                for root in roots:
                    if root.run_id in seen:
                        continue
                    members = self.store.history(root.run_id)
                    if len(members) > 1:
                        seen.update(member.run_id for member in members)
                    if members and all(map(cutoffs.passed, members)):
                        yield [member.run_id for member in members]


@dataclass
class Cutoffs:
    """Before which time a run must have ended, by its release and workflow.

    Attributes:
        pruning: Where terms are read.
        wanted: What stands in place of the terms.
        groups: Every release and workflow that has runs.
    """

    pruning: Pruning
    wanted: Wanted
    groups: Sequence[RunGroup] = ()
    _times: dict[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.groups = self.pruning.store.groups(self.pruning.keep)
        now = self.pruning.clock.now()
        for group in self.groups:
            kept_s = max(self._days(group) * DAY_S, AT_REST_S)
            floor = float("-inf") if group.floor is None else group.floor
            self._times[group.release, group.workflow] = min(now - kept_s, floor)

    def of(self, release: str, workflow: str) -> float:
        """Return the time in seconds since 1970, UTC; minus infinity where nothing may go."""
        return self._times.get((release, workflow), float("-inf"))

    def passed(self, member: Member) -> bool:
        """Whether a run may go, as far as it alone is concerned."""
        ended_at = member.ended_at
        if ended_at is None or member.in_doubt:
            return False
        return ended_at < self.of(member.release, member.workflow)

    def _days(self, group: RunGroup) -> float:
        if self.wanted.older_than_days is not None:
            return self.wanted.older_than_days
        try:
            manifest = self.pruning.releases.get(group.release).manifest
        except (UnknownRelease, ReleaseDamaged):
            return RETENTION_DAYS
        terms = manifest.workflows.get(group.workflow)
        return RETENTION_DAYS if terms is None else terms.retention_days
