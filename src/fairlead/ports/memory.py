"""Where what is remembered is kept, and how it is found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fairlead.core.event import Fact
from fairlead.core.memory import Item, MemoryQuery, MemoryState, Note, Reader, Written


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An item that may answer a question, as the ranking sees it.

    Attributes:
        id: The item.
        text: What it says.
        actor: Who says it; empty when nobody does.
        at: Seconds since 1970 from which it is so; None when that is not known.
        thread: The series that it stands in; empty for none.
        place: Its place there.
        title: Its heading; empty for none.
        similarity: Cosine with the question, from -1.0 to 1.0; None without a vector.
    """

    id: str
    text: str
    actor: str = ""
    at: float | None = None
    thread: str = ""
    place: int = 0
    title: str = ""
    similarity: float | None = None


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """How common a question's words are in what the asker may see.

    Attributes:
        items: Number of items.
        found_in: For each stem the number of items that hold it.
        mean_words: Mean number of words of an item.
    """

    items: int
    found_in: Mapping[str, int]
    mean_words: float


@dataclass(frozen=True, kw_only=True)
class Search:
    """How candidates are looked for.

    Attributes:
        terms: Each stem of the question, with the first word that has it.
        lexical_max: Most candidates by their words.
        vector_max: Most candidates by their vectors.
        around: Places to each side in a thread that are candidates as well.
        seeds_max: Of how many of the best of each kind the surroundings are looked at.
        most: Most candidates altogether.
    """

    terms: Mapping[str, str]
    lexical_max: int = 80
    vector_max: int = 40
    around: int = 2
    seeds_max: int = 20
    most: int = 200


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """What was found, in no order, and how common the words are."""

    found: Sequence[Candidate]
    statistics: Statistics


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change of what is remembered that a person, a rule or a release makes.

    Attributes:
        by: Who makes it.
        reason: Why.
        fact: What is appended to the event log in the same transaction; None for nothing.
    """

    by: str
    reason: str
    fact: Fact | None = None


BY_AGE = Change(by="retention", reason="past its retention")
"""Nobody in person."""


@dataclass(frozen=True, kw_only=True)
class Roots:
    """Where items come from; what one of these names counts.

    Attributes:
        source: Their source, or one of the origins that their label names.
        ids: Their ids.
        release: Digest of the release that wrote them.
    """

    source: str = ""
    ids: tuple[str, ...] = ()
    release: str = ""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How far something reached.

    Attributes:
        items: Ids of the items themselves and of all that was derived from them.
        readers: Ids of the runs that got one of them.
        writers: Ids of the runs that wrote one of them.
        unsure: Ids of items that may come from the source as well: they have more origins than
            their labels name. Nothing is done to them.
    """

    items: tuple[str, ...]
    readers: tuple[str, ...]
    writers: tuple[str, ...]
    unsure: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MemoryStats:
    """What is kept of a tenant's memory in an app.

    Attributes:
        items: Number of items by kind and state.
        sources: Number of current items by source, the most frequent ones first.
        quarantined: Number of those in quarantine by source, the most frequent ones first.
        embedders: Number of current items by embedding model; the empty name for none.
        schemas: Versions of the memory schema that have written.
        overlays: Number of items by release whose trial they belong to.
        tombstones: Values that may not be remembered again.
        expired: Items that are past their retention and still kept.
    """

    items: Mapping[tuple[str, str], int]
    sources: Mapping[str, int] = field(default_factory=dict)
    quarantined: Mapping[str, int] = field(default_factory=dict)
    embedders: Mapping[str, int] = field(default_factory=dict)
    schemas: tuple[int, ...] = ()
    overlays: Mapping[str, int] = field(default_factory=dict)
    tombstones: int = 0
    expired: int = 0


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """What a write carries for all of its items.

    Attributes:
        schema: Version of the app's memory schema.
        embedder: The model that made the vectors; empty for none.
        vectors: One for each note, float32, little-endian; empty for none.
        fact: What is appended to the event log in the same transaction; None for nothing.
    """

    schema: int = 1
    embedder: str = ""
    vectors: Sequence[bytes] = ()
    fact: Fact | None = None


PLAIN = Stamp()
"""A write without vectors and without an event."""


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """New vectors for items that are there.

    Attributes:
        embedder: The model that made them.
        vectors: Each item's id with its vector, float32, little-endian, of length 1.
        fact: What is appended to the event log in the same transaction; None for nothing.
    """

    embedder: str
    vectors: Mapping[str, bytes]
    fact: Fact | None = None


