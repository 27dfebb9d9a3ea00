"""Backup and restore of a PostgreSQL database: one COPY for each table, and no other program."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa

from fairlead.adapters.sql.backup import (
    ENGINE,
    broken_payloads,
    content_of,
    engines,
    in_order,
    known,
    ours,
    quoted,
    same_as,
    standing_of,
)
from fairlead.adapters.sql.copying import driver_cursor
from fairlead.adapters.sql.database import Database, serialize
from fairlead.adapters.sql.faults import translated
from fairlead.adapters.sql.memory_pgvector import VECTORS, make_table
from fairlead.adapters.sql.migrations import upgrade
from fairlead.adapters.sql.postgres import PostgresServer
from fairlead.core.backup import Content, Kind, Manifest
from fairlead.core.errors import (
    BackupDamaged,
    BackupTooNew,
    ScratchUnavailable,
)
from fairlead.ports.backup import PartSink, PartSource, Standing

SECONDS_MAX = 6 * 3600
"""For one statement of a backup or a restore: a table of a thousand million rows takes an hour."""

_DRILL = "fairlead_drill_"
_FUNCTIONS = "fairlead\\_"
"""How the names of our functions begin, as a pattern."""
_CHUNK = 1_048_576


class PostgresSnapshot:
    """Reads a whole store in one transaction that sees one moment, while others write."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, sink: PartSink, scratch: Path) -> Content:  # noqa: ARG002 - no copy is needed
        """Write the store's parts."""
        with self._database.reading() as connection:
            _unhurried(connection)
            content = content_of(connection)
            for name in content.tables:
                with sink.part(f"tables/{name}") as out:
                    _copy_out(connection, name, out)
        return content


class BoundDatabase(Database):
    """A database of which every transaction is a part of one that has not ended yet."""

    def __init__(self, connection: sa.Connection, server: PostgresServer) -> None:
        self._server = server
        self.url, self.where = server.url, server.where
        self.engine = connection.engine
        self._connection = connection

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Open a part of the transaction; on an error this part is taken back."""
        with translated(self.where), self._connection.begin_nested():
            yield self._connection

    reading = transaction
    glance = transaction

    def close(self) -> None:
        """Do nothing: it is not ours to close."""


@dataclass(frozen=True, kw_only=True)
class PostgresStaged:
    """A restored store that does not count yet.

    Attributes:
        database: It, within the transaction that restores it.
        aside: None: what stood there is gone when the transaction ends.
    """

    database: Database
    aside: str | None = None

    def standing(self, lease_s: float) -> Standing:
        """Say what stands in it."""
        with self.database.reading() as connection:
            return standing_of(connection, self.database.now_sql(), lease_s)

    def unsound(self) -> Iterator[str]:
        """Yield what does not hold; the server itself has checked what rows refer to."""
        with self.database.reading() as connection:
            yield from broken_payloads(connection)


class PostgresRestore:
    """Puts a backup in the place of a store, in one transaction.

    Attributes:
        kind: The kind of database.
        where: The place, for messages.
        scratch: None: the server needs no folder of ours.
    """

    kind: Kind = "postgresql"
    scratch: Path | None = None

    def __init__(self, url: str, *, busy_timeout_s: float, prepare: Callable[[str], None]) -> None:
        """Remember where the database is.

        Args:
            url: Its address.
            busy_timeout_s: Seconds to wait for a lock of another process.
            prepare: Makes our tables and the engine's in the database of an address.
        """
        self._server = PostgresServer(url, busy_timeout_s=busy_timeout_s)
        self._busy_timeout_s, self._prepare = busy_timeout_s, prepare
        self.where = self._server.where

    def standing(self, lease_s: float) -> Standing:
        """Say what stands there now."""
        with self._connected() as connection:
            return standing_of(connection, self._server.now_sql(), lease_s)

    @contextmanager
    def staged(
        self,
        source: PartSource,
        scratch: Path,  # noqa: ARG002 - the server has its own place
    ) -> Iterator[PostgresStaged]:
        """Yield the restored store; when the block ends without an error it is put in place."""
        known(source.manifest)
        self._prepare(self._server.url)
        with self._connected() as connection:
            _unhurried(connection)
            serialize(connection, "migrations")
            _empty(connection, source.manifest)
            _load(connection, source)
            same_as(source.manifest, connection)
            upgrade(connection)
            yield PostgresStaged(database=BoundDatabase(connection, self._server))

    @contextmanager
    def scratch_place(self, folder: Path) -> Iterator[PostgresRestore]:  # noqa: ARG002 - as above
        """Yield the same for an empty database that is dropped when the block ends."""
        name = f"{_DRILL}{uuid.uuid4().hex[:12]}"
        here = sa.make_url(self._server.url)
        engine = self._server.engine(own=True).execution_options(isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                _drop_left(connection)
                connection.exec_driver_sql(
                    f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"
                )
        except sa.exc.DBAPIError as error:
            engine.dispose()
            message = f"{self.where} makes no scratch database: {error.orig}"
            raise ScratchUnavailable(message, database=self.where) from error
        url = here.set(database=name).render_as_string(hide_password=False)
        place = PostgresRestore(url, busy_timeout_s=self._busy_timeout_s, prepare=self._prepare)
        guard = place._server.engine(own=True)
        try:
            # While somebody is connected, no other drill takes it for a left one.
            with guard.execution_options(isolation_level="AUTOCOMMIT").connect():
                yield place
        finally:
            guard.dispose()
            with engine.connect() as connection:
                connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            engine.dispose()

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        engine = self._server.engine(own=True)
        try:
            with (
                translated(self.where),
                engine.connect().execution_options(**self._server.writing) as connection,
                connection.begin(),
            ):
                yield connection
        finally:
            engine.dispose()


def _drop_left(connection: sa.Connection) -> None:
    """Remove what drills that were killed left behind."""
    query = f"SELECT datname FROM pg_database WHERE datname LIKE '{_DRILL}%%'"
    for name in connection.exec_driver_sql(query).scalars().all():
        with suppress(sa.exc.DBAPIError):  # somebody is connected: that drill goes on
            connection.exec_driver_sql(f"DROP DATABASE {name}")


def _unhurried(connection: sa.Connection) -> None:
    """Let one transaction take its time; how long it waits for a lock stays as it is."""
    for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
        connection.exec_driver_sql(f"SET LOCAL {name} = '{SECONDS_MAX}s'")


def _empty(connection: sa.Connection, manifest: Manifest) -> None:
    """Make our tables anew, as they were when the backup was made, and empty the engine's."""
    there = ", ".join(quoted(connection, name) for name in ours(connection))
    if there:
        connection.exec_driver_sql(f"DROP TABLE {there}")
    functions = connection.exec_driver_sql(
        "SELECT CAST(p.oid AS regprocedure) FROM pg_proc p JOIN pg_namespace n "
        "ON n.oid = p.pronamespace WHERE n.nspname = current_schema() AND proname LIKE %s",
        (f"{_FUNCTIONS}%",),
    )
    for function in functions.scalars().all():
        connection.exec_driver_sql(f"DROP FUNCTION {function}")
    upgrade(connection, manifest.content.schema)
    if VECTORS in manifest.content.tables:
        make_table(connection)
    migrations = sa.table("dbos_migrations", sa.column("version"), schema=ENGINE)
    version = connection.execute(sa.select(sa.func.max(migrations.c.version))).scalar_one()
    if version != manifest.content.engine:
        # The engine's migrations also move rows, and cannot be a part of this transaction.
        raise BackupTooNew(
            f"the backup's engine has version {manifest.content.engine} and this one {version}; "
            f"Fairlead {manifest.fairlead} wrote the backup"
        )
    filled = [*ours(connection), *(f"{ENGINE}.{name}" for name in engines(connection))]
    listed = ", ".join(quoted(connection, name) for name in filled)
    connection.exec_driver_sql(f"TRUNCATE {listed}")


