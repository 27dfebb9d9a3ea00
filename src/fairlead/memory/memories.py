"""The one way into memory and out of it, for runs and for operators alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fairlead.core.errors import MemoryInvalid, MemorySchemaOutOfRange
from fairlead.core.event import Fact
from fairlead.core.memory import (
    QUERY_CHARS_MAX,
    Item,
    MemoryQuery,
    Note,
    Reader,
    Recalled,
    Written,
)
from fairlead.core.memory_terms import MemoryTerms
from fairlead.memory.notes import check_notes, query_finding
from fairlead.memory.question import asked_stems
from fairlead.memory.ranking import (
    CANDIDATES_EXPANDED,
    CANDIDATES_MAX,
    CANDIDATES_SIMILAR,
    CANDIDATES_WORDS,
    NEIGHBOURS,
    rank,
)
from fairlead.ports.embedder import Embedder
from fairlead.ports.memory import Embedding, MemoryStore, Search, Stamp


@dataclass(frozen=True, kw_only=True)
class Memories:
    """Remembers and recalls under one release's terms.

    Attributes:
        store: Where items are kept.
        terms: What the release says of its memory.
        embedder: Returns the embedding model of an id, with its guard; None for no model.
    """

    store: MemoryStore
    terms: MemoryTerms
    embedder: Callable[[str], Embedder | None]

    def stamped(self, notes: Sequence[Note], fact: Fact | None = None) -> Stamp:
        """Check notes and embed them; this may take as long as the model takes.

        Args:
            notes: What is to be remembered, as the rules of admission left it.
            fact: What is appended to the event log with it; None for nothing.

        Raises:
            MemoryInvalid: A note cannot be kept.
            FairleadError: The embedding model failed.
        """
        check_notes(notes)
        stamp = Stamp(schema=self.terms.schema, fact=fact)
        model = self.embedder(self.terms.embedder)
        if model is None or not notes:
            return stamp
        texts = [_embedded(note) for note in notes]
        return replace(stamp, embedder=model.id, vectors=model.embed(texts, purpose="document"))

    def embed(self, reader: Reader, model: Embedder, items: Sequence[Item], fact: Fact) -> int:
        """Embed items anew, and keep their vectors, all or none.

        Args:
            reader: Whose items.
            model: The embedding model.
            items: What; one that was taken back or embedded meanwhile is passed over.
            fact: What is appended to the event log with it.

        Returns:
            How many have a new vector.

        Raises:
            FairleadError: The embedding model failed; nothing is written.
        """
        made = model.embed([_embedded(item) for item in items], purpose="document")
        vectors = {item.id: vector for item, vector in zip(items, made, strict=True)}
        return self.store.embed(reader, Embedding(embedder=model.id, vectors=vectors, fact=fact))

    def write(self, writer: Reader, notes: Sequence[Note], stamp: Stamp) -> Sequence[Written]:
        """Write notes that were stamped, all or none.

        Raises:
            MemorySchemaOutOfRange: Memory was written by a version that the release does not read.
        """
        self._check_schema(writer)
        return self.store.write(writer, notes, stamp)

    def remember(
        self, writer: Reader, notes: Sequence[Note], fact: Fact | None = None
    ) -> Sequence[Written]:
        """Check, embed and write notes, all or none; see `stamped` and `write`."""
        return self.write(writer, notes, self.stamped(notes, fact))

    def asked(self, query: MemoryQuery) -> MemoryQuery:
        """Check a query and embed its text; this may take as long as the model takes.

        Raises:
            MemoryInvalid: It asks for too much.
            FairleadError: The embedding model failed.
        """
        found = query_finding(query)
        if found is not None:
            raise MemoryInvalid(found)
        text = query.text[:QUERY_CHARS_MAX].encode(errors="replace").decode()
        query = replace(query, text=text)
        model = self.embedder(self.terms.embedder) if text.strip() else None
        if model is None:
            return query
        (vector,) = model.embed([text], purpose="query")
        return replace(query, vector=vector, embedder=model.id)

    def recall(self, reader: Reader, query: MemoryQuery) -> tuple[Recalled, ...]:
        """Return what bears on a question, best first.

        Args:
            reader: Who asks.
            query: What is asked, as `asked` left it.

        Raises:
            MemorySchemaOutOfRange: Memory was written by a version that the release does not read.
        """
        self._check_schema(reader)
        terms = asked_stems(query.text)
        if not query.kinds or not (terms or query.vector):
            return ()
        search = Search(
            terms=terms,
            lexical_max=CANDIDATES_WORDS,
            vector_max=CANDIDATES_SIMILAR,
            around=NEIGHBOURS,
            seeds_max=CANDIDATES_EXPANDED,
            most=CANDIDATES_MAX,
        )
        found = self.store.candidates(reader, query, search)
        scored = rank(
            query.text,
            found.found,
            found.statistics,
            top_k=query.top_k,
            min_score=query.min_score,
            only_near=True,
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


def _embedded(note: Note | Item) -> str:
    """Return what a vector is made of: who says it, or what it is about, and the text."""
    lead = note.actor or note.subject
    return f"{lead}: {note.text}" if lead else note.text
