"""COPY on PostgreSQL: the fastest way to many rows, through the driver itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from fairlead.core.errors import StoreUnavailable


def copy_rows(
    connection: sa.Connection, table: str, names: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Insert rows.

    Args:
        connection: A writing transaction.
        table: The table.
        names: The columns; each row has a value for each of them, as the server reads it.
        rows: The rows.
    """
    listed = ", ".join(f'"{name}"' for name in names)
    with (
        driver_cursor(connection) as cursor,
        cursor.copy(f"COPY {table} ({listed}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row([row[name] for name in names])


@contextmanager
def driver_cursor(connection: sa.Connection) -> Iterator[Any]:
    """Yield the driver's own cursor, whose errors are told as ours are."""
    import psycopg

    driver = connection.connection.driver_connection
    if driver is None:
        raise StoreUnavailable("the connection to the database is gone")
    try:
        with driver.cursor() as cursor:
            yield cursor
    except psycopg.Error as error:
        raise sa.exc.DBAPIError.instance(
            "COPY", None, error, psycopg.Error, dialect=connection.dialect
        ) from error
