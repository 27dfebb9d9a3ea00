"""Ingest: a collection comes to hold exactly what a folder holds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from fairlead.core.errors import FairleadError
from fairlead.core.event import Fact
from fairlead.ports.documents import Document, DocumentSource, DocumentStore
from fairlead.ports.events import EventLog


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """What an ingestion did.

    Attributes:
        collection: The collection.
        written: Documents that are new or changed.
        unchanged: Documents that were there already.
        removed: Documents that are no longer in the folder.
        refused: Files that could not be read, each with its error.
    """

    collection: str
    written: int
    unchanged: int
    removed: int
    refused: tuple[FairleadError, ...]


@dataclass(frozen=True, kw_only=True)
class Ingestion:
    """Brings collections up to date.

    Attributes:
        source: Reads documents from a folder.
        store: Keeps them.
        events: Where each ingestion is recorded.
        mask: Blanks out of a text what may not be kept; every other character keeps its place.
    """

    source: DocumentSource
    store: DocumentStore
    events: EventLog
    mask: Callable[[str], str] = str

    def ingest(self, tenant: str, collection: str, folder: Path) -> Ingested:
        """Make a collection hold what a folder holds; a refused file does not stop the others.

        Args:
            tenant: Whose collection it is.
            collection: Its name.
            folder: A folder, or a single file.

        Raises:
            CollectionMissing: The folder is not there.
        """
        refused: list[FairleadError] = []

        def documents() -> Iterator[Document]:
            for item in self.source.read(folder, collection):
                if isinstance(item, FairleadError):
                    refused.append(item)
                else:
                    yield _masked(item, self.mask)

        written, unchanged, removed = self.store.replace(tenant, collection, documents())
        counts = {"written": written, "unchanged": unchanged, "removed": removed}
        self.events.append(
            [
                Fact(
                    chain=f"collection:{tenant}/{collection}",
                    type="documents.ingested",
                    data={**counts, "refused": [error.code for error in refused]},
                )
            ]
        )
        return Ingested(collection=collection, refused=tuple(refused), **counts)


def _masked(document: Document, mask: Callable[[str], str]) -> Document:
    """Return a document with what may not be kept blanked out; the passages keep their places."""
    text = mask(document.text)
    if text == document.text:
        return document
    return replace(
        document,
        title=mask(document.title),
        text=text,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        passages=tuple(
            replace(one, title=mask(one.title), text=text[one.start : one.end])
            for one in document.passages
        ),
    )
