"""Durable waits and signals on SQL.

A run's row says when it is to be looked at again (`wake_at`). Whatever ends a wait sets it in its
own transaction, so that an answer and the run's going on are one.
"""

from __future__ import annotations

import sqlalchemy as sa

from fairlead.adapters.sql.blobs import get_json, put_json
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.schema import effects, runs, signals, waits
from fairlead.adapters.sql.statement import Statement
from fairlead.core.digests import Json
from fairlead.core.errors import InboxFull, RunFinished, UnknownRun
from fairlead.core.event import Fact
from fairlead.core.outcome import FINAL_STATES
from fairlead.ports.clock import Clock
from fairlead.ports.waits import Signal, Wait, WaitKind

SIGNALS_MAX = 1000
"""Most signals that wait untaken for one run."""

_LOCK_RUN = Statement(
    sa.select(runs.c.state).where(runs.c.id == sa.bindparam("run")).with_for_update()
)


class SqlWaitStore:
    """Keeps waits and the signals that end them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def open(self, run_id: str, key: str, kind: WaitKind, *, topic: str, within_s: float) -> Wait:
        """Begin a wait, unless it has begun already; a signal that came before ends it at once."""
        now = self._database.now_sql()
        with self._database.transaction() as connection:
            # Locked is the row of whoever may end the wait at this moment: a sender locks the run,
            # a child that ends locks itself first and then its parent, and who resolves an effect
            # locks the run that made it.
            ender = _ender(connection, kind, topic, run_id)
            state = lock_run(connection, ender)
            if find(connection, run_id, key, now) is None:
                wait = Wait(run_id=run_id, key=key, kind=kind, topic=topic, due_at=within_s)
                begin(connection, wait, now)
                if kind == "signal":
                    _take(connection, run_id, key, name=topic, now=now)
                elif kind == "child" and state in FINAL_STATES:
                    _answer(connection, run_id, key, answer={"state": state}, now=now)
                elif kind == "effect" and (known := _known_effect(connection, topic)):
                    _answer(connection, run_id, key, answer=known, now=now)
            return self._found(connection, run_id, key)

    def look(self, run_id: str, key: str) -> Wait | None:
        """Return a wait as it stands, by the database's clock; None when it is not on record."""
        with self._database.glance() as connection:
            return find(connection, run_id, key, self._database.now_sql())

    def close(self, run_id: str, key: str) -> Wait:
        """Return how a wait ended; one whose time is up takes no answer any more."""
        with self._database.transaction() as connection:
            connection.execute(
                sa.update(waits)
                .where(waits.c.run_id == run_id, waits.c.key == key, waits.c.ended_at.is_(None))
                .where(waits.c.due_at <= self._database.now_sql())
                .values(ended_at=self._database.now_sql())
            )
            return self._found(connection, run_id, key)

    def send(self, signal: Signal) -> bool:
        """Keep a signal, and wake the run that waits for it, in one transaction."""
        with self._database.transaction() as connection:
            state = lock_run(connection, signal.run_id)
            if state in FINAL_STATES:
                raise RunFinished(f"run {signal.run_id} has already {state}", run=signal.run_id)
            _same_tenant(connection, signal)
            mine = signals.c.run_id == signal.run_id
            if (
                signal.dedup_key is not None
                and connection.execute(
                    sa.select(signals.c.sequence).where(
                        mine, signals.c.dedup_key == signal.dedup_key
                    )
                ).first()
            ):
                return False
            untaken = sa.func.count().filter(signals.c.taken_by.is_(None))
            held, last = connection.execute(
                sa.select(untaken, sa.func.max(signals.c.sequence)).where(mine)
            ).one()
            if held >= SIGNALS_MAX:
                message = f"{held} signals wait for run {signal.run_id}, which takes none of them"
                raise InboxFull(message, run=signal.run_id)
            number = (last or 0) + 1
            payload = put_json(connection, signal.payload, self._clock.now())
            connection.execute(
                sa.insert(signals).values(
                    run_id=signal.run_id,
                    sequence=number,
                    name=signal.name,
                    dedup_key=signal.dedup_key,
                    payload_digest=payload,
                    by=signal.by,
                    sent_at=self._clock.now(),
                )
            )
            waiting = connection.execute(
                sa.select(waits.c.key)
                .where(waits.c.run_id == signal.run_id, waits.c.kind == "signal")
                .where(waits.c.topic == signal.name, waits.c.ended_at.is_(None))
            ).scalar()
            if waiting is not None:
                now = self._database.now_sql()
                _take(connection, signal.run_id, waiting, name=signal.name, now=now)
            data = {"name": signal.name, "payload": payload, "by": signal.by}
            fact = Fact(chain=f"run:{signal.run_id}", type="signal.sent", data=data)
            append(connection, self._clock, fact)
            return True

    def _found(self, connection: sa.Connection, run_id: str, key: str) -> Wait:
        found = find(connection, run_id, key, self._database.now_sql())
        assert found is not None, "a wait is looked at after it was opened"
        return found


