"""Embedders for tests: one that needs no model, and one that misbehaves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from threading import Event
from typing import Literal, TypeAlias

from fairlead.core.text import stem, terms
from fairlead.core.vectors import NUMBER_BYTES, Vector, pack, unit, unpack
from fairlead.ports.embedder import Embedder, Purpose

EmbedderFault: TypeAlias = Literal[
    "nan", "infinite", "zero", "unnormalised", "empty", "resized", "missing", "extra", "raise",
    "hang",
]  # fmt: skip
"""What a `FaultyEmbedder` does; `resized` gives the last text's vector another dimension."""


class HashEmbedder:
    """Embeds a text as the hashes of its stems: the same words are near, nothing else is.

    Attributes:
        id: `hash-N`, with its dimensions.
        dimensions: Numbers in each vector.
    """

    def __init__(self, dimensions: int = 64) -> None:
        """Choose a size.

        Args:
            dimensions: Numbers in each vector; few of them make words collide.
        """
        self.id = f"hash-{dimensions}"
        self.dimensions: int | None = dimensions
        self._size = dimensions

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> list[Vector]:  # noqa: ARG002
        """Return one vector per text; the purpose makes no difference."""
        return [self._vector(text) for text in texts]

    def close(self) -> None:
        """Do nothing: it holds nothing."""

    def _vector(self, text: str) -> Vector:
        numbers = [0.0] * self._size
        for term in terms(text):
            place = int.from_bytes(blake2b(stem(term).encode(), digest_size=8).digest())
            numbers[place % self._size] += 1.0
        if not any(numbers):
            numbers[0] = 1.0  # a text of no words has a vector too
        return unit(numbers)


class FaultyEmbedder:
    """Misbehaves in one way, from a call of its own on.

    Attributes:
        id: The name of the embedder inside.
        dimensions: None, so that only the vectors say it.
        given: The texts of each call.
        release: Lets go of the calls that hang.
        closed: Times that it was closed.
    """

    def __init__(self, fault: EmbedderFault, inner: Embedder, *, after: int = 0) -> None:
        """Choose a fault.

        Args:
            fault: What goes wrong.
            inner: What embeds otherwise.
            after: Calls that go well before.
        """
        self.id = inner.id
        self.dimensions: int | None = None
        self.given: list[tuple[str, ...]] = []
        self.release = Event()
        self.closed = 0
        self._fault, self._inner, self._after = fault, inner, after

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> list[Vector]:
        """Return vectors with the fault; at least one text is given."""
        self.given.append(tuple(texts))
        vectors = list(self._inner.embed(texts, purpose=purpose))
        if len(self.given) <= self._after:
            return vectors
        if self._fault == "hang":
            self.release.wait()
        elif self._fault == "raise":
            raise RuntimeError("the embedder broke")
        elif self._fault == "missing":
            vectors.pop()
        elif self._fault == "extra":
            vectors.append(vectors[0])
        else:
            vectors[-1] = _SPOILED[self._fault](vectors[-1])
        return vectors

    def close(self) -> None:
        """Count, and let go of the calls that hang."""
        self.closed += 1
        self.release.set()


_SPOILED: Mapping[str, Callable[[Vector], Vector]] = {
    "nan": lambda vector: pack([math.nan]) + vector[NUMBER_BYTES:],
    "infinite": lambda vector: pack([-math.inf]) + vector[NUMBER_BYTES:],
    "zero": lambda vector: bytes(len(vector)),
    "unnormalised": lambda vector: pack(2 * number for number in unpack(vector)),
    "empty": lambda _: b"",
    "resized": lambda vector: vector + bytes(NUMBER_BYTES),
}
