"""SQLite's own ways: the file, its pragmas, and who may write."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from fairlead.core.errors import StoreReadOnly, StoreUnavailable
from fairlead.core.text import paired

PREFIX = "sqlite:///"
_POOL_SIZE = 20
_POOL_TIMEOUT_S = 30
_CHECKPOINT_PAGES = 4000
"""Pages of the log after which a writer brings them into the file: one call in 300 pays for it."""


class SqliteServer:
    """One SQLite file in WAL mode.

    Readers do not wait for writers. A writing transaction takes the write lock when it begins, so
    that what it reads cannot change before it writes.

    Attributes:
        url: Where it is, for SQLAlchemy.
        where: Its path, for messages.
        writing: Execution options of a writing transaction.
        reading: Execution options of a reading one: a view that stays as it is.
        glance: Execution options without a transaction.
    """

    writing: Mapping[str, Any] = {}
    reading: Mapping[str, Any] = {}
    glance: Mapping[str, Any] = {}

    def __init__(self, url: str, *, busy_timeout_s: float, synchronous: str) -> None:
        """Remember where the file is; its folder is made when it is not there."""
        self.url = url
        self.where = url.removeprefix(PREFIX)
        self._path = Path(self.where)
        self._busy_timeout_ms = int(busy_timeout_s * 1000)
        self._synchronous = synchronous
        self._file: tuple[int, int] | None = None
        self._make_folder()

    def engine(self, *, own: bool) -> sa.Engine:
        """Return an engine on the file.

        Args:
            own: False leaves the driver's transaction control as it is.
        """
        engine = sa.create_engine(self.url, pool_size=_POOL_SIZE, pool_timeout=_POOL_TIMEOUT_S)
        event.listen(engine, "connect", self._connect(own))
        return engine

    def begin(self, connection: sa.Connection, *, write: bool) -> None:
        """Begin a transaction; a writing one waits for the lock now.

        A listener for `begin` would do it too, and with any listener SQLAlchemy looks for more of
        them around each statement, which takes longer than SQLite takes for most of them.
        """
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    def opened(self, connection: sa.Connection) -> None:
        """Remember which file it is, on the first connection."""
        connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
        self._file = _identity(self._path)

    def check(self) -> None:
        """Refuse to write to a file that was moved or deleted: what is written reaches nobody."""
        if _identity(self._path) != self._file:
            message = f"the database {self.where} was moved or deleted while it was open"
            raise StoreUnavailable(message, database=self.where)

    def now_sql(self) -> sa.ColumnElement[float]:
        """Return the clock of this machine: seconds since 1970 with three decimals at least."""
        return sa.func.unixepoch("subsec", type_=sa.Float)

    def _make_folder(self) -> None:
        folder = self._path.parent
        if not folder.parent.is_dir():
            raise StoreUnavailable(f"the folder {folder} is not there", folder=str(folder))
        try:
            folder.mkdir(exist_ok=True)
        except PermissionError as error:
            raise StoreReadOnly(
                f"the folder {folder} cannot be written", folder=str(folder)
            ) from error
        except OSError as error:
            raise StoreUnavailable(f"the folder {folder} cannot be made: {error}") from error
        if self._path.is_dir():
            raise StoreUnavailable(f"the database {self.where} is a folder", database=self.where)

    def _connect(self, own: bool) -> Any:
        def configure(connection: Any, _: object) -> None:
            if sqlite3.sqlite_version_info < (3, 42):
                # We and the engine ask for milliseconds by `unixepoch('subsec')`, which an older
                # SQLite answers with NULL.
                connection.create_function("unixepoch", 1, _unixepoch)
            # The triggers of the search indexes call it, whoever writes.
            connection.create_function("paired", 1, paired, deterministic=True)
            if own:
                connection.isolation_level = None
            connection.execute(f"PRAGMA busy_timeout={self._busy_timeout_ms}")
            _use_wal(connection, self._busy_timeout_ms / 1000)
            for pragma in (
                f"synchronous={self._synchronous}",
                f"wal_autocheckpoint={_CHECKPOINT_PAGES}",
                "foreign_keys=ON",
                "trusted_schema=ON",
            ):
                connection.execute(f"PRAGMA {pragma}")

        return configure


def _use_wal(connection: sqlite3.Connection, timeout_s: float) -> None:
    """Have a file in WAL mode, which it is in for good once somebody has said so.

    Processes that open a new file at the same time all say so, and SQLite does not wait for a lock
    there as it does everywhere else.
    """
    until = time.monotonic() + timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one at the same path; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _unixepoch(modifier: str) -> float:
    if modifier != "subsec":
        raise ValueError(f"unixepoch({modifier!r}) is not known to this SQLite")
    return time.time()
