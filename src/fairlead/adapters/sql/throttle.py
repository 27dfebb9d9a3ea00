"""Token buckets and breakers on SQL: one row each, locked while its rule decides.

The rules are the core's; here they get their state, and the time, from the one place that all
workers share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.schema import breakers, buckets
from fairlead.core.breaker import (
    Breaker,
    BreakerTerms,
    Ended,
    Permit,
    allow,
    breaker_fact,
    matters,
    record,
)
from fairlead.core.rates import Bucket, Place, Rate, close, take
from fairlead.ports.clock import Clock

StateT = TypeVar("StateT", Bucket, Breaker)

_INSERT: dict[str, Callable[[sa.Table], Any]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}

_UPDATE = {
    table: sa.update(table).where(table.c.name == sa.bindparam("named"))
    for table in (buckets, breakers)
}


class SqlThrottle:
    """Keeps token buckets and breakers, by the name of what is asked."""

    def __init__(
        self, database: Database, clock: Clock, *, now: Callable[[], float] | None = None
    ) -> None:
        """Keep them in a database.

        Args:
            database: The database; by its clock tokens come back.
            clock: Chance, and the times of events.
            now: Stands in place of the database's clock; None for that.
        """
        self._database = database
        self._clock = clock
        self._given_now = now
        # Every call sends them, and to build a statement costs more than to send it.
        self._queries = {
            (table, lock): _query(table, database.now_sql(), lock=lock)
            for table in (buckets, breakers)
            for lock in (False, True)
        }

    def take(self, name: str, rate: Rate, *, most_s: float, held: float | None = None) -> Place:
        """Take a token, or reserve a place."""
        with self._database.transaction() as connection:
            before, now = self._state(connection, buckets, name, Bucket())
            after, place = take(before, rate, now, most_s=most_s, held=held)
            _store(connection, buckets, name, before=before, after=after)
        return place

    def close(self, name: str, rate: Rate, *, asked_s: float | None, let_at: float) -> None:
        """Let nobody through for a while: the other side says that it is asked too often."""
        chance = self._clock.chance()
        with self._database.transaction() as connection:
            before, now = self._state(connection, buckets, name, Bucket())
            after = close(before, rate, now, asked_s=asked_s, let_at=let_at, chance=chance)
            _store(connection, buckets, name, before=before, after=after)

    def allow(self, name: str, terms: BreakerTerms) -> Permit:
        """Decide whether a breaker lets a call pass."""
        with self._database.glance() as connection:
            found = self._find(connection, breakers, name, Breaker)
            if found is None or found[0].phase == "closed":
                # What stands in the way of nobody is only read: most calls write nothing here.
                state, now = found or (Breaker(), 0.0)
                return allow(state, terms, now)[1]
        with self._database.transaction() as connection:
            before, now = self._state(connection, breakers, name, Breaker())
            after, permit = allow(before, terms, now)
            self._change(connection, name, before, after)
        return permit

    def record(self, name: str, terms: BreakerTerms, *, permit: Permit, ended: Ended) -> None:
        """Count how a call ended that a breaker let pass; a change has its event."""
        if not matters(permit, ended):
            return
        with self._database.transaction() as connection:
            before, now = self._state(connection, breakers, name, Breaker())
            after = record(before, terms, now, permit=permit, ended=ended)
            self._change(connection, name, before, after)

    def _change(
        self, connection: sa.Connection, name: str, before: Breaker, after: Breaker
    ) -> None:
        _store(connection, breakers, name, before=before, after=after)
        fact = breaker_fact(name, before, after)
        if fact is not None:
            append(connection, self._clock, fact)

    def _find(
        self,
        connection: sa.Connection,
        table: sa.Table,
        name: str,
        made: type[StateT],
        *,
        lock: bool = False,
    ) -> tuple[StateT, float] | None:
        """Return a row's state and the database's time; None when there is no row.

        A row that another transaction has changed meanwhile is read anew once it is locked, and the
        time with it.
        """
        row = connection.execute(self._queries[table, lock], {"named": name}).first()
        if row is None:
            return None
        values = dict(row._mapping)
        values.pop("name")
        now = values.pop("now")
        return made(**values), now if self._given_now is None else self._given_now()

    def _state(
        self, connection: sa.Connection, table: sa.Table, name: str, new: StateT
    ) -> tuple[StateT, float]:
        """Return a row's state and the time, and hold its lock; a row that is not there is made."""
        found = self._find(connection, table, name, type(new), lock=True)
        if found is None:
            # Another worker may make it at the same time: then its row counts.
            insert = _INSERT[connection.dialect.name](table).values(name=name, **asdict(new))
            connection.execute(insert.on_conflict_do_nothing())
            found = self._find(connection, table, name, type(new), lock=True)
        assert found is not None, "a row that was made is there"
        return found


def _query(table: sa.Table, now: sa.ColumnElement[float], *, lock: bool) -> sa.Select[Any]:
    query = sa.select(table, now.label("now")).where(table.c.name == sa.bindparam("named"))
    return query.with_for_update(of=table) if lock else query


def _store(
    connection: sa.Connection, table: sa.Table, name: str, *, before: StateT, after: StateT
) -> None:
    if after != before:
        connection.execute(_UPDATE[table], {"named": name, **asdict(after)})
