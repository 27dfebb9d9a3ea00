"""Streams on SQL."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from fairlead.adapters.sql.blobs import get_json, put_json
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.schema import stream_items
from fairlead.core.digests import Json
from fairlead.ports.clock import Clock


class SqlStreamStore:
    """Keeps the items of streams."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def write(self, run_id: str, stream: str, offset: int, item: Json) -> None:
        """Keep one item; what stands at the offset already stays."""
        with self._database.transaction() as connection:
            there = connection.execute(
                sa.select(stream_items.c.offset).where(
                    stream_items.c.run_id == run_id,
                    stream_items.c.stream == stream,
                    stream_items.c.offset == offset,
                )
            ).first()
            if there is None:
                now = self._clock.now()
                connection.execute(
                    sa.insert(stream_items).values(
                        run_id=run_id,
                        stream=stream,
                        offset=offset,
                        payload_digest=put_json(connection, item, now),
                        written_at=now,
                    )
                )

    def read(self, run_id: str, stream: str, offset: int, limit: int = 100) -> Sequence[Json]:
        """Return items from an offset on, in order."""
        query = (
            sa.select(stream_items.c.payload_digest)
            .where(stream_items.c.run_id == run_id, stream_items.c.stream == stream)
            .where(stream_items.c.offset >= offset)
            .order_by(stream_items.c.offset)
            .limit(limit)
        )
        with self._database.reading() as connection:
            digests = connection.execute(query).scalars().all()
            return [get_json(connection, digest) for digest in digests]
