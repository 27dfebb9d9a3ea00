"""Which items another model embedded, or none, and how they get vectors of this one."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.memory_rows import rows_of, visible
from fairlead.adapters.sql.memory_vectors import VectorIndex
from fairlead.adapters.sql.memory_write import touch
from fairlead.adapters.sql.references import chunks
from fairlead.adapters.sql.schema_memory import memories
from fairlead.core.memory import TAKEN_BACK, Reader
from fairlead.ports.memory import Embedding

_OF = ("number", "id", "tenant", "app", "audience", "scope")


def waiting(reader: Reader, embedder: str, now: float) -> sa.ColumnElement[bool]:
    """Return the condition of items that a model is still to embed.

    Args:
        reader: Whose items.
        embedder: The model.
        now: Seconds since 1970.
    """
    return sa.and_(
        visible(reader, named=True),
        memories.c.embedder != embedder,
        memories.c.overlay == "",
        memories.c.state.not_in(TAKEN_BACK),
        memories.c.expires_at > now,
    )


def embed(
    connection: sa.Connection,
    vectors: VectorIndex,
    embedding: Embedding,
    of: sa.ColumnElement[bool],
) -> int:
    """Store new vectors; returns how many.

    Args:
        connection: A writing transaction.
        vectors: Where they are kept.
        embedding: The vectors.
        of: The condition of items that still wait for one.
    """
    done: list[dict[str, Any]] = []
    for some in chunks(embedding.vectors):
        query = sa.select(*(memories.c[name] for name in _OF)).where(memories.c.id.in_(some), of)
        rows = [{**row, "embedder": embedding.embedder} for row in rows_of(connection, query)]
        if not rows:
            continue
        vectors.replace(connection, rows, [embedding.vectors[row["id"]] for row in rows])
        numbers = [row["number"] for row in rows]
        changed = sa.update(memories).where(memories.c.number.in_(numbers))
        connection.execute(changed.values(embedder=embedding.embedder))
        done += rows
    # Their old vectors are no more: a copy in memory that has them is old.
    touch(connection, done, removed=1)
    return len(done)
