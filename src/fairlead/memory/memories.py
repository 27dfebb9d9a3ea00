"""The one way into memory and out of it, for runs and for operators alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fairlead.core.errors import MemoryInvalid, MemorySchemaOutOfRange
from fairlead.core.event import Fact
from fairlead.core.memory import (
    QUERY_CHARS_MAX,
    TOP_K_MAX,
    MemoryQuery,
    Note,
    Reader,
    Recalled,
    Written,
)
from fairlead.core.memory_terms import MemoryTerms
from fairlead.memory.embedding import checked
from fairlead.memory.notes import check_notes
from fairlead.memory.ranking import asked_stems, rank
from fairlead.ports.embedder import Embedder
from fairlead.ports.memory import MemoryStore, Search, Stamp


@dataclass(frozen=True, kw_only=True)
class Memories:
    """Remembers and recalls under one release's terms.

    Attributes:
        store: Where items are kept.
        terms: What the release says of its memory.
        embedder: Returns the embedding model of an id; None for no model.
    """

    store: MemoryStore
    terms: MemoryTerms
    embedder: Callable[[str], Embedder | None]

    def remember(
        self, writer: Reader, notes: Sequence[Note], fact: Fact | None = None
    ) -> Sequence[Written]:
        """Remember notes, all or none.

        Args:
            writer: Who writes.
            notes: What is to be remembered, as the rules of admission left it.
            fact: What is appended to the event log with it; None for nothing.

        Raises:
            MemoryInvalid: A note cannot be kept.
            MemorySchemaOutOfRange: Memory was written by a version that the release does not read.
            FairleadError: The embedding model failed; nothing was written.
        """
        check_notes(notes)
        self._check_schema(writer)
        stamp = Stamp(schema=self.terms.schema, fact=fact)
        model = self.embedder(self.terms.embedder)
        if model is not None and notes:
            texts = [f"{note.actor}: {note.text}" if note.actor else note.text for note in notes]
            vectors = checked(model).embed(texts, purpose="document")
            stamp = replace(stamp, embedder=model.id, vectors=vectors)
        return self.store.write(writer, notes, stamp)

    def recall(self, reader: Reader, query: MemoryQuery) -> tuple[Recalled, ...]:
        """Return what bears on a question, best first.

        Args:
            reader: Who asks.
            query: What is asked; its vector is made here.

        Raises:
            MemoryInvalid: The query asks for too much.
            MemorySchemaOutOfRange: Memory was written by a version that the release does not read.
        """
        if not 1 <= query.top_k <= TOP_K_MAX:
            raise MemoryInvalid(f"top_k must be from 1 to {TOP_K_MAX}, not {query.top_k}")
        self._check_schema(reader)
        text = query.text[:QUERY_CHARS_MAX].encode(errors="replace").decode()
        terms = asked_stems(text)
        model = self.embedder(self.terms.embedder) if text.strip() else None
        if model is not None:
            (vector,) = checked(model).embed([text], purpose="query")
            query = replace(query, vector=vector, embedder=model.id)
        if not query.kinds or not (terms or query.vector):
            return ()
        found = self.store.candidates(reader, query, Search(terms=terms))
        scored = rank(
            text, found.found, found.statistics, top_k=query.top_k, min_score=query.min_score
        )
        items = {item.id: item for item in self.store.get(reader, [s.candidate.id for s in scored])}
        return tuple(
            Recalled(
                item=items[one.candidate.id],
                score=one.score,
                parts=dict(one.parts),
                quoted=items[one.candidate.id].quoted,
            )
            for one in scored
            if one.candidate.id in items
        )

    def _check_schema(self, reader: Reader) -> None:
        """Refuse work on memory that the release does not understand.

        Raises:
            MemorySchemaOutOfRange: A version has written that it does not read.
        """
        outside = self.terms.outside(self.store.schemas(reader))
        if outside:
            oldest, newest = self.terms.reads
            raise MemorySchemaOutOfRange(
                f"memory of app {reader.app} was written by schema {outside[-1]}; this release "
                f"reads {oldest} to {newest}",
                app=reader.app,
            )
