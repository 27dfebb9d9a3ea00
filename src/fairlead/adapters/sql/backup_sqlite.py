"""Backup and restore of an SQLite file."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from fairlead.adapters.sql.backup import broken_payloads, content_of, known, same_as, standing_of
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.faults import translated
from fairlead.adapters.sql.sqlite import PREFIX, SqliteServer
from fairlead.core.backup import Content, Kind
from fairlead.core.errors import (
    BackupUnwritable,
    StoreCorrupt,
    StoreFull,
    StoreLocked,
    StoreUnavailable,
)
from fairlead.ports.backup import PartSink, PartSource, Standing

PART = "store.sqlite"
_CHUNK = 1_048_576
_FOUND_MAX = 20
"""Lines that SQLite's own check may say."""


class SqliteSnapshot:
    """Reads a whole file as it is at one moment, while others write."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, sink: PartSink, scratch: Path) -> Content:
        """Write the store's parts.

        What was deleted stays in the pages of a database's file until they are used again. A copy
        by `VACUUM INTO` has none of it, so what was erased is not in a backup that is made later.
        """
        copy = scratch / "store"
        _make(copy)
        with translated(self._database.where), self._database.engine.connect() as connection:
            try:
                connection.exec_driver_sql("VACUUM INTO ?", (str(copy),))
            except sa.exc.OperationalError as error:
                # It may be either of the two that has no room; only the copy was written.
                raise BackupUnwritable(f"{scratch} cannot be written: {error.orig}") from error
        with _opened(copy) as connection:
            content = content_of(connection)
        with sink.part(PART) as out, copy.open("rb") as file:
            while data := file.read(_CHUNK):
                out.write(data)
        return content


@dataclass(frozen=True, kw_only=True)
class SqliteStaged:
    """A restored store that does not count yet.

    Attributes:
        database: It, open.
        aside: Where what stands there now is kept; None when nothing is.
    """

    database: Database
    aside: str | None

    def standing(self, lease_s: float) -> Standing:
        """Say what stands in it."""
        with self.database.reading() as connection:
            return standing_of(connection, self.database.now_sql(), lease_s)

    def unsound(self) -> Iterator[str]:
        """Yield what does not hold."""
        with self.database.reading() as connection:
            found = connection.exec_driver_sql(f"PRAGMA integrity_check({_FOUND_MAX})").scalars()
            yield from (f"SQLite finds: {one}" for one in found if one != "ok")
            for row in connection.exec_driver_sql("PRAGMA foreign_key_check"):
                yield f"a row of {row[0]} refers to one of {row[2]} that is not there"
            yield from broken_payloads(connection)


class SqliteRestore:
    """Puts a backup in the place of a file, all of it or nothing.

    Attributes:
        kind: The kind of database.
        where: The place, for messages.
        scratch: A folder beside the store.
    """

    kind: Kind = "sqlite"

    def __init__(self, url: str, *, busy_timeout_s: float, synchronous: str) -> None:
        self._server = SqliteServer(url, busy_timeout_s=busy_timeout_s, synchronous=synchronous)
        self._busy_timeout_s, self._synchronous = busy_timeout_s, synchronous
        self.where = self._server.where
        self._path = Path(self.where)
        self.scratch: Path | None = self._path.with_name(f".{self._path.name}.restoring")

    def standing(self, lease_s: float) -> Standing:
        """Say what stands there now."""
        if not os.path.lexists(self._path):
            return Standing()
        engine = self._server.engine(own=True)
        try:
            with translated(self.where), engine.connect() as connection:
                return standing_of(connection, self._server.now_sql(), lease_s)
        except StoreCorrupt:
            return Standing(there=True, readable=False)
        finally:
            engine.dispose()

    @contextmanager
    def staged(self, source: PartSource, scratch: Path) -> Iterator[SqliteStaged]:
        """Yield the restored store; when the block ends without an error it is put in place."""
        known(source.manifest)
        path = scratch / "store.db"
        try:
            _unpack(source, path)
        except OSError as error:
            raise StoreFull(f"the backup cannot be unpacked into {scratch}: {error}") from error
        with _opened(path) as connection:
            same_as(source.manifest, connection)
        aside = self._aside() if os.path.lexists(self._path) else None
        database = Database(
            f"{PREFIX}{path}", busy_timeout_s=self._busy_timeout_s, synchronous=self._synchronous
        )
        try:
            yield SqliteStaged(database=database, aside=None if aside is None else str(aside))
        finally:
            # The last connection that closes brings the log into the file.
            database.close()
        _sync(path)
        if aside is None:
            self._place(path)
        else:
            self._replace(path, aside, scratch)

    @contextmanager
    def scratch_place(self, folder: Path) -> Iterator[SqliteRestore]:
        """Yield the same for an empty place that is removed when the block ends."""
        yield SqliteRestore(
            f"{PREFIX}{folder}/place/fairlead.db",
            busy_timeout_s=self._busy_timeout_s,
            synchronous=self._synchronous,
        )

    def _aside(self) -> Path:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        return self._path.with_name(f"{self._path.name}.before-restore-{stamp}")

    def _replace(self, path: Path, aside: Path, scratch: Path) -> None:
        """Have the file hold what the restored one does, in one transaction of SQLite.

        A renaming would do for the file, and not for its log: between two renamings a log would
        stand beside a file that it is not of, and SQLite would bring the one into the other.
        Processes that have the file open see the new store at their next transaction.
        """
        kept = scratch / "aside"
        _make(kept)
        try:
            with closing(self._connect(self._path)) as there:
                with closing(sqlite3.connect(kept)) as copy:
                    self._copied(there, copy)
                _sync(kept)
                kept.replace(aside)
                with closing(self._connect(path)) as restored:
                    self._copied(restored, there)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
                raise StoreFull(f"the database {self.where} is full: {error}") from error
            raise StoreUnavailable(f"the database {self.where} failed: {error}") from error
        except sqlite3.DatabaseError:
            # It is no database any more, so there is nothing that a log could be brought into.
            self._move_log(aside)
            with suppress(FileExistsError):
                os.link(self._path, aside)
            path.replace(self._path)
        _sync(self._path.parent)

    def _place(self, path: Path) -> None:
        """Put the restored file where none is."""
        # A log without its file would be taken for the new file's.
        self._move_log(self._aside())
        try:
            os.link(path, self._path)
        except FileExistsError as error:
            message = f"another process made the database {self.where} meanwhile"
            raise StoreLocked(message, database=self.where) from error
        _sync(self._path.parent)

    def _move_log(self, aside: Path) -> None:
        for end in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                self._path.with_name(self._path.name + end).replace(f"{aside}{end}")

    def _connect(self, path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=self._busy_timeout_s, isolation_level=None)
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    def _copied(self, source: sqlite3.Connection, target: sqlite3.Connection) -> None:
        until = time.monotonic() + self._busy_timeout_s

        def waited(status: int, _left: int, _pages: int) -> None:
            busy = status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if busy and time.monotonic() > until:
                message = f"the database {self.where} is held by another process"
                raise StoreLocked(message, database=self.where)

        # All pages in one step: so it is one transaction on both sides.
        source.backup(target, progress=waited)


@contextmanager
def _opened(path: Path) -> Iterator[sa.Connection]:
    """Open a copy as it is: nothing is migrated."""
    engine = sa.create_engine(f"{PREFIX}{path}", poolclass=sa.NullPool)
    try:
        with translated(str(path)), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _unpack(source: PartSource, path: Path) -> None:
    _make(path)
    with path.open("wb") as file, source.part(PART) as part:
        while data := part.read(_CHUNK):
            file.write(data)


def _make(path: Path) -> None:
    """Make an empty file that nobody else can read."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
