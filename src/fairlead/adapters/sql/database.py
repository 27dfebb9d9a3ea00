"""Opens the database, whichever it is: migrations, transactions, its clock."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import sqlalchemy as sa

from fairlead.adapters.sql.faults import translated
from fairlead.adapters.sql.postgres import PREFIXES, PostgresServer
from fairlead.adapters.sql.sqlite import SqliteServer
from fairlead.core.errors import StoreTooNew

SCHEMA_VERSION = "0019"
"""The newest migration; a database with a version that is unknown here is refused."""


_KEY = sa.cast(sa.bindparam("key", type_=sa.BigInteger), sa.BigInteger)
_LOCK = sa.select(sa.func.pg_advisory_xact_lock(_KEY))
_SHARED_LOCK = sa.select(sa.func.pg_advisory_xact_lock_shared(_KEY))


class _Server(Protocol):
    """What each kind of database does in its own way; see `sqlite.py` and `postgres.py`."""

    url: str
    where: str

    @property
    def writing(self) -> Mapping[str, Any]: ...

    @property
    def reading(self) -> Mapping[str, Any]: ...

    @property
    def glance(self) -> Mapping[str, Any]: ...

    def engine(self, *, own: bool) -> sa.Engine: ...

    def opened(self, connection: sa.Connection) -> None: ...

    def begin(self, connection: sa.Connection, *, write: bool) -> None: ...

    def check(self) -> None: ...

    def now_sql(self) -> sa.ColumnElement[float]: ...


class Database:
    """One database, with our tables at the newest version: an SQLite file, or PostgreSQL.

    Attributes:
        url: Where it is, for SQLAlchemy; it may hold a password, so it is never shown.
        where: Where it is, for messages; it holds none.
        engine: Connections for our own transactions.
    """

    def __init__(
        self, url: str, *, busy_timeout_s: float = 30.0, synchronous: str = "full"
    ) -> None:
        """Open the database and bring it up to date; an SQLite file is made when it is not there.

        Args:
            url: `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/DATABASE`.
            busy_timeout_s: Seconds to wait for a lock of another process.
            synchronous: `full` or `normal`; see the setting `database.synchronous`.

        Raises:
            FairleadError: FL-200 to FL-205, with what is wrong and what to do.
        """
        self._server: _Server
        if url.startswith(PREFIXES):
            self._server = PostgresServer(url, busy_timeout_s=busy_timeout_s)
        else:
            self._server = SqliteServer(url, busy_timeout_s=busy_timeout_s, synchronous=synchronous)
        self.url, self.where = self._server.url, self._server.where
        self.engine = self.make_engine()
        self._held = threading.local()
        try:
            with translated(self.where):
                self._migrate()
        except BaseException:
            self.close()
            raise

    def make_engine(self, *, immediate: bool = True) -> sa.Engine:
        """Return an engine on this database with our pragmas or time limits.

        Args:
            immediate: True for our own transactions; False leaves the driver's transaction control
                as it is, for a library that sets its own.
        """
        return self._server.engine(own=immediate)

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Open a writing transaction; it commits when the block ends and rolls back on an error.

        Raises:
            StoreUnavailable: The database went away: what is written would reach nobody.
        """
        self._server.check()
        with (
            translated(self.where),
            self.engine.connect().execution_options(**self._server.writing) as connection,
            connection.begin(),
        ):
            self._server.begin(connection, write=True)
            before, self._held.connection = self._own(), connection
            try:
                yield connection
            finally:
                self._held.connection = before

    def _own(self) -> sa.Connection | None:
        """Return the connection of this thread's writing transaction; None when it has none."""
        own: sa.Connection | None = getattr(self._held, "connection", None)
        return own

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Open a reading transaction on one consistent view.

        Within a writing transaction of the same thread it is that one: it sees what was written,
        and whoever holds locks waits for no second connection, which those may have who wait for
        the locks.
        """
        own = self._own()
        if own is not None:
            yield own
            return
        with (
            translated(self.where),
            self.engine.connect().execution_options(**self._server.reading) as connection,
            connection.begin(),
        ):
            self._server.begin(connection, write=False)
            yield connection

    @contextmanager
    def glance(self) -> Iterator[sa.Connection]:
        """Open a connection for reads that each see what is committed at their own moment.

        For a read of one row, or of what does not change any more: on PostgreSQL it costs a third
        of `reading`, which begins and ends a transaction. Within a writing transaction of the same
        thread it is that one.
        """
        own = self._own()
        if own is not None:
            yield own
            return
        with (
            translated(self.where),
            self.engine.connect().execution_options(**self._server.glance) as connection,
        ):
            yield connection

    def now_sql(self) -> sa.ColumnElement[float]:
        """Return an SQL expression for the database's own clock, in seconds since 1970.

        It is the one clock that all workers share. It runs on within a transaction.
        """
        return self._server.now_sql()

    def clock(self) -> float:
        """Ask the database for its time, in seconds since 1970."""
        with self.reading() as connection:
            return float(connection.execute(sa.select(self.now_sql())).scalar_one())

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _migrate(self) -> None:
        version = self._version()
        if version == SCHEMA_VERSION:
            return
        # Alembic takes a fifth of a second to import: only when there is something to do.
        from fairlead.adapters.sql.migrations import known_versions, upgrade

        if version is not None and version not in known_versions():
            raise StoreTooNew(
                f"the database {self.where} has schema {version}; this version knows up to "
                f"{SCHEMA_VERSION}",
                database=self.where,
            )
        with self.transaction() as connection:
            serialize(connection, "migrations")
            upgrade(connection)

    def _version(self) -> str | None:
        with self.engine.connect() as connection:
            self._server.opened(connection)
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        return None if found is None else str(found)


def serialize(connection: sa.Connection, *names: str) -> None:
    """Let one writing transaction at a time go on under each of the names, until it ends.

    Whoever reads the newest row in order to write the next one takes such a lock before it reads.
    SQLite has one writer anyway, so nothing is done there.

    Args:
        connection: A writing transaction.
        names: What is written, such as a chain. They are locked in one order, whoever asks.
    """
    if connection.dialect.name != "postgresql":
        return
    keys = [_key(name) for name in sorted(set(names))]
    if len(keys) == 1:
        connection.execute(_LOCK, {"key": keys[0]})
    elif keys:
        # In the order of the list: a set that is returned row by row is not sorted anew.
        listed = sa.func.unnest(sa.cast(keys, sa.ARRAY(sa.BigInteger))).column_valued("key")
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(listed)))


def share(connection: sa.Connection, name: str) -> None:
    """Let no `serialize` under a name go on until the writing transaction ends.

    Any number of transactions share a name. Whoever serializes is before all that ask later, so
    a steady stream of them holds nobody up: locks of rows make no such promise.

    Args:
        connection: A writing transaction.
        name: What must stay as it is.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_SHARED_LOCK, {"key": _key(name)})


def _key(name: str) -> int:
    digest = hashlib.sha256(f"fairlead:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
