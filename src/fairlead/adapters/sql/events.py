"""The event log on SQL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.schema import activations, calls, events, releases, runs
from fairlead.core.digests import canonical_json
from fairlead.core.event import GENESIS, Event, Fact, seal
from fairlead.core.outcome import FINAL_STATES
from fairlead.ports.clock import Clock

_COLUMNS = (
    events.c.chain,
    events.c.sequence,
    events.c.id,
    events.c.type,
    events.c.time,
    events.c.data,
    events.c.previous,
    events.c.hash,
)


def append(connection: sa.Connection, clock: Clock, *facts: Fact) -> None:
    """Append facts inside the caller's transaction.

    Args:
        connection: A writing transaction.
        clock: Time and ids.
        facts: What happened, in order.
    """
    for fact in facts:
        tail = connection.execute(
            sa.select(events.c.sequence, events.c.hash)
            .where(events.c.chain == fact.chain)
            .order_by(events.c.sequence.desc())
            .limit(1)
        ).first()
        event = seal(
            fact,
            sequence=tail.sequence + 1 if tail else 1,
            id=clock.id(),
            time=clock.now(),
            previous=tail.hash if tail else GENESIS,
        )
        values = {column.name: getattr(event, column.name) for column in _COLUMNS}
        values["data"] = canonical_json(event.data)
        connection.execute(sa.insert(events).values(**values))


class SqlEventLog:
    """Appends facts to their chains, and reads them back."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def append(self, facts: Sequence[Fact]) -> None:
        """Append facts, in one transaction."""
        with self._database.transaction() as connection:
            append(connection, self._clock, *facts)

    def list(self, *, chain: str | None = None, limit: int = 100) -> Sequence[Event]:
        """Return the newest events, newest last."""
        query = sa.select(*_COLUMNS).limit(limit)
        if chain is None:
            query = query.order_by(
                events.c.time.desc(), events.c.chain.desc(), events.c.sequence.desc()
            )
        else:
            query = query.where(events.c.chain == chain).order_by(events.c.sequence.desc())
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [_event(row) for row in reversed(rows)]

    def chains(self) -> Iterator[Sequence[Event]]:
        """Yield each chain whole, in order."""
        query = sa.select(*_COLUMNS).order_by(events.c.chain, events.c.sequence)
        with self._database.reading() as connection:
            current: list[Event] = []
            for row in connection.execute(query).yield_per(1000):
                event = _event(row)
                if current and current[0].chain != event.chain:
                    yield current
                    current = []
                current.append(event)
            if current:
                yield current

    def gaps(self) -> Sequence[str]:
        """Name what the other tables know and the log does not: the traces of a truncation."""
        counted = (
            sa.select(events.c.chain, sa.func.count().label("n"))
            .where(events.c.type == "call.finished")
            .group_by(events.c.chain)
            .subquery()
        )
        done = (
            sa.select(calls.c.run_id, sa.func.count().label("n"))
            .where(calls.c.finished_at.is_not(None))
            .group_by(calls.c.run_id)
            .subquery()
        )
        ended = sa.select(events.c.chain).where(
            events.c.type.in_(("run.finished", "run.cancelled", "run.quarantined"))
        )
        missing_calls = (
            sa.select(done.c.run_id)
            .join(counted, counted.c.chain == "run:" + done.c.run_id, isouter=True)
            .where(done.c.n > sa.func.coalesce(counted.c.n, 0))
        )
        missing_ends = sa.select(runs.c.id).where(
            runs.c.state.in_(FINAL_STATES), ("run:" + runs.c.id).not_in(ended)
        )
        moves = (
            sa.select(events.c.chain, sa.func.count().label("n"))
            .where(events.c.type.in_(("release.activated", "release.rolled_back")))
            .group_by(events.c.chain)
            .subquery()
        )
        moved = (
            sa.select(activations.c.environment, sa.func.count().label("n"))
            .group_by(activations.c.environment)
            .subquery()
        )
        missing_moves = (
            sa.select(moved.c.environment)
            .join(moves, moves.c.chain == "environment:" + moved.c.environment, isouter=True)
            .where(moved.c.n > sa.func.coalesce(moves.c.n, 0))
        )
        made = sa.select(events.c.chain).where(events.c.type == "release.created")
        missing_releases = sa.select(releases.c.digest).where(
            ("release:" + releases.c.digest).not_in(made)
        )
        with self._database.reading() as connection:
            found = [
                f"environment {row[0]} has more activations on record than events"
                for row in connection.execute(missing_moves)
            ]
            found += [
                f"release {row[0][:12]} is on record and its chain does not say so"
                for row in connection.execute(missing_releases)
            ]
            found += [
                f"run {row[0]} has more calls on record than events"
                for row in connection.execute(missing_calls)
            ]
            found += [
                f"run {row[0]} has ended and its chain does not say so"
                for row in connection.execute(missing_ends)
            ]
        return found


def _event(row: Any) -> Event:
    values = dict(row._mapping)
    try:
        values["data"] = json.loads(str(values["data"]), parse_constant=_no_number)
    except ValueError:
        # Somebody wrote over it: its hash no longer fits, and the verification says where.
        values["data"] = {"not JSON": str(values["data"])}
    return Event(**values)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
