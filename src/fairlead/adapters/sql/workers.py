"""Workers' leases on SQL, by the database's clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.schema import workers
from fairlead.core.errors import WorkerIdTaken
from fairlead.core.event import Fact
from fairlead.ports.clock import Clock
from fairlead.ports.workers import WorkerRecord


class SqlWorkerStore:
    """Keeps leases."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        # Asked twenty times a second, and to build a statement costs more than to send it.
        mine = sa.select(workers).where(workers.c.stopped_at.is_(None))
        mine = mine.order_by(workers.c.started_at)
        limit = database.now_sql() - sa.bindparam("ttl_s", type_=sa.Float)
        self._lapsed = mine.where(workers.c.heartbeat_at < limit)
        self._living = mine.where(workers.c.heartbeat_at >= limit)

    def start(self, worker: WorkerRecord, ttl_s: float) -> None:
        """Record a worker's start, with its event."""
        now = self._database.now_sql()
        times = {"started_at": now, "heartbeat_at": now, "stopped_at": None}
        data = {"code": worker.code_digest, "host": worker.host, "pid": worker.pid}
        with self._database.transaction() as connection:
            there = connection.execute(
                sa.select(workers.c.heartbeat_at, workers.c.stopped_at, now.label("now"))
                .where(workers.c.id == worker.id)
                .with_for_update()
            ).first()
            if there is not None:
                if there.stopped_at is None and there.heartbeat_at >= there.now - ttl_s:
                    message = f"a worker lives under the id {worker.id}"
                    raise WorkerIdTaken(message, worker=worker.id)
                raise WorkerIdTaken(f"the id {worker.id} was used before", worker=worker.id)
            connection.execute(sa.insert(workers).values({**asdict(worker), **times}))
            append(connection, self._clock, _fact(worker.id, "worker.started", data))

    def beat(self, worker_id: str) -> float:
        """Renew a worker's lease; one that was buried while it slept takes its lease again."""
        now = self._database.now_sql()
        with self._database.transaction() as connection:
            buried = connection.execute(
                sa.update(workers)
                .where(workers.c.id == worker_id, workers.c.stopped_at.is_not(None))
                .values(stopped_at=None)
            )
            if buried.rowcount:
                append(connection, self._clock, _fact(worker_id, "worker.returned", {}))
            return float(
                connection.execute(
                    sa.update(workers)
                    .where(workers.c.id == worker_id)
                    .values(heartbeat_at=now)
                    .returning(workers.c.heartbeat_at)
                ).scalar_one()
            )

    def stop(self, worker_id: str, *, stalled: bool = False) -> None:
        """Record that a worker gave its lease up, with its event."""
        kind = "worker.stalled" if stalled else "worker.stopped"
        with self._database.transaction() as connection:
            connection.execute(
                sa.update(workers)
                .where(workers.c.id == worker_id)
                .values(stopped_at=self._database.now_sql())
            )
            append(connection, self._clock, _fact(worker_id, kind, {}))

    def lapsed(self, ttl_s: float) -> Sequence[WorkerRecord]:
        """Return workers that did not stop cleanly and whose lease is older than `ttl_s`."""
        return self._found(self._lapsed, ttl_s)

    def living(self, ttl_s: float) -> Sequence[WorkerRecord]:
        """Return workers whose lease is not older than `ttl_s`."""
        return self._found(self._living, ttl_s)

    def _found(self, query: sa.Select[Any], ttl_s: float) -> Sequence[WorkerRecord]:
        with self._database.glance() as connection:
            rows = connection.execute(query, {"ttl_s": ttl_s})
            return [WorkerRecord(**row._mapping) for row in rows]


def _fact(worker_id: str, type: str, data: dict[str, object]) -> Fact:
    return Fact(chain=f"worker:{worker_id}", type=type, data=dict(data))
