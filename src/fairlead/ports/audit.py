"""Checkpoints of the event log: where they are kept, who signs them, and who reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from fairlead.core.audit import Anchor, Checkpoint, Head
from fairlead.core.event import Event


class Signer(Protocol):
    """Holds a private key."""

    @property
    def key(self) -> str:
        """Which key it is."""
        ...

    def sign(self, message: bytes) -> str:
        """Return a signature."""
        ...


class Verifier(Protocol):
    """Holds public keys."""

    @property
    def keys(self) -> frozenset[str]:
        """Which keys they are."""
        ...

    def verifies(self, key: str, message: bytes, signature: str) -> bool:
        """Whether a message was signed with one of the keys."""
        ...


@dataclass(frozen=True, kw_only=True)
class ExportScope:
    """Which chains are to be read.

    Attributes:
        run_id: Only of this run, with its release; None for all.
        since: Only chains with an event of this time or later, in seconds since 1970, UTC.
        until: Only chains with an event of this time or earlier.
        tenant: Without the chains of other tenants' runs; None for all.
    """

    run_id: str | None = None
    since: float = 0.0
    until: float = 1e12
    tenant: str | None = None


class AuditView(Protocol):
    """The event log and its checkpoints at one moment, whoever writes meanwhile."""

    def checkpoints(self) -> Iterator[Checkpoint]:
        """Yield all checkpoints, by number."""
        ...

    def heads(self, number: int) -> Iterator[tuple[int, Head]]:
        """Yield the heads of a checkpoint with their positions, in order."""
        ...

    def chains(
        self, wanted: ExportScope | None = None
    ) -> Iterator[tuple[str, Iterator[tuple[Event, Anchor | None]]]]:
        """Yield chains, and their events in order; the events must be read chain by chain."""
        ...

    def missing(self) -> Iterator[Anchor]:
        """Yield heads that name an event which is not there."""
        ...

    def written(self, file_id: str) -> int | None:
        """Return which checkpoint a file is known to have; None when the file is not known."""
        ...


class AuditStore(Protocol):
    """Keeps checkpoints."""

    def checkpoint(self, signer: Signer, *, every_s: float, empty: bool) -> Checkpoint | None:
        """Make the next checkpoint.

        Args:
            signer: Signs it.
            every_s: Seconds that must have passed since the one before, whoever made it.
            empty: Make it even when no chain grew.

        Returns:
            The checkpoint; None when it is not due, or nothing grew.
        """
        ...

    def newest(self) -> Checkpoint | None:
        """Return the newest checkpoint, or None."""
        ...

    def after(self, number: int, most: int) -> Sequence[Checkpoint]:
        """Return checkpoints above a number, in order."""
        ...

    def know(self, file_id: str, where: str) -> None:
        """Remember a file, before it is made."""
        ...

    def knows(self, file_id: str) -> bool:
        """Whether a file is one that this database had made."""
        ...

    def wrote(self, file_id: str, number: int) -> None:
        """Remember which checkpoint a file has."""
        ...

    def view(self) -> AbstractContextManager[AuditView]:
        """Open a view of one moment."""
        ...


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a checkpoint file.

    Attributes:
        number: Which line, from 1.
        end: Where it ends in the file, in bytes.
        checkpoint: What stands there; None when it is no checkpoint.
    """

    number: int
    end: int
    checkpoint: Checkpoint | None


class CheckpointFile(Protocol):
    """Checkpoints outside of the database, one below the other."""

    @property
    def where(self) -> str:
        """Its path."""
        ...

    def id(self) -> str | None:
        """Return the file's id; None when it is not there, or is no checkpoint file."""
        ...

    def make(self, file_id: str) -> None:
        """Make the file; one that is there stays."""
        ...

    def extend(self, after: Callable[[int], Sequence[Checkpoint]]) -> int:
        """Append what it does not have, durably; one process at a time.

        Args:
            after: Returns further checkpoints above a number, or nothing.

        Returns:
            The number of its last checkpoint, or 0.
        """
        ...

    def size(self) -> int:
        """Return how long it is, in bytes; 0 when it is not there."""
        ...

    def lines(self, size: int) -> Iterator[Line]:
        """Yield its lines below the first one, up to a size."""
        ...
