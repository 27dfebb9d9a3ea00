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

    def take(self, name: str, rate: Rate, *, most_s: float, held: float | None = None) -> Place:
        """Take a token, or reserve a place."""
        with self._database.transaction() as connection:
            before = _state(connection, buckets, name, Bucket())
            now = self._now(connection)
            after, place = take(before, rate, now, most_s=most_s, held=held)
            _store(connection, buckets, name, before=before, after=after)
        return place

    def close(self, name: str, rate: Rate, *, asked_s: float | None, let_at: float) -> None:
        """Let nobody through for a while: the other side says that it is asked too often."""
        chance = self._clock.chance()
        with self._database.transaction() as connection:
            before = _state(connection, buckets, name, Bucket())
            now = self._now(connection)
            after = close(before, rate, now, asked_s=asked_s, let_at=let_at, chance=chance)
            _store(connection, buckets, name, before=before, after=after)

    def allow(self, name: str, terms: BreakerTerms) -> Permit:
        """Decide whether a breaker lets a call pass."""
        with self._database.reading() as connection:
            found = _find(connection, breakers, name, Breaker) or Breaker()
            if found.phase == "closed":
                # What stands in the way of nobody is only read: most calls write nothing here.
                return allow(found, terms, self._now(connection))[1]
        with self._database.transaction() as connection:
            before = _state(connection, breakers, name, Breaker())
            after, permit = allow(before, terms, self._now(connection))
            self._change(connection, name, before, after)
        return permit

    def record(self, name: str, terms: BreakerTerms, *, permit: Permit, ended: Ended) -> None:
        """Count how a call ended that a breaker let pass; a change has its event."""
        if not matters(permit, ended):
            return
        with self._database.transaction() as connection:
            before = _state(connection, breakers, name, Breaker())
            now = self._now(connection)
            after = record(before, terms, now, permit=permit, ended=ended)
            self._change(connection, name, before, after)

    def _change(
        self, connection: sa.Connection, name: str, before: Breaker, after: Breaker
    ) -> None:
        _store(connection, breakers, name, before=before, after=after)
        fact = breaker_fact(name, before, after)
        if fact is not None:
            append(connection, self._clock, fact)

    def _now(self, connection: sa.Connection) -> float:
        """Return the database's time, after the row is locked; the one place that reads it."""
        if self._given_now is not None:
            return self._given_now()
        return float(connection.execute(sa.select(self._database.now_sql())).scalar_one())


def _find(
    connection: sa.Connection,
    table: sa.Table,
    name: str,
    made: type[StateT],
    *,
    lock: bool = False,
) -> StateT | None:
    query = sa.select(table).where(table.c.name == name)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        return None
    return made(**{key: value for key, value in row._mapping.items() if key != "name"})


def _state(connection: sa.Connection, table: sa.Table, name: str, new: StateT) -> StateT:
    """Return a row's state and hold its lock; a row that is not there is made."""
    found = _find(connection, table, name, type(new), lock=True)
    if found is None:
        # Another worker may make it at the same time: then its row counts.
        insert = _INSERT[connection.dialect.name](table).values(name=name, **asdict(new))
        connection.execute(insert.on_conflict_do_nothing())
        found = _find(connection, table, name, type(new), lock=True)
    return new if found is None else found


def _store(
    connection: sa.Connection, table: sa.Table, name: str, *, before: StateT, after: StateT
) -> None:
    if after != before:
        connection.execute(sa.update(table).where(table.c.name == name).values(**asdict(after)))
