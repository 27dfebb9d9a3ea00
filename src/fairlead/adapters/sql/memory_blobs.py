"""Vectors on SQLite: blobs, compared with numpy, and kept in memory within a bound."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from fairlead.adapters.sql.listed import listed
from fairlead.adapters.sql.memory_filter import Filter
from fairlead.adapters.sql.memory_vectors import Nearness, scopes_of
from fairlead.adapters.sql.references import CHUNK
from fairlead.core.errors import VectorsUnavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CACHE_BYTES_MAX = 256 * 1024 * 1024
"""Most bytes of vectors that one process keeps; the scope that was not asked for longest goes."""

NARROW_MAX = 20_000
"""Most items that are looked up before their vectors are compared."""

_FLOAT_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class _Matrix:
    numbers: NDArray[np.int64]
    vectors: NDArray[np.float32]
    written: int
    removed: int


class MemoryBlobs:
    """SQLite: the vectors of a scope are read once, and kept until something changes there."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, int], _Matrix] = OrderedDict()
        self._lock = threading.Lock()

    def insert(
        self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]], vectors: Sequence[bytes]
    ) -> None:
        """Store the vectors of new items."""
        connection.exec_driver_sql(
            "INSERT INTO memory_vectors (number, scope, embedder, vector) VALUES (?, ?, ?, ?)",
            [
                (row["number"], row["scope"], row["embedder"], vector)
                for row, vector in zip(rows, vectors, strict=True)
            ],
        )

    def replace(
        self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]], vectors: Sequence[bytes]
    ) -> None:
        """Store vectors of items in place of those that they may have."""
        self.remove(connection, [row["number"] for row in rows])
        self.insert(connection, rows, vectors)

    def remove(self, connection: sa.Connection, numbers: Sequence[int]) -> None:
        """Remove the vectors of items that are removed."""
        connection.exec_driver_sql(
            "DELETE FROM memory_vectors WHERE number = ?", [(number,) for number in numbers]
        )

    def nearest(
        self, connection: sa.Connection, within: Filter, near: Nearness, most: int
    ) -> dict[int, float]:
        """Return the nearest items' numbers with their cosines, the nearest first.

        A narrow filter, such as a subject, is answered first, and only what passes is compared.
        Else all vectors of the scopes are, and what the filter leaves out is passed over.
        """
        numpy = _numpy()
        question = numpy.frombuffer(near.vector, dtype="<f4")
        matrices = [
            self._matrix(connection, scope, near.embedder, len(question))
            for scope in scopes_of(connection, within)
        ]
        passing = _narrowed(connection, within)
        if passing is not None:
            wanted = numpy.array(passing, "i8")
            matrices = [_only(numpy, one, wanted) for one in matrices]
        numbers = numpy.concatenate([one.numbers for one in matrices] or [numpy.empty(0, "i8")])
        if not len(numbers):
            return {}
        cosines = numpy.concatenate([one.vectors @ question for one in matrices])
        if passing is not None:
            order = _largest(numpy, cosines, most)
            return {int(numbers[place]): float(cosines[place]) for place in order}
        return _walked(connection, within, (numbers, cosines), most)

    def similarities(
        self, connection: sa.Connection, numbers: Sequence[int], near: Nearness
    ) -> dict[int, float]:
        """Return the cosines of items that were found otherwise; those without a vector not."""
        numpy = _numpy()
        question = numpy.frombuffer(near.vector, dtype="<f4")
        values: dict[str, Any] = {"embedder": near.embedder}
        statement = (
            "SELECT number, vector FROM memory_vectors WHERE embedder = :embedder "
            f"AND number IN {listed('n', numbers, values)}"
        )
        rows = connection.execute(sa.text(statement), values).all()
        return {
            number: float(numpy.frombuffer(vector, dtype="<f4") @ question)
            for number, vector in rows
            if len(vector) == len(near.vector)
        }

    def _matrix(self, connection: sa.Connection, scope: str, embedder: str, size: int) -> _Matrix:
        numpy = _numpy()
        counts = connection.execute(
            sa.text("SELECT written, removed FROM memory_scopes WHERE scope = :scope"),
            {"scope": scope},
        ).one()
        name = scope, embedder, size
        with self._lock:
            kept = self._kept.get(name)
        if kept is not None and kept.written == counts.written:
            return kept
        if kept is None or kept.removed != counts.removed:
            kept = _Matrix(
                numbers=numpy.empty(0, "i8"),
                vectors=numpy.empty((0, size), "<f4"),
                written=0,
                removed=counts.removed,
            )
        behind = int(kept.numbers[-1]) if len(kept.numbers) else 0
        rows = connection.execute(
            sa.text(
                "SELECT number, vector FROM memory_vectors WHERE scope = :scope "
                "AND embedder = :embedder AND number > :behind ORDER BY number"
            ),
            {"scope": scope, "embedder": embedder, "behind": behind},
        ).all()
        rows = [row for row in rows if len(row[1]) == size * _FLOAT_BYTES]
        if rows:
            fresh = numpy.frombuffer(b"".join(row[1] for row in rows), dtype="<f4")
            numbers = numpy.array([row[0] for row in rows], dtype="i8")
            kept = _Matrix(
                numbers=numpy.concatenate([kept.numbers, numbers]),
                vectors=numpy.concatenate([kept.vectors, fresh.reshape(-1, size)]),
                written=0,
                removed=counts.removed,
            )
        kept = replace(kept, written=counts.written)
        self._keep(name, kept)
        return kept

    def _keep(self, name: tuple[str, str, int], matrix: _Matrix) -> None:
        with self._lock:
            self._kept[name] = matrix
            self._kept.move_to_end(name)
            size = sum(one.vectors.nbytes for one in self._kept.values())
            while size > CACHE_BYTES_MAX and len(self._kept) > 1:
                _, gone = self._kept.popitem(last=False)
                size -= gone.vectors.nbytes


