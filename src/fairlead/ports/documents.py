"""Where ingested documents live, and where they come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fairlead.core.errors import FairleadError
from fairlead.core.grounding import Passage


@dataclass(frozen=True, kw_only=True)
class Document:
    """A document that was read from outside, cut into passages.

    Attributes:
        path: Path inside its collection, with forward slashes.
        title: First heading, or the file's name.
        text: The whole text; each passage is a stretch of it.
        digest: SHA-256 of the text; an unchanged document is not stored again.
        passages: In order, without overlap.
    """

    path: str
    title: str
    text: str
    digest: str
    passages: tuple[Passage, ...]


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A passage with its relevance, from 0.0 to 1.0."""

    passage: Passage
    score: float


@dataclass(frozen=True, kw_only=True)
class Query:
    """What to look for, and where the asker may look.

    Attributes:
        text: The question in words.
        tenant: Rows of any other tenant are never read.
        collections: Only these are searched; an empty tuple finds nothing.
        top_k: Most hits to return.
        min_score: Hits below this relevance are left out.
    """

    text: str
    tenant: str
    collections: tuple[str, ...]
    top_k: int
    min_score: float = 0.0


class DocumentSource(Protocol):
    """Reads documents from a folder."""

    def read(self, root: Path, collection: str) -> Iterator[Document | FairleadError]:
        """Yield each document below `root`, or the error that says why a file was refused."""
        ...


class DocumentStore(Protocol):
    """Keeps documents and finds passages."""

    def replace(
        self, tenant: str, collection: str, documents: Iterable[Document]
    ) -> tuple[int, int, int]:
        """Make the collection hold exactly these documents, in one transaction.

        Returns:
            How many documents were written, unchanged and removed.
        """
        ...

    def search(self, query: Query) -> Sequence[Hit]:
        """Return the best passages, best first; the filter is applied before ranking."""
        ...

    def collections(self, tenant: str) -> dict[str, int]:
        """Return each collection of a tenant with its number of documents."""
        ...
