"""The event log on SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.compare import differences
from fairlead.adapters.sql.database import Database, serialize
from fairlead.adapters.sql.schema import events, runs
from fairlead.adapters.sql.statement import Statement
from fairlead.adapters.sql.stored import as_count, as_text, as_time
from fairlead.core.digests import Json, canonical_json, read_canonical
from fairlead.core.event import GENESIS, Event, Fact, seal
from fairlead.ports.clock import Clock

COLUMNS = (
    events.c.chain,
    events.c.sequence,
    events.c.id,
    events.c.type,
    events.c.time,
    events.c.data,
    events.c.previous,
    events.c.hash,
)
"""What an event is made of."""
_NAMES = tuple(column.name for column in COLUMNS)

_INSERT = sa.insert(events)
_APPEND = Statement(_INSERT)
_TAILS = sa.select(events.c.chain, events.c.sequence, events.c.hash)
_TAIL = Statement(
    _TAILS.where(events.c.chain == sa.bindparam("of")).order_by(events.c.sequence.desc()).limit(1)
)


def append(connection: sa.Connection, clock: Clock, *facts: Fact) -> None:
    """Append facts inside the caller's transaction.

    Args:
        connection: A writing transaction.
        clock: Time and ids.
        facts: What happened, in order.
    """
    chains = {fact.chain for fact in facts}
    serialize(connection, *chains)
    tails = _tails(connection, chains)
    rows = []
    for fact in facts:
        sequence, previous = tails.get(fact.chain, (0, GENESIS))
        event = seal(
            fact,
            sequence=sequence + 1,
            id=clock.id(),
            time=clock.now(),
            previous=previous,
        )
        tails[fact.chain] = event.sequence, event.hash
        values = {name: getattr(event, name) for name in _NAMES}
        rows.append({**values, "data": canonical_json(event.data)})
    if len(rows) == 1:
        _APPEND.send(connection, rows[0])
    elif rows:
        connection.execute(_INSERT, rows)


def _tails(connection: sa.Connection, chains: Collection[str]) -> dict[str, tuple[int, str]]:
    """Return sequence and hash of the newest event of each chain that has one."""
    if len(chains) == 1:
        # By far the most frequent case, and the index alone answers it.
        found = _TAIL.send(connection, {"of": next(iter(chains))})
    else:
        last = (
            sa.select(events.c.chain, sa.func.max(events.c.sequence).label("sequence"))
            .where(events.c.chain.in_(chains))
            .group_by(events.c.chain)
            .subquery()
        )
        place = (events.c.chain == last.c.chain) & (events.c.sequence == last.c.sequence)
        found = connection.execute(_TAILS.join(last, place))
    return {row.chain: (row.sequence, row.hash) for row in found}


def holds(connection: sa.Connection, fact: Fact) -> bool:
    """Say whether a fact stands in its chain already, inside the caller's transaction."""
    query = sa.select(events.c.sequence).where(
        events.c.chain == fact.chain,
        events.c.type == fact.type,
        events.c.data == canonical_json(fact.data),
    )
    return connection.execute(query.limit(1)).first() is not None


class SqlEventLog:
    """Appends facts to their chains, and reads them back."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def append(self, facts: Sequence[Fact]) -> None:
        """Append facts, in one transaction."""
        with self._database.transaction() as connection:
            append(connection, self._clock, *facts)

    def list(
        self, *, chain: str | None = None, tenant: str | None = None, limit: int = 100
    ) -> Sequence[Event]:
        """Return the newest events, newest last."""
        query = sa.select(*COLUMNS).limit(limit)
        if tenant is not None:
            query = query.where(visible_to(tenant))
        if chain is None:
            query = query.order_by(
                events.c.time.desc(), events.c.chain.desc(), events.c.sequence.desc()
            )
        else:
            query = query.where(events.c.chain == chain).order_by(events.c.sequence.desc())
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [event_of(row) for row in reversed(rows)]

    def of_types(self, types: Collection[str], *, since: float = 0.0) -> Iterator[Event]:
        """Yield the events of some types, chain by chain, each chain in its order."""
        query = sa.select(*COLUMNS).where(events.c.type.in_(sorted(types)), events.c.time >= since)
        query = query.order_by(events.c.chain, events.c.sequence)
        with self._database.reading() as connection:
            for row in connection.execute(query).yield_per(1000):
                yield event_of(row)

    def chains(self) -> Iterator[Sequence[Event]]:
        """Yield each chain whole, in order."""
        query = sa.select(*COLUMNS).order_by(events.c.chain, events.c.sequence)
        with self._database.reading() as connection:
            current: list[Event] = []
            for row in connection.execute(query).yield_per(1000):
                event = event_of(row)
                if current and current[0].chain != event.chain:
                    yield current
                    current = []
                current.append(event)
            if current:
                yield current

    def gaps(self) -> Sequence[str]:
        """Name what the other tables say and the log does not."""
        with self._database.reading() as connection:
            return [*differences(connection)]


def visible_to(tenant: str) -> sa.ColumnElement[bool]:
    """Return what leaves out other tenants' runs and their memory; other chains belong to all.

    Args:
        tenant: The tenant.
    """
    own = sa.exists().where(
        runs.c.id == sa.func.substr(events.c.chain, len("run:") + 1), runs.c.tenant == tenant
    )
    others = sa.and_(events.c.chain.not_like("run:%"), events.c.chain.not_like("memory:%"))
    return sa.or_(others, events.c.chain == f"memory:{tenant}", own)


def event_of(row: Any) -> Event:
    """Return an event of a row that has its columns."""
    of = row._mapping
    return Event(
        chain=as_text(of[events.c.chain]),
        sequence=as_count(of[events.c.sequence]),
        id=as_text(of[events.c.id]),
        type=as_text(of[events.c.type]),
        time=as_time(of[events.c.time]),
        data=_facts(as_text(of[events.c.data])),
        previous=as_text(of[events.c.previous]),
        hash=as_text(of[events.c.hash]),
    )


def _facts(text: str) -> dict[str, Json]:
    try:
        facts = read_canonical(text)
    except ValueError:
        facts = None
    # Somebody wrote over it: its hash no longer fits, and the verification says where.
    return facts if isinstance(facts, dict) else {"not as it was written": text}