def find(
    connection: sa.Connection, run_id: str, key: str, now: sa.ColumnElement[float]
) -> Wait | None:
    """Return a wait as it stands, or None.

    Args:
        connection: A transaction.
        run_id: The run.
        key: The wait's name within the run.
        now: The database's own time.
    """
    query = sa.select(waits, now.label("now"))
    row = connection.execute(query.where(waits.c.run_id == run_id, waits.c.key == key)).first()
    if row is None:
        return None
    return Wait(
        run_id=run_id,
        key=key,
        kind=row.kind,
        topic=row.topic,
        opened_at=row.opened_at,
        due_at=row.due_at,
        ended_at=row.ended_at if row.ended_at is not None else min(row.now, row.due_at),
        over=row.ended_at is not None or row.now >= row.due_at,
        answered=row.answer_digest is not None,
        answer=get_json(connection, row.answer_digest),
    )


def _ender(connection: sa.Connection, kind: WaitKind, topic: str, run_id: str) -> str:
    """Return the run whose row is locked by whoever ends a wait."""
    if kind == "child":
        return topic
    if kind == "effect":
        query = sa.select(effects.c.run_id).where(effects.c.key == topic)
        return connection.execute(query).scalar() or run_id
    return run_id


def _known_effect(connection: sa.Connection, key: str) -> Json:
    """Return the answer for an effect that somebody found out about meanwhile; None while not."""
    query = sa.select(effects.c.state).where(effects.c.key == key)
    state = connection.execute(query).scalar()
    if state in (None, "unknown"):
        return None
    return {"happened": state in ("done", "reconciled")}


def _same_tenant(connection: sa.Connection, signal: Signal) -> None:
    """Another tenant's run is not there."""
    if signal.tenant is None:
        return
    tenant = connection.execute(sa.select(runs.c.tenant).where(runs.c.id == signal.run_id)).scalar()
    if tenant != signal.tenant:
        raise UnknownRun(f"no run has the id {signal.run_id!r}", run=signal.run_id)


def lock_run(connection: sa.Connection, run_id: str) -> str:
    """Lock a run's row until the transaction ends, and return its state.

    Raises:
        UnknownRun: There is no such run.
    """
    state = _LOCK_RUN.send(connection, {"run": run_id}).scalar()
    if state is None:
        raise UnknownRun(f"no run has the id {run_id!r}", run=run_id)
    return str(state)


def hold_run(connection: sa.Connection, run_id: str) -> None:
    """Lock a run's row, as `lock_run` does, for whoever need not know its state.

    SQLite has one writer anyway, so nothing is asked there.

    Raises:
        UnknownRun: There is no such run; never on SQLite.
    """
    if connection.dialect.name == "postgresql":
        lock_run(connection, run_id)


def begin(connection: sa.Connection, wait: Wait, now: sa.ColumnElement[float]) -> None:
    """Insert a wait's row.

    Args:
        connection: A writing transaction.
        wait: The wait, with the seconds that it may last in place of `due_at`.
        now: The database's own time.
    """
    connection.execute(
        sa.insert(waits).values(
            run_id=wait.run_id,
            key=wait.key,
            kind=wait.kind,
            topic=wait.topic,
            opened_at=now,
            due_at=now + wait.due_at,
        )
    )


def resolve(
    connection: sa.Connection,
    kind: WaitKind,
    topic: str,
    *,
    answer: Json,
    now: sa.ColumnElement[float],
) -> int:
    """End the open waits for a topic with an answer, and wake their runs.

    Args:
        connection: A writing transaction.
        kind: What ended them.
        topic: Which one.
        answer: The answer, as JSON; not None.
        now: The database's own time.

    Returns:
        How many waits were ended.
    """
    open_waits = connection.execute(
        sa.select(waits.c.run_id, waits.c.key)
        .where(waits.c.kind == kind, waits.c.topic == topic)
        .where(waits.c.ended_at.is_(None), waits.c.due_at > now)
    ).all()
    for run_id, key in open_waits:
        _answer(connection, run_id, key, answer=answer, now=now)
    return len(open_waits)


def _answer(
    connection: sa.Connection,
    run_id: str,
    key: str,
    *,
    answer: Json,
    now: sa.ColumnElement[float],
) -> None:
    written = connection.execute(sa.select(now)).scalar_one()
    connection.execute(
        sa.update(waits)
        .where(waits.c.run_id == run_id, waits.c.key == key)
        .values(ended_at=now, answer_digest=put_json(connection, answer, written))
    )
    connection.execute(sa.update(runs).where(runs.c.id == run_id).values(wake_at=now))


def _take(
    connection: sa.Connection,
    run_id: str,
    key: str,
    *,
    name: str,
    now: sa.ColumnElement[float],
) -> None:
    """Give the oldest signal of a name to a wait, if there is one."""
    oldest = connection.execute(
        sa.select(signals)
        .where(signals.c.run_id == run_id, signals.c.name == name, signals.c.taken_by.is_(None))
        .order_by(signals.c.sequence)
        .limit(1)
    ).first()
    if oldest is None:
        return
    connection.execute(
        sa.update(signals)
        .where(signals.c.run_id == run_id, signals.c.sequence == oldest.sequence)
        .values(taken_by=key)
    )
    payload = get_json(connection, oldest.payload_digest)
    answer = {"payload": payload, "by": oldest.by}
    _answer(connection, run_id, key, answer=answer, now=now)
