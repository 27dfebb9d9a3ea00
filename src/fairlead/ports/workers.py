"""Which workers live: each renews a lease by its heartbeat."""

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
        stopped_at: The same; None while it lives, or when it died.
    """

    id: str
    code_digest: str
    host: str
    pid: int
    started_at: float
    heartbeat_at: float
    stopped_at: float | None = None


class WorkerStore(Protocol):
    """Keeps leases."""

    def start(self, worker: WorkerRecord) -> None:
        """Record a worker's start, with its event."""
        ...

    def beat(self, worker_id: str) -> None:
        """Renew a worker's lease; one that was buried while it slept takes its lease again."""
        ...

    def stop(self, worker_id: str) -> None:
        """Record a worker's clean stop, with its event."""
        ...

    def claim(self, dead: WorkerRecord) -> bool:
        """Extend a lapsed lease in order to bury its worker; False when another one does."""
        ...

    def bury(self, worker_id: str, adopted: int) -> None:
        """Record that a worker died, with its event, once its runs are queued again."""
        ...

    def lapsed(self, ttl_s: float) -> Sequence[WorkerRecord]:
        """Return workers that did not stop cleanly and whose lease is older than `ttl_s`."""
        ...

    def living(self, ttl_s: float) -> Sequence[WorkerRecord]:
        """Return workers whose lease is not older than `ttl_s`."""
        ...
