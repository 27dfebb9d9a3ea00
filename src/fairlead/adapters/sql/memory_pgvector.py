"""Vectors on PostgreSQL: pgvector compares, in the order of its exact operator."""

from __future__ import annotations

import array
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.copying import copy_rows
from fairlead.adapters.sql.listed import listed
from fairlead.adapters.sql.memory_filter import Filter
from fairlead.adapters.sql.memory_vectors import Nearness, scopes_of
from fairlead.core.errors import VectorsUnavailable
from fairlead.core.vectors import NUMBER_BYTES

PGVECTOR_MIN = (0, 8)

VECTORS = "memory_vectors"
"""The table: on PostgreSQL it is made with the first vector."""

# A table of its own, whose rows go with their items; why without an index, memory_vectors.py says.
_PGVECTOR = (
    "CREATE EXTENSION IF NOT EXISTS vector",
    """
    CREATE TABLE IF NOT EXISTS memory_vectors (
        number INTEGER PRIMARY KEY REFERENCES memories (number) ON DELETE CASCADE,
        scope TEXT NOT NULL,
        embedder TEXT NOT NULL,
        vector vector NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS memory_vectors_by_scope ON memory_vectors (scope, embedder)",
)


_COMPARABLE = "vector_dims(v.vector) = :dimensions"


class MemoryPgvector:
    """PostgreSQL: pgvector compares, in the order of its exact operator."""

    def __init__(self) -> None:
        self._ready = False

    def insert(
        self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]], vectors: Sequence[bytes]
    ) -> None:
        """Store the vectors of new items."""
        self._prepare(connection)
        given = (
            {**row, "vector": _written(vector)} for row, vector in zip(rows, vectors, strict=True)
        )
        copy_rows(connection, VECTORS, ("number", "scope", "embedder", "vector"), given)

    def replace(
        self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]], vectors: Sequence[bytes]
    ) -> None:
        """Store vectors of items in place of those that they may have."""
        if self._made(connection):
            old = sa.text(f"DELETE FROM {VECTORS} WHERE number = ANY(:numbers)")
            connection.execute(old, {"numbers": [row["number"] for row in rows]})
        self.insert(connection, rows, vectors)

    def remove(self, connection: sa.Connection, numbers: Sequence[int]) -> None:
        """Do nothing: they go with their items."""

    def nearest(
        self, connection: sa.Connection, within: Filter, near: Nearness, most: int
    ) -> dict[int, float]:
        """Return the nearest items' numbers with their cosines, the nearest first."""
        if not self._made(connection):
            return {}
        scopes: dict[str, Any] = dict(within.values)
        named = listed("scope", scopes_of(connection, within), scopes)
        statement = sa.text(
            "SELECT m.number, -(v.vector <#> CAST(:asked AS vector)) AS cosine "
            "FROM memory_vectors v JOIN memories m ON m.number = v.number "
            f"WHERE v.scope IN {named} AND v.embedder = :embedder AND {_COMPARABLE} "
            f"AND {within.sql} "
            "ORDER BY cosine DESC, m.number LIMIT :most"
        )
        values = {
            **scopes,
            "asked": _written(near.vector),
            "dimensions": len(near.vector) // NUMBER_BYTES,
            "embedder": near.embedder,
            "most": most,
        }
        rows = connection.execute(statement, values)
        return {int(number): float(cosine) for number, cosine in rows}

    def similarities(
        self, connection: sa.Connection, numbers: Sequence[int], near: Nearness
    ) -> dict[int, float]:
        """Return the cosines of items that were found otherwise; those without a vector not."""
        if not numbers or not self._made(connection):
            return {}
        statement = sa.text(
            "SELECT v.number, -(v.vector <#> CAST(:asked AS vector)) FROM memory_vectors v "
            f"WHERE v.number = ANY(:numbers) AND v.embedder = :embedder AND {_COMPARABLE}"
        )
        values = {
            "asked": _written(near.vector),
            "dimensions": len(near.vector) // NUMBER_BYTES,
            "numbers": list(numbers),
            "embedder": near.embedder,
        }
        rows = connection.execute(statement, values)
        return {int(number): float(cosine) for number, cosine in rows}

    def _made(self, connection: sa.Connection) -> bool:
        if not self._ready:
            found = connection.execute(sa.text("SELECT to_regclass('memory_vectors')")).scalar()
            self._ready = found is not None
        return self._ready

    def _prepare(self, connection: sa.Connection) -> None:
        """Make the table with the first vector: without one a server needs no pgvector."""
        if not self._made(connection):
            make_table(connection)
            self._ready = True


def make_table(connection: sa.Connection) -> None:
    """Make the table of vectors, unless it is there.

    Args:
        connection: A writing transaction.

    Raises:
        VectorsUnavailable: The server has no pgvector, or an old one.
    """
    offered = connection.execute(
        sa.text("SELECT default_version FROM pg_available_extensions WHERE name = 'vector'")
    ).scalar()
    if offered is None or _version(offered) < PGVECTOR_MIN:
        what = "has no pgvector" if offered is None else f"has pgvector {offered}"
        raise VectorsUnavailable(f"the PostgreSQL server {what}; vectors need 0.8 or newer")
    for statement in _PGVECTOR:
        connection.exec_driver_sql(statement)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


def _written(vector: bytes) -> str:
    """Return a vector as pgvector reads it."""
    floats = array.array("f", vector)
    if sys.byteorder == "big":
        floats.byteswap()
    return f"[{','.join(map(repr, floats))}]"
