"""Databases that the suite can take away for a while."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fairlead.testing.postgres import PostgresServer

LOCK_S_MAX = 30.0
"""Seconds to wait for the lock that shuts everybody else out."""


class DatabaseUnderTest(Protocol):
    """A fresh database for one test."""

    @property
    def url(self) -> str:
        """Its address, as the setting `database.url` takes it."""
        ...

    def outage(self) -> AbstractContextManager[None]:
        """Return a block within which nobody can write; connections may be cut off."""
        ...


@dataclass(frozen=True)
class SqliteDatabase:
    """An SQLite file.

    Attributes:
        path: The file; it need not be there yet.
    """

    path: Path

    @property
    def url(self) -> str:
        """Its address."""
        return f"sqlite:///{self.path}"

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Hold the lock for writing: a file has no server that could be restarted."""
        made = sqlite3.connect(self.path, timeout=LOCK_S_MAX, isolation_level=None)
        with closing(made) as holder:
            holder.execute("BEGIN EXCLUSIVE")
            yield
            holder.execute("ROLLBACK")


@dataclass(frozen=True)
class PostgresDatabase:
    """A database on a PostgreSQL server of the test's own.

    Attributes:
        server: The server; it must keep fsync on, for it is killed.
        url: The database's address on it.
    """

    server: PostgresServer
    url: str

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Kill the server, and start it again on its data."""
        self.server.kill()
        try:
            yield
        finally:
            self.server.start()
