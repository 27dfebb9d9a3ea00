"""Which workers live: each renews a lease by its heartbeat, by the database's clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class WorkerRecord:
    """A worker process.

    Attributes:
        id: Unique per start of the process.
        code_digest: The code that it can execute.
        host: The machine's name.
        pid: The process.
        started_at: Seconds since 1970, UTC.
        heartbeat_at: The same.
        stopped_at: The same; None while it lives.
        queues: The queues whose runs it takes, with commas between.
        concurrency: Most runs that it executes at the same time.
    """

    id: str
    code_digest: str
    host: str
    pid: int
    started_at: float
    heartbeat_at: float
    stopped_at: float | None = None
    queues: str = "default"
    concurrency: int = 0


class WorkerStore(Protocol):
    """Keeps leases."""

    def start(self, worker: WorkerRecord, ttl_s: float) -> None:
        """Record a worker's start, with its event.

        Args:
            worker: The worker; its times are set by the database's clock.
            ttl_s: How long a lease lasts.

        Raises:
            WorkerIdTaken: A worker lives under this id.
        """
        ...

    def beat(self, worker_id: str) -> float:
        """Renew a worker's lease; one that was buried while it slept takes its lease again.

        Returns:
            The database's time, in seconds since 1970, UTC.
        """
        ...

    def stop(self, worker_id: str, *, stalled: bool = False) -> None:
        """Record that a worker gave its lease up, with its event.

        Args:
            worker_id: The worker.
            stalled: Its runs did not get on; False for a clean stop.
        """
        ...

    def lapsed(self, ttl_s: float) -> Sequence[WorkerRecord]:
        """Return workers that did not stop cleanly and whose lease is older than `ttl_s`."""
        ...

    def living(self, ttl_s: float) -> Sequence[WorkerRecord]:
        """Return workers whose lease is not older than `ttl_s`."""
        ...
