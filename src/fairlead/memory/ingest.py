"""Ingest: a collection comes to hold exactly what a folder holds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from fairlead.core.errors import FairleadError
from fairlead.core.event import Fact
from fairlead.ports.documents import Document, DocumentSource, DocumentStore
from fairlead.ports.erasure import Tombstones
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
        tombstones: Know what was erased, which is blanked out as well; None for nothing.
    """

    source: DocumentSource
    store: DocumentStore
    events: EventLog
    mask: Callable[[str], str] = str
    tombstones: Tombstones | None = None

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
        blank = self.tombstones.blanking(tenant) if self.tombstones else str

        def documents() -> Iterator[Document]:
            for item in self.source.read(folder, collection):
                if isinstance(item, FairleadError):
                    refused.append(item)
                else:
                    yield _blanked(_masked(item, self.mask), blank)

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
    kept = _blanked(document, mask)
    if kept is document:
        return document
    return replace(kept, digest=hashlib.sha256(kept.text.encode()).hexdigest())


def _blanked(document: Document, blank: Callable[[str], str]) -> Document:
    """Return a document with something blanked out.

    Its digest stays: so a file that was not changed is not read again after an erasure, which took
    more forms of what was erased out of it than a tombstone knows.
    """
    text, title = blank(document.text), blank(document.title)
    if (text, title) == (document.text, document.title):
        return document
    return replace(
        document,
        title=title,
        text=text,
        passages=tuple(
            replace(one, title=blank(one.title), text=text[one.start : one.end])
            for one in document.passages
        ),
    )
