"""Backup and restore of the whole store: what a file of it offers, and what a database does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from fairlead.core.backup import Content, Kind, Manifest

Store_co = TypeVar("Store_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Written:
    """A backup that was written.

    Attributes:
        file: Where it is.
        bytes: Its size.
        digest: SHA-256 of the whole file, as `sha256sum` gives it.
        manifest: What it is.
    """

    file: Path
    bytes: int
    digest: str
    manifest: Manifest


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What stands where a store is to be restored.

    Attributes:
        there: Whether there is anything.
        readable: Whether it can be opened as a database.
        runs: Its runs.
        alive: Those of them that have not ended.
        events: Its events.
        workers: Workers whose lease holds.
    """

    there: bool = False
    readable: bool = True
    runs: int = 0
    alive: int = 0
    events: int = 0
    workers: int = 0


class PartSink(Protocol):
    """Takes the parts of a backup that is written."""

    def part(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Return where one part is written to, until the block ends; one at a time."""
        ...


class PartSource(Protocol):
    """Gives the parts of a backup, whose digests were checked before.

    Attributes:
        manifest: What it is.
        digest: SHA-256 of the whole file.
    """

    @property
    def manifest(self) -> Manifest: ...

    @property
    def digest(self) -> str: ...

    def part(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Return one part to read.

        Raises:
            BackupDamaged: There is none of that name.
        """
        ...


class StoreSnapshot(Protocol):
    """Reads a whole store as it is at one moment, while others write."""

    def save(self, sink: PartSink, scratch: Path) -> Content:
        """Write the store's parts.

        Args:
            sink: Where they go.
            scratch: A folder that is removed afterwards.

        Returns:
            What the store held at that moment.
        """
        ...


class StoreRestore(Protocol[Store_co]):
    """Puts a backup in the place of a store, all of it or nothing.

    Attributes:
        kind: The kind of database.
        where: The place, for messages.
        scratch: A folder that it needs beside the store; None when it needs none.
    """

    @property
    def kind(self) -> Kind: ...

    @property
    def where(self) -> str: ...

    @property
    def scratch(self) -> Path | None: ...

    def standing(self, lease_s: float) -> Standing:
        """Say what stands there now.

        Args:
            lease_s: Seconds for which a worker's lease holds.
        """
        ...

    def staged(self, source: PartSource, scratch: Path) -> AbstractContextManager[Staged[Store_co]]:
        """Yield the restored store before it counts; when the block ends without an error it does.

        Args:
            source: The backup.
            scratch: The folder beside the store.

        Raises:
            RestoreUnsound: It does not hold what the manifest says.
        """
        ...

    def scratch_place(self, folder: Path) -> AbstractContextManager[StoreRestore[Store_co]]:
        """Yield the same for an empty place that is removed when the block ends.

        Args:
            folder: A folder that is removed afterwards.
        """
        ...


class Staged(Protocol[Store_co]):
    """A restored store that does not count yet.

    Attributes:
        database: It, open; its transactions reach nobody else before it is put in place.
        aside: Where what stands there now is kept; None when nothing is.
    """

    @property
    def database(self) -> Store_co: ...

    @property
    def aside(self) -> str | None: ...

    def standing(self, lease_s: float) -> Standing:
        """Say what stands in it.

        Args:
            lease_s: Seconds for which a worker's lease holds.
        """
        ...

    def unsound(self) -> Iterator[str]:
        """Yield what does not hold: payloads that are not what their names say, and so on."""
        ...


class BackupFiles(Protocol):
    """Writes and reads the files of backups."""

    def scratch(self, folder: Path) -> AbstractContextManager[Path]:
        """Make a folder that only this process uses and that is removed when the block ends.

        Args:
            folder: Where; what a process that was killed left there is removed.
        """
        ...

    def write(self, file: Path, *, force: bool) -> AbstractContextManager[BackupSink]:
        """Write a backup; it stands under its name when the block ends, or not at all.

        Args:
            file: Its name.
            force: Overwrite what is there.

        Raises:
            BackupExists: There is a file.
            BackupUnwritable: It cannot be written.
        """
        ...

    def read(self, file: Path) -> AbstractContextManager[PartSource]:
        """Read a backup, after every digest in it was checked.

        Raises:
            BackupUnreadable: It cannot be read.
            BackupForeign: It is no backup.
            BackupDamaged: It is not what was written.
            BackupTooNew: Its format is not known here.
        """
        ...


class BackupSink(PartSink, Protocol):
    """A backup that is written.

    Attributes:
        folder: A folder that is removed afterwards.
    """

    @property
    def folder(self) -> Path: ...

    def seal(self, content: Content, *, fairlead: str, made_at: float) -> Written:
        """Write the manifest, and put the file under its name.

        Args:
            content: What the store held.
            fairlead: The version that writes it.
            made_at: Seconds since 1970, UTC.
        """
        ...
