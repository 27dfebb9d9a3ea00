"""The durable engine: it executes runs, journals steps, and replays both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeAlias

from fairlead.core.digests import Json

RunBody: TypeAlias = Callable[[str], Awaitable[Json]]
"""Executes a run by its id; it is called again on recovery."""

Transaction: TypeAlias = Any
"""An open transaction of the store, handed through so that both sides commit together."""


class Suspended(asyncio.CancelledError):
    """This execution of a run ends here, and the run does not: it goes on from its record later.

    It is a cancellation, so that no code of a workflow takes it for an error of its own.
    """


class Engine(Protocol):
    """What a run's own code may ask of the engine."""

    async def step(self, name: str, body: Callable[[], Awaitable[Json]]) -> Json:
        """Execute a body as exactly one journaled step, or return what is on record.

        Args:
            name: The step's name; recovery refuses a step of another name in its place.
            body: Returns JSON and never raises: a raised error would be final.

        Raises:
            ReplayDiverged: Another step is on record in this place.
            JournalForeign: What is on record is not ours.
            Suspended: The run was stopped, or belongs to another worker by now.
        """
        ...


class RunQueue(Protocol):
    """What a client may ask of the engine."""

    def open(self, worker_id: str, most: int) -> None:
        """Make a worker's own queue, before the worker looks at it.

        Args:
            worker_id: The worker.
            most: Most runs that it holds at the same time, parked ones included.
        """
        ...

    def close_queue(self, worker_id: str) -> None:
        """Remove the queue of a worker that has stopped or died."""
        ...

    def start(self, transaction: Transaction, run_id: str, worker_id: str, code: str) -> None:
        """Give a new run to a worker, in the caller's transaction."""
        ...

    def resume(self, run_ids: Sequence[str], worker_id: str) -> None:
        """Give runs that the engine knows to a worker; what is on record is not executed again."""
        ...

    def foreign(self, run_ids: Sequence[str]) -> Sequence[str]:
        """Return those of the runs whose record cannot be followed: it is not read."""
        ...

    def cancel(self, run_id: str) -> None:
        """Stop a run at its next step; one that the engine does not know is left alone."""
        ...

    def fork(self, origin: str, run_id: str, before: int) -> None:
        """Make a run from another one's record, up to one of its calls.

        Args:
            origin: The run whose record is copied.
            run_id: The new run.
            before: Number of the first call that is not copied.
        """
        ...

    def forget(self, run_ids: Sequence[str]) -> None:
        """Remove the records of runs that have ended."""
        ...


class EngineHost(Protocol):
    """What a worker may ask of the engine."""

    @property
    def worker_id(self) -> str:
        """Whose host it is."""
        ...

    @property
    def engine(self) -> Engine:
        """What a run's own code may ask of the engine."""
        ...

    def launch(self, body: RunBody) -> None:
        """Start executing what is given to this worker."""
        ...

    def stop(self) -> None:
        """Let go of everything; what still executes goes on from its record later."""
        ...
