"""The durable engine: it executes runs, journals steps, and recovers both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeAlias

from fairlead.core.digests import Json

RunBody: TypeAlias = Callable[[str, str], Awaitable[Json]]
"""Executes a run by its id under a release's digest; it is called again on recovery."""

Transaction: TypeAlias = Any
"""An open transaction of the store, handed through so that both sides commit together."""


class Engine(Protocol):
    """What a run's own code may ask of the engine."""

    async def step(self, name: str, body: Callable[[], Awaitable[Json]]) -> Json:
        """Execute a body as exactly one journaled step, or return what is on record.

        Args:
            name: The step's name; recovery refuses a step of another name in its place.
            body: Returns JSON and never raises: a raised error would be final.
        """
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait durably; a restart in between does not begin the wait anew."""
        ...


class RunQueue(Protocol):
    """What a client may ask of the engine."""

    def enqueue(self, transaction: Transaction, run_id: str, release: str, code: str) -> None:
        """Queue a run for workers of a code digest, in the caller's transaction."""
        ...

    def cancel(self, run_id: str) -> None:
        """Stop a run at its next step."""
        ...

    def orphans(self, worker_id: str) -> Sequence[str]:
        """Return the runs that were executing on a worker."""
        ...

    def adopt(self, run_ids: Sequence[str]) -> None:
        """Queue runs of a dead worker again; what is on record is not executed again."""
        ...


class EngineHost(Protocol):
    """What a worker may ask of the engine."""

    @property
    def engine(self) -> Engine:
        """What a run's own code may ask of the engine."""
        ...

    def launch(self, body: RunBody) -> None:
        """Start taking runs from the queue."""
        ...

    def stop(self, drain_s: float) -> None:
        """Stop taking runs, wait up to `drain_s` for those that execute, then let go."""
        ...