class MemoryStore(Protocol):
    """Keeps what is remembered; every method reads rows of the reader's tenant and app alone."""

    def write(
        self, writer: Reader, notes: Sequence[Note], stamp: Stamp = PLAIN
    ) -> Sequence[Written]:
        """Remember notes, all or none, in one transaction.

        What says the same as a current item of the same audience is merged into it, unless the new
        one is better trusted. What a tombstone names is refused. An item with a predicate replaces
        the current one of its subject, unless it is trusted less.

        What is still to begin replaces nothing before: what is current then ends where it begins.
        An equal key with equal content is a repeat; a fork of the run that has the key may say
        something else, which replaces what the run said.

        Returns:
            What became of each note, in order.

        Raises:
            MemoryKeyTaken: A key is that of an item that says something else.
        """
        ...

    def candidates(self, reader: Reader, query: MemoryQuery, search: Search) -> Candidates:
        """Find what may answer a question, among what the reader may see and nothing else."""
        ...

    def get(self, reader: Reader, ids: Sequence[str]) -> Sequence[Item]:
        """Return those of the items that the reader may see, in the order of the ids."""
        ...

    def history(
        self, reader: Reader, subject: str, predicate: str, *, known_at: float | None = None
    ) -> Sequence[Item]:
        """Return what was said of a subject, oldest record first.

        Args:
            reader: Who asks.
            subject: The subject.
            predicate: The predicate; empty for all of them.
            known_at: Seconds since 1970: only what was current then; None for all versions.
        """
        ...

    def items(
        self, reader: Reader, *, states: Sequence[MemoryState], after: str = "", most: int = 1000
    ) -> Sequence[Item]:
        """Return items by id, in order, from behind one."""
        ...

    def unembedded(
        self, reader: Reader, embedder: str, *, after: str = "", most: int = 1000
    ) -> Sequence[Item]:
        """Return items without a vector of a model, by id, in order, from behind one.

        What is on trial has its own release's model, and is left out; so is what was taken back,
        and what is past its retention.
        """
        ...

    def embed(self, reader: Reader, embedding: Embedding) -> int:
        """Give items new vectors in place of their old ones, all in one transaction.

        Returns:
            How many: those that `unembedded` still returns. The fact says it as `items`; without
            any it is not appended.
        """
        ...

    def settle(
        self, reader: Reader, ids: Sequence[str], state: MemoryState, change: Change
    ) -> Sequence[str]:
        """Bring current items into a state; returns the ids of those that were changed.

        To `active` is an endorsement: the item becomes trusted, and replaces the current one of
        its subject and predicate. `forgotten` and `retracted` items leave a tombstone. What was
        superseded is retracted as well: it never held. The fact says how many were `changed`.
        """
        ...

    def reach(self, reader: Reader, roots: Roots, *, derived: bool = True) -> Reach:
        """Find items by where they come from, and the runs that got or wrote one of them.

        Args:
            reader: Whose items.
            roots: Where they come from.
            derived: Whether what was made out of them is found as well, and out of that.
        """
        ...

    def note_reads(self, run_id: str, call: int, ids: Sequence[str]) -> None:
        """Note that a run got items; a second time changes nothing."""
        ...

    def merge_overlay(self, app: str, release: str, change: Change) -> int:
        """Make what was remembered in a release's trial everybody's; returns how many items."""
        ...

    def drop_overlay(self, app: str, release: str, change: Change) -> int:
        """Remove what was remembered in a release's trial; returns how many items."""
        ...

    def schemas(self, reader: Reader) -> Sequence[int]:
        """Return the versions of the memory schema that have written what the reader may see."""
        ...

    def expire(self, most: int = 10_000, *, change: Change = BY_AGE, rehearse: bool = False) -> int:
        """Remove items that are past their retention, in every tenant, with an event for each.

        Args:
            most: Most items.
            change: Who has them removed, and why.
            rehearse: Only count them, without a bound.

        Returns:
            How many.
        """
        ...

    def stats(self, reader: Reader) -> MemoryStats:
        """Count what is kept."""
        ...

    def each(self, reader: Reader) -> Iterator[Item]:
        """Yield every item that the reader may see, whatever its state, by id."""
        ...
