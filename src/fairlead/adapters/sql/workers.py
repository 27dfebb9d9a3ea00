"""Workers' leases on SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.schema import workers
from fairlead.core.event import Fact
from fairlead.ports.clock import Clock
from fairlead.ports.workers import WorkerRecord


class SqlWorkerStore:
    """Keeps leases."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def start(self, worker: WorkerRecord) -> None:
        """Record a worker's start, with its event."""
        data = {"code": worker.code_digest, "host": worker.host, "pid": worker.pid}
        with self._database.transaction() as connection:
            connection.execute(sa.insert(workers).values(**asdict(worker)))
            append(connection, self._clock, _fact(worker.id, "worker.started", data))

    def beat(self, worker_id: str) -> None:
        """Renew a worker's lease; one that was buried while it slept takes its lease again."""
        with self._database.transaction() as connection:
            buried = connection.execute(
                sa.update(workers)
                .where(workers.c.id == worker_id, workers.c.stopped_at.is_not(None))
                .values(stopped_at=None)
            )
            if buried.rowcount:
                append(connection, self._clock, _fact(worker_id, "worker.returned", {}))
            connection.execute(
                sa.update(workers)
                .where(workers.c.id == worker_id)
                .values(heartbeat_at=self._clock.now())
            )

    def stop(self, worker_id: str) -> None:
        """Record a worker's clean stop, with its event."""
        self._end(_fact(worker_id, "worker.stopped", {}), worker_id)

    def claim(self, dead: WorkerRecord) -> bool:
        """Extend a lapsed lease in order to bury its worker; False when another one does."""
        with self._database.transaction() as connection:
            claimed = connection.execute(
                sa.update(workers)
                .where(workers.c.id == dead.id, workers.c.heartbeat_at == dead.heartbeat_at)
                .where(workers.c.stopped_at.is_(None))
                .values(heartbeat_at=self._clock.now())
            )
            return claimed.rowcount == 1

    def bury(self, worker_id: str, adopted: int) -> None:
        """Record that a worker died, with its event, once its runs are queued again."""
        self._end(_fact(worker_id, "worker.died", {"adopted": adopted}), worker_id)

    def _end(self, fact: Fact, worker_id: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                sa.update(workers)
                .where(workers.c.id == worker_id)
                .values(stopped_at=self._clock.now())
            )
            append(connection, self._clock, fact)

    def lapsed(self, ttl_s: float) -> Sequence[WorkerRecord]:
        """Return workers that did not stop cleanly and whose lease is older than `ttl_s`."""
        limit = self._clock.now() - ttl_s
        return self._select(workers.c.stopped_at.is_(None), workers.c.heartbeat_at < limit)

    def living(self, ttl_s: float) -> Sequence[WorkerRecord]:
        """Return workers whose lease is not older than `ttl_s`."""
        limit = self._clock.now() - ttl_s
        return self._select(workers.c.stopped_at.is_(None), workers.c.heartbeat_at >= limit)

    def _select(self, *conditions: sa.ColumnElement[bool]) -> Sequence[WorkerRecord]:
        query = sa.select(workers).where(*conditions).order_by(workers.c.started_at)
        with self._database.reading() as connection:
            return [WorkerRecord(**row._mapping) for row in connection.execute(query)]


def _fact(worker_id: str, type: str, data: dict[str, object]) -> Fact:
    return Fact(chain=f"worker:{worker_id}", type=type, data=dict(data))
