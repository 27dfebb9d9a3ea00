"""Runs as they are on record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fairlead.core.digests import Json
from fairlead.core.identity import Principal
from fairlead.core.outcome import RunState
from fairlead.ports.engine import Transaction


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A run as it is on record.

    Attributes:
        id: The run.
        workflow: Its workflow.
        release: Digest of the release that it is pinned to.
        code_digest: Code digest of that release.
        principal: Who asks.
        purpose: `user` for real traffic, `gate` for a gate's evaluation.
        state: queued, running or a final state.
        input: Its input as JSON.
        outcome: Its outcome as JSON; None until it ends.
        reason: Why it did not succeed; empty otherwise.
        takeovers: How often a worker died under it.
        created_at: Seconds since 1970, UTC.
        started_at: The same; None while queued.
        finished_at: The same; None until it ends.
    """

    id: str
    workflow: str
    release: str
    code_digest: str
    principal: Principal
    purpose: str
    state: RunState
    input: Json
    created_at: float
    outcome: Json = None
    reason: str = ""
    takeovers: int = 0
    started_at: float | None = None
    finished_at: float | None = None


class RunStore(Protocol):
    """Keeps runs, each change with its event, in one transaction."""

    def admit(self, run: RunRecord, enqueue: Callable[[Transaction], None]) -> None:
        """Record a new run and queue it: both or neither."""
        ...

    def begin(self, run_id: str, worker_id: str) -> RunRecord:
        """Record that a run executes; the first start counts, a recovery changes nothing."""
        ...

    def finish(self, run_id: str, state: RunState, outcome: Json, reason: str) -> RunRecord:
        """Record how a run ended; a run that has ended already keeps its end."""
        ...

    def cancel(self, run_id: str, by: str, reason: str) -> RunRecord:
        """Record that a run was cancelled.

        Raises:
            RunFinished: It has ended already.
        """
        ...

    def take_over(self, run_id: str, dead: str, limit: int) -> bool:
        """Count a worker's death against a run.

        Args:
            run_id: The run.
            dead: The worker that died.
            limit: At this many deaths the run is stopped for good.

        Returns:
            True when the run may be executed again, False when it was quarantined.
        """
        ...

    def get(self, run_id: str) -> RunRecord:
        """Return a run by its id, or by a prefix that only one run has.

        Raises:
            UnknownRun: There is none, or more than one.
        """
        ...

    def list(
        self, *, state: str | None = None, release: str | None = None, limit: int = 50
    ) -> Sequence[RunRecord]:
        """Return runs, newest first, without inputs and outcomes."""
        ...
