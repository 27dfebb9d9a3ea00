"""Candidates by their vectors: exact, within what the filter lets pass, on either database.

No approximate index is made. An index that is asked first and filtered afterwards returns too few
rows, or none, for a small scope among many; the planner may choose it whenever it is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from fairlead.adapters.sql.memory_filter import Filter


@dataclass(frozen=True, kw_only=True)
class Nearness:
    """A question's vector.

    Attributes:
        vector: float32, little-endian, of length 1.
        embedder: The model that made it.
    """

    vector: bytes
    embedder: str


class VectorIndex(Protocol):
    """What each database does in its own way."""

    def insert(
        self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]], vectors: Sequence[bytes]
    ) -> None:
        """Store the vectors of new items."""
        ...

    def replace(
        self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]], vectors: Sequence[bytes]
    ) -> None:
        """Store vectors of items in place of those that they may have."""
        ...

    def remove(self, connection: sa.Connection, numbers: Sequence[int]) -> None:
        """Remove the vectors of items that are removed."""
        ...

    def nearest(
        self, connection: sa.Connection, within: Filter, near: Nearness, most: int
    ) -> dict[int, float]:
        """Return the nearest items' numbers with their cosines, the nearest first."""
        ...

    def similarities(
        self, connection: sa.Connection, numbers: Sequence[int], near: Nearness
    ) -> dict[int, float]:
        """Return the cosines of items that were found otherwise; those without a vector not."""
        ...


def scopes_of(connection: sa.Connection, within: Filter) -> list[str]:
    """Return the scopes that the filter looks at."""
    statement = "SELECT m.scope FROM memory_scopes m WHERE " + within.house
    return list(connection.scalars(sa.text(statement), within.values))
