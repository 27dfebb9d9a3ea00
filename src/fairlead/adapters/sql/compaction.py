"""Has the database let go of what was removed: a row that is deleted still stands in its file."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.core.errors import FairleadError, StoreLocked

READERS_WAIT_S = 30.0
"""Seconds to wait for whoever still reads what was removed."""

VACUUM_WAIT_S = 3_600
"""Seconds that PostgreSQL may take to write one table anew."""

_INDEXES = ("memories_fts", "passages_fts")
_FILES_MAX = 100_000


def compact(database: Database, beat: Callable[[], None] = lambda: None) -> Sequence[str]:
    """Write the database anew without what was removed.

    Args:
        database: The database.
        beat: Is called now and then.

    Returns:
        What could not be done, in words.

    Raises:
        StoreLocked: Somebody holds it; nothing is lost by trying again.
        StoreFull: There is no room for a second copy.
    """
    server = database.engine.dialect.name == "postgresql"
    return _compact_server(database, beat) if server else _compact_file(database)


def _compact_file(database: Database) -> Sequence[str]:
    with database.transaction() as connection:
        for name in _INDEXES:
            # A word that is deleted stays in the index until its parts are merged.
            connection.exec_driver_sql(f"INSERT INTO {name} ({name}) VALUES ('optimize')")
    with database.glance() as connection:
        connection.exec_driver_sql("VACUUM")
        until = time.monotonic() + READERS_WAIT_S
        while connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]:
            if time.monotonic() > until:
                raise StoreLocked(
                    f"the log of {database.where} cannot be emptied: somebody reads from it",
                    database=database.where,
                )
            time.sleep(0.05)
    return ()


def _compact_server(database: Database, beat: Callable[[], None]) -> Sequence[str]:
    left = []
    with database.glance() as connection:
        _wait_for_readers(database, connection)
        connection.exec_driver_sql(f"SET statement_timeout = '{VACUUM_WAIT_S}s'")
        try:
            for schema, name in connection.execute(_TABLES).all():
                beat()
                connection.exec_driver_sql(f'VACUUM (FULL, ANALYZE) "{schema}"."{name}"')
            # The planner keeps samples of what columns hold.
            connection.exec_driver_sql("VACUUM (FULL) pg_catalog.pg_statistic")
        finally:
            connection.exec_driver_sql("RESET statement_timeout")
    try:
        with database.glance() as connection:
            connection.exec_driver_sql("CHECKPOINT")
    except FairleadError:
        left.append("the server's next checkpoint removes the old files: this role may not ask")
    return left


def _wait_for_readers(database: Database, connection: sa.Connection) -> None:
    """Wait for every transaction that may still see what was removed: it would be copied."""
    now = connection.exec_driver_sql("SELECT CAST(pg_current_xact_id() AS text)").scalar_one()
    until = time.monotonic() + READERS_WAIT_S
    while connection.execute(_OLDER, {"now": now}).scalar_one():
        if time.monotonic() > until:
            raise StoreLocked(
                f"old rows of {database.where} cannot be removed: a transaction still reads them",
                database=database.where,
            )
        time.sleep(0.05)


# What is older has a larger age; `xid` is the lower half of the number.
_OLDER = sa.text(
    "SELECT count(*) FROM pg_stat_activity AS other, "
    "(SELECT CAST(CAST(:now AS xid8) AS xid) AS at) AS own "
    "WHERE other.datname = current_database() AND other.pid <> pg_backend_pid() "
    "AND (age(other.backend_xmin) > age(own.at) OR age(other.backend_xid) > age(own.at))"
)
_TABLES = sa.text(
    "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN (current_schema(), 'dbos') "
    "AND tableowner = current_user ORDER BY 1, 2"
)


def files_of(database: Database) -> Sequence[Path]:
    """Return the files of a database that can be read here; none for a server that is elsewhere.

    Args:
        database: The database.
    """
    if database.engine.dialect.name != "postgresql":
        return [Path(database.where + end) for end in ("", "-wal", "-shm")]
    try:
        with database.glance() as connection:
            folder = connection.exec_driver_sql("SHOW data_directory").scalar_one()
            number = connection.exec_driver_sql(
                "SELECT oid FROM pg_database WHERE datname = current_database()"
            ).scalar_one()
    except FairleadError:
        return []
    base = Path(folder) / "base" / str(number)
    try:
        files = sorted(path for path in base.iterdir() if path.is_file())
    except OSError:
        return []
    return files[:_FILES_MAX]
