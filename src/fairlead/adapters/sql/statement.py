"""Statements that every call sends: compiled once, then sent as they are.

SQLAlchemy finds a statement's text in its cache by walking through the statement; for a row by its
key that takes longer than SQLite takes to find it. `exec_driver_sql` does without that, and keeps
what the rest relies on: listeners, and the database's errors as SQLAlchemy's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.compiler import SQLCompiler


@dataclass(frozen=True)
class _Text:
    """A statement for one kind of database.

    Attributes:
        sql: Its text.
        order: Names of its parameters in their order; None where the driver takes them by name.
        fixed: Parameters that the statement itself has.
    """

    sql: str
    order: tuple[str, ...] | None
    fixed: Mapping[str, Any]


class Statement:
    """One statement, of which only the parameters change.

    Rows come back as the driver reads them, so its columns hold texts, numbers and bytes.

    Args:
        clause: The statement; its parameters are named.
    """

    def __init__(self, clause: sa.Select[Any] | sa.Insert | sa.Update | sa.TextClause) -> None:
        self._clause = clause
        self._texts: dict[tuple[str, ...], _Text] = {}

    def send(self, connection: sa.Connection, values: Mapping[str, Any]) -> sa.CursorResult[Any]:
        """Send the statement.

        Args:
            connection: A connection, or a transaction.
            values: Parameters by name; an insert has the columns that are named here.
        """
        kind = (connection.dialect.name, *values)
        text = self._texts.get(kind)
        if text is None:
            text = self._texts[kind] = self._compiled(connection.dialect, values)
        if text.fixed:
            values = {**text.fixed, **values}
        if text.order is None:
            return connection.exec_driver_sql(text.sql, dict(values))
        return connection.exec_driver_sql(text.sql, tuple(values[name] for name in text.order))

    def send_many(
        self, connection: sa.Connection, names: Sequence[str], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Send an insert once for each row.

        Args:
            connection: A writing transaction.
            names: The columns.
            rows: Each has a value for each of them.
        """
        kind = (connection.dialect.name, *names)
        text = self._texts.get(kind)
        if text is None:
            text = self._texts[kind] = self._compiled(connection.dialect, dict.fromkeys(names))
        if text.order is None:
            connection.exec_driver_sql(text.sql, [dict(row) for row in rows])
            return
        order = itemgetter(*text.order)
        connection.exec_driver_sql(text.sql, [order(row) for row in rows])

    def _compiled(self, dialect: sa.Dialect, values: Mapping[str, Any]) -> _Text:
        known = self._clause.compile(dialect=dialect, column_keys=list(values))
        assert isinstance(known, SQLCompiler), "a statement on rows, not on tables"
        fixed = {name: value for name, value in known.params.items() if name not in values}
        for column in known.insert_prefetch:
            assert isinstance(column.default, sa.ColumnDefault), f"{column} has a plain default"
            fixed[column.key] = column.default.arg
        order = None if known.positiontup is None else tuple(known.positiontup)
        return _Text(sql=known.string, order=order, fixed=fixed)
