"""The vectors of the store in a dict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from threading import RLock

from fairlead.core.event import Fact
from fairlead.core.memory import TAKEN_BACK, Item, MemoryQuery, Reader
from fairlead.core.vectors import unpack
from fairlead.ports.clock import Clock
from fairlead.ports.memory import Embedding


class FakeVectors:
    """What a store in a dict does with vectors; the store keeps the items."""

    clock: Clock
    kept: dict[str, Item]
    facts: list[Fact]
    _vectors: dict[str, bytes]
    _lock: RLock

    def each(self, reader: Reader) -> Iterator[Item]:
        """Yield every item that the reader may see, whatever its state, by id."""
        raise NotImplementedError

    def cosine(self, query: MemoryQuery, one: Item) -> float | None:
        """Return how near an item is to a question; None without vectors of one model."""
        vector = self._vectors.get(one.id)
        if vector is None or query.vector is None or one.embedder != query.embedder:
            return None
        if len(vector) != len(query.vector):
            return None
        return sum(a * b for a, b in zip(unpack(vector), unpack(query.vector), strict=True))

    def unembedded(
        self, reader: Reader, embedder: str, *, after: str = "", most: int = 1000
    ) -> Sequence[Item]:
        """Return items without a vector of a model, by id, in order, from behind one."""
        found = [
            one
            for one in self.each(reader)
            if one.id > after
            and one.embedder != embedder
            and not one.overlay
            and one.state not in TAKEN_BACK
            and one.expires_at > self.clock.now()
        ]
        return found[:most]

    def embed(self, reader: Reader, embedding: Embedding) -> int:
        """Give items new vectors in place of their old ones."""
        with self._lock:
            waiting = self.unembedded(reader, embedding.embedder, most=len(self.kept))
            found = [one for one in waiting if one.id in embedding.vectors]
            for one in found:
                self.kept[one.id] = replace(one, embedder=embedding.embedder)
                self._vectors[one.id] = embedding.vectors[one.id]
            if found and embedding.fact is not None:
                self.facts.append(embedding.fact)
            return len(found)
