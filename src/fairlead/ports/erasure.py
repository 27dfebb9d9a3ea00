"""What an erasure needs: its record, the rows that hold something, files, and a ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fairlead.core.digests import Json
from fairlead.core.erasure import ERASED, Erasure, Stage, Target, Trace
from fairlead.core.event import Fact
from fairlead.ports.runs import Order


class ValueEraser(Protocol):
    """Finds values in whatever form they stand, and takes them out."""

    @property
    def values(self) -> tuple[str, ...]:
        """The values."""
        ...

    def text(self, text: str, place: str = ERASED) -> str:
        """Return a text without the values; the very same object when it holds none."""
        ...

    def count(self, data: str | bytes) -> int:
        """Return how often something holds one of the values."""
        ...

    def count_raw(self, chunks: Iterable[bytes]) -> int:
        """Return how often a file holds one of the values or half of a long one."""
        ...


@dataclass(frozen=True, kw_only=True)
class Scrubbed:
    """What was taken out of rows.

    Attributes:
        places: Number of values of rows by table and column.
        left: What holds a value and may not be changed, with why.
    """

    places: Mapping[str, int] = field(default_factory=dict)
    left: tuple[Trace, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Touched:
    """Runs that got or wrote one of the items, with all that is bound to them.

    Attributes:
        at_rest: Whole histories that have ended: they can be pruned.
        living: Ids of runs that have not.
    """

    at_rest: tuple[tuple[str, ...], ...]
    living: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A file with one of the items.

    Attributes:
        id: The export.
        path: The file.
        digest: SHA-256 of the file as it was written.
        items: Those of the items that it holds.
    """

    id: str
    path: str
    digest: str
    items: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Remains:
    """What the database still has of an erasure.

    Attributes:
        items: Ids of items that are still there.
        derived: Ids of items that are derived from one of them.
        reads: Notes that a run got one of them.
        stones: Tombstones that are there.
        known_again: Ids of items that say what a tombstone names.
    """

    items: tuple[str, ...] = ()
    derived: tuple[str, ...] = ()
    reads: int = 0
    stones: int = 0
    known_again: tuple[str, ...] = ()


class Tombstones(Protocol):
    """Knows what may not be learned again."""

    def blanking(self, tenant: str) -> Callable[[str], str]:
        """Return what blanks out of a text all that a tenant may not learn again.

        Every other character keeps its place.
        """
        ...


class ErasureStore(Tombstones, Protocol):
    """Keeps erasures, and does in the database what they are made of."""

    def begin(self, tenant: str, app: str, target: Target, order: Order) -> Erasure:
        """Hide what is named and all that was derived from it, and leave tombstones.

        Raises:
            NothingToErase: Nothing fits; nothing was begun.
            ErasureTooLarge: Too much fits; nothing was begun.
        """
        ...

    def restore(self, erasure: Erasure, order: Order) -> Sequence[str]:
        """Put an erasure on record again that the database does not know, and hide what is back.

        Returns:
            The ids of the items that were there again.
        """
        ...

    def get(self, erasure_id: str) -> Erasure:
        """Return an erasure.

        Raises:
            ErasureUnknown: There is none of this id.
        """
        ...

    def open(self) -> Sequence[str]:
        """Return the ids of the erasures that have not ended, the oldest first."""
        ...

    def hold(self, erasure_id: str, holder: str) -> Erasure:
        """Take an erasure for a while, so that one process works at it.

        Raises:
            ErasureHeld: Another one has it.
            ErasureUnknown: There is none of this id.
        """
        ...

    def renew(self, erasure: Erasure) -> None:
        """Hold an erasure for longer, since its holder still works at it.

        What `scrub`, `purge` and `advance` commit is fenced by the holder: once another process
        has taken the erasure over, they raise `ErasureHeld` and commit nothing.

        Raises:
            ErasureHeld: Another process has it by now.
        """
        ...

    def release(self, erasure_id: str, holder: str) -> None:
        """Let go of an erasure."""
        ...

    def advance(
        self,
        erasure: Erasure,
        holder: str,
        stage: Stage,
        done: Mapping[str, Json],
        *,
        fact: Fact | None = None,
    ) -> Erasure:
        """Note what was done, and what comes next.

        Args:
            erasure: The erasure as it was.
            holder: Who has it.
            stage: What comes next.
            done: Is added to the receipt.
            fact: What is appended to the event log in the same transaction; None for nothing.

        Raises:
            ErasureHeld: Another process has it by now.
        """
        ...

    def values(self, erasure: Erasure) -> tuple[Sequence[str], int]:
        """Return what is looked for, read from the rows, and how many texts are not.

        Those are too short for it, or other items say the same.
        """
        ...

    def evidence(self, values: Iterable[str]) -> list[str]:
        """Return how a receipt names values."""
        ...

    def touched(self, erasure: Erasure) -> Touched:
        """Find the runs that got or wrote one of the items, and what is bound to them."""
        ...

    def scrub(self, erasure: Erasure, eraser: ValueEraser) -> Scrubbed:
        """Take values out of the tenant's rows, except items and the event log."""
        ...

    def exported(self, erasure: Erasure) -> Sequence[Exported]:
        """Return the files that are known to hold one of the items."""
        ...

    def rewrote(self, export: Exported, digest: str | None) -> None:
        """Note that a file has none of the items any more; its new digest, None when it is gone."""
        ...

    def purge(self, erasure: Erasure) -> int:
        """Remove the items with their vectors, their lineage and who read them."""
        ...

    def compact(self, erasure: Erasure) -> Sequence[str]:
        """Have the database let go of what was removed; returns what could not be done."""
        ...

    def files(self) -> Sequence[Path]:
        """Return the files of the database that can be read here."""
        ...

    def traces(self, erasure: Erasure, eraser: ValueEraser) -> Sequence[Trace]:
        """Find values in all rows of all tables, whosever they are."""
        ...

    def remains(self, erasure: Erasure) -> Remains:
        """Find what is still there of an erasure's items."""
        ...

    def feed(self, erasure: Erasure, texts: Sequence[str]) -> tuple[int, int]:
        """Have those texts remembered again that it has tombstones of, and take that back.

        Returns:
            How many texts that are, and how many writes of them were not refused.
        """
        ...

    def note(self, fact: Fact) -> None:
        """Append an event."""
        ...


class Ledger(Protocol):
    """Remembers erasures beside the database, for the day when a backup is restored."""

    def add(self, erasure: Erasure) -> None:
        """Append an erasure, unless its last line says the same.

        Raises:
            LedgerUnusable: It cannot be written.
        """
        ...

    @property
    def where(self) -> str:
        """Where it lies."""
        ...

    def there(self) -> bool:
        """Return whether there is one at all: without one nothing can be said of erasures."""
        ...

    def all(self) -> Sequence[Erasure]:
        """Return what it knows, oldest first; without stages.

        Raises:
            LedgerUnusable: It cannot be read, or holds what is none of its lines.
        """
        ...


class ErasureFiles(Protocol):
    """Files beside the database: exports and logs."""

    def rewrite(self, export: Exported) -> tuple[str | None, str]:
        """Take items out of an export that is still as it was written.

        Returns:
            The file's new digest, None when it was left alone; and why, empty when it was not.
        """
        ...

    def traces(self, files: Iterable[Path], eraser: ValueEraser) -> Sequence[Trace]:
        """Search files for values, in their raw bytes."""
        ...

    def beside(self) -> Sequence[Path]:
        """Return the files that the app keeps beside its database."""
        ...


MakeEraser = Callable[[Iterable[str]], ValueEraser]
"""Returns what finds some values."""