def _narrowed(connection: sa.Connection, within: Filter) -> list[int] | None:
    """Return all items that a narrow filter lets pass; None when that is not worth while."""
    if not within.narrow:
        return None
    statement = f"SELECT m.number FROM memories m WHERE {within.sql} ORDER BY m.number LIMIT :most"
    values = {**within.values, "most": NARROW_MAX + 1}
    numbers = list(connection.scalars(sa.text(statement), values))
    return numbers if len(numbers) <= NARROW_MAX else None


def _only(numpy: Any, matrix: _Matrix, wanted: NDArray[np.int64]) -> _Matrix:
    """Return those rows of a matrix that are wanted."""
    if not len(matrix.numbers):
        return matrix
    places = numpy.searchsorted(matrix.numbers, wanted).clip(max=len(matrix.numbers) - 1)
    places = places[matrix.numbers[places] == wanted]
    return replace(matrix, numbers=matrix.numbers[places], vectors=matrix.vectors[places])


def _walked(
    connection: sa.Connection,
    within: Filter,
    scored: tuple[NDArray[np.int64], NDArray[np.float32]],
    most: int,
) -> dict[int, float]:
    """Walk from the nearest item outwards, and return those that the filter lets pass."""
    numbers, cosines = scored
    found: dict[int, float] = {}
    looked_at = 0
    while len(found) < most and looked_at < len(numbers):
        # Twice as many each time: most often the first look is enough.
        until = min(len(numbers), max(2 * most, 4 * looked_at))
        order = _largest(_numpy(), cosines, until)[looked_at:]
        passing = _passing(connection, within, [int(numbers[place]) for place in order])
        for place in order:
            number = int(numbers[place])
            if number in passing and len(found) < most:
                found[number] = float(cosines[place])
        looked_at = until
    return found


def _largest(numpy: Any, cosines: NDArray[np.float32], most: int) -> NDArray[np.int64]:
    """Return the places of the largest values, the largest first."""
    if most < len(cosines):
        places = numpy.argpartition(-cosines, most - 1)[:most]
    else:
        places = numpy.arange(len(cosines))
    order: NDArray[np.int64] = places[numpy.lexsort((places, -cosines[places]))]
    return order


def _passing(connection: sa.Connection, within: Filter, numbers: Sequence[int]) -> set[int]:
    """Return those items that the filter lets pass."""
    found: set[int] = set()
    for start in range(0, len(numbers), CHUNK):
        values = dict(within.values)
        some = listed("n", numbers[start : start + CHUNK], values)
        statement = f"SELECT m.number FROM memories m WHERE m.number IN {some} AND {within.sql}"
        found.update(connection.scalars(sa.text(statement), values))
    return found


def _numpy() -> Any:
    try:
        import numpy
    except ImportError as error:
        raise VectorsUnavailable("vectors are compared with numpy, which is not here") from error
    return numpy