def _load(connection: sa.Connection, source: PartSource) -> None:
    content = source.manifest.content
    names = in_order(connection, [*content.tables])
    if len(names) != len(content.tables):
        lost = ", ".join(sorted({*content.tables} - {*names})[:5])
        raise BackupDamaged(f"the backup has tables that schema {content.schema} has not: {lost}")
    for name in names:
        with source.part(f"tables/{name}") as part:
            _copy_in(connection, name, part)
    for name, value in content.sequences.items():
        connection.exec_driver_sql("SELECT setval(%s, %s)", (quoted(connection, name), value))


def _columns(connection: sa.Connection, name: str) -> list[str]:
    """Return a table's columns without those that the server computes."""
    found = connection.exec_driver_sql(
        "SELECT attname FROM pg_attribute WHERE attrelid = CAST(%s AS regclass) AND attnum > 0 "
        "AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
        (quoted(connection, name),),
    )
    return [str(column) for column in found.scalars()]


def _copy_out(connection: sa.Connection, name: str, out: BinaryIO) -> None:
    """Write a table: the names of its columns on the first line, then its rows."""
    columns = _columns(connection, name)
    out.write("\t".join(columns).encode() + b"\n")
    listed = ", ".join(quoted(connection, column) for column in columns)
    held, size = [], 0
    with (
        driver_cursor(connection) as cursor,
        cursor.copy(f"COPY {quoted(connection, name)} ({listed}) TO STDOUT") as copy,
    ):
        # The driver gives row by row.
        for data in copy:
            held.append(bytes(data))
            size += len(data)
            if size >= _CHUNK:
                out.write(b"".join(held))
                held, size = [], 0
    out.write(b"".join(held))


def _copy_in(connection: sa.Connection, name: str, part: BinaryIO) -> None:
    first = part.read(_CHUNK)
    head, _, data = first.partition(b"\n")
    columns = head.decode(errors="replace").split("\t")
    unknown = {*columns} - {*_columns(connection, name)}
    if unknown:
        raise BackupDamaged(f"table {name} of the backup has columns that it has not here")
    listed = ", ".join(quoted(connection, column) for column in columns)
    with (
        driver_cursor(connection) as cursor,
        cursor.copy(f"COPY {quoted(connection, name)} ({listed}) FROM STDIN") as copy,
    ):
        while data or (data := part.read(_CHUNK)):
            copy.write(data)
            data = b""
