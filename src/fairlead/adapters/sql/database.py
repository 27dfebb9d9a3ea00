"""Opens the database: pragmas, migrations, transactions."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import NullPool

from fairlead.adapters.sql.faults import translated
from fairlead.core.errors import StoreReadOnly, StoreTooNew, StoreUnavailable

SCHEMA_VERSION = "0001"
"""The newest migration; a database with a version that is unknown here is refused."""


class Database:
    """One SQLite database in WAL mode, with our tables at the newest version.

    Readers do not wait for writers. A writing transaction takes the write lock when it begins, so
    that what it reads cannot change before it writes.
    """

    def __init__(
        self, url: str, *, busy_timeout_s: float = 30.0, synchronous: str = "full"
    ) -> None:
        """Open the database, create it when it is not there, and bring it up to date.

        Args:
            url: `sqlite:///PATH`.
            busy_timeout_s: Seconds to wait for a lock of another process.
            synchronous: `full` or `normal`; see the setting `database.synchronous`.

        Raises:
            FairleadError: FL-200 to FL-205, with what is wrong and what to do.
        """
        self.url = url
        self.path = Path(url.removeprefix("sqlite:///"))
        self._busy_timeout_ms = int(busy_timeout_s * 1000)
        self._synchronous = synchronous
        self._make_folder()
        self.engine = self.make_engine()
        with translated(str(self.path)):
            self._migrate()
        self._file = _identity(self.path)

    def make_engine(self, *, immediate: bool = True) -> sa.Engine:
        """Return an engine on this database with our pragmas.

        Args:
            immediate: True for our own transactions; False leaves the driver's transaction control
                as it is, for a library that sets its own.
        """
        engine = sa.create_engine(self.url, pool_size=20, pool_timeout=30)
        event.listen(engine, "connect", self._connect(immediate))
        if immediate:
            event.listen(engine, "begin", _begin)
        return engine

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Open a writing transaction; it commits when the block ends and rolls back on an error.

        Raises:
            StoreUnavailable: The file was moved or deleted: what is written would reach nobody.
        """
        if _identity(self.path) != self._file:
            message = f"the database {self.path} was moved or deleted while it was open"
            raise StoreUnavailable(message, database=str(self.path))
        with (
            translated(str(self.path)),
            self.engine.connect().execution_options(fairlead_write=True) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Open a reading transaction on one consistent view."""
        with translated(str(self.path)), self.engine.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _make_folder(self) -> None:
        folder = self.path.parent
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
        if self.path.is_dir():
            raise StoreUnavailable(f"the database {self.path} is a folder", database=str(self.path))

    def _connect(self, immediate: bool) -> Any:
        def configure(connection: Any, _: object) -> None:
            if sqlite3.sqlite_version_info < (3, 42):
                # The engine asks for milliseconds by `unixepoch('subsec')` from Python 3.12 on,
                # which an older SQLite answers with NULL.
                connection.create_function("unixepoch", 1, _unixepoch)
            if immediate:
                connection.isolation_level = None
            for pragma in (
                f"busy_timeout={self._busy_timeout_ms}",
                "journal_mode=WAL",
                f"synchronous={self._synchronous}",
                "foreign_keys=ON",
            ):
                connection.execute(f"PRAGMA {pragma}")

        return configure

    def _migrate(self) -> None:
        version = self._version()
        if version == SCHEMA_VERSION:
            return
        # Alembic takes a fifth of a second to import: only when there is something to do.
        from fairlead.adapters.sql.migrations import known_versions, upgrade

        if version is not None and version not in known_versions():
            raise StoreTooNew(
                f"the database {self.path} has schema {version}; this version knows up to "
                f"{SCHEMA_VERSION}",
                database=str(self.path),
            )
        upgrade(self.engine)

    def _version(self) -> str | None:
        engine = sa.create_engine(self.url, poolclass=NullPool)
        event.listen(engine, "connect", self._connect(True))
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        return None if found is None else str(found)


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


def _begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("fairlead_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
