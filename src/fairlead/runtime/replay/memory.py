"""Memory as it was: read at the recorded time, and never written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fairlead.core.memory import Item, MemoryQuery, Reader
from fairlead.ports.memory import Candidates, MemoryStore, Search
from fairlead.runtime.replay.tape import TapeClock


class PastMemory:
    """Reads the real store as of the recorded time.

    It has no method that writes: what a replay remembers is answered before it comes here.
    """

    def __init__(self, store: MemoryStore, clock: TapeClock) -> None:
        """Read from a store.

        Args:
            store: Where what is remembered is kept.
            clock: The recorded time.
        """
        self._store = store
        self._clock = clock

    def _then(self, known_at: float | None) -> float:
        return self._clock.at if known_at is None else min(known_at, self._clock.at)

    def candidates(self, reader: Reader, query: MemoryQuery, search: Search) -> Candidates:
        """Find what may answer a question, among what was known then."""
        return self._store.candidates(
            reader, replace(query, known_at=self._then(query.known_at)), search
        )

    def get(self, reader: Reader, ids: Sequence[str]) -> Sequence[Item]:
        """Return those of the items that had been recorded then."""
        found = self._store.get(reader, ids)
        return [item for item in found if item.recorded_at <= self._clock.at]

    def history(
        self, reader: Reader, subject: str, predicate: str, *, known_at: float | None = None
    ) -> Sequence[Item]:
        """Return what had been said of a subject until then."""
        if known_at is None:
            found = self._store.history(reader, subject, predicate)
            return [item for item in found if item.recorded_at <= self._clock.at]
        return self._store.history(reader, subject, predicate, known_at=self._then(known_at))

    def schemas(self, reader: Reader) -> Sequence[int]:
        """Return the versions of the memory schema that have written."""
        return self._store.schemas(reader)

    def note_reads(self, run_id: str, call: int, ids: Sequence[str]) -> None:
        """Note nothing: nobody acts on what a replay reads."""
