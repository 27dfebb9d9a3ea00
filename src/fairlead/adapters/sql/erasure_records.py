"""The record of erasures on SQL: how far each has come, and who is at it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.database import Database, serialize
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.schema_memory import erasures
from fairlead.core.digests import Json, canonical_json
from fairlead.core.erasure import HOLD_S, RENEW_S, STAGES, Erasure, Stage
from fairlead.core.errors import ErasureHeld, ErasureUnknown
from fairlead.core.event import Fact
from fairlead.ports.clock import Clock


class Hold:
    """What a process commits by while it works at an erasure: only as long as it holds it.

    Args:
        database: The database.
        clock: Time.
        erasure: The erasure; one that nobody holds is not fenced.
    """

    def __init__(self, database: Database, clock: Clock, erasure: Erasure) -> None:
        self._database = database
        self._clock = clock
        self._erasure = erasure
        self._renewed = clock.now()

    def commit(self, connection: sa.Connection) -> None:
        """Hold it for longer, as the last act of a transaction.

        Whoever takes it over meanwhile waits for that transaction or takes its place.

        Raises:
            ErasureHeld: Another process has it by now; the transaction must not be committed.
        """
        one = self._erasure
        if not one.holder:
            return
        serialize(connection, f"erasure:{one.id}")
        self._renewed = self._clock.now()
        held = sa.update(erasures).where(erasures.c.id == one.id, erasures.c.holder == one.holder)
        done = connection.execute(held.values(held_until=self._renewed + HOLD_S))
        if not done.rowcount:
            raise ErasureHeld(f"another process works at erasure {one.id} by now", erasure=one.id)

    def renew(self) -> None:
        """Hold it for longer."""
        if self._erasure.holder:
            with self._database.transaction() as connection:
                self.commit(connection)

    def beat(self) -> None:
        """Hold it for longer, when that was last said some time ago."""
        if self._clock.now() - self._renewed >= RENEW_S:
            self.renew()


class SqlErasureRecords:
    """Keeps how far erasures have come; one process at a time works at each.

    Args:
        database: The database.
        clock: Time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def get(self, erasure_id: str) -> Erasure:
        """Return an erasure."""
        with self._database.reading() as connection:
            return _erasure(_row(connection, erasure_id))

    def open(self) -> Sequence[str]:
        """Return the ids of the erasures that have not ended, the oldest first."""
        query = sa.select(erasures.c.id).where(erasures.c.ended_at.is_(None))
        with self._database.reading() as connection:
            return connection.execute(query.order_by(erasures.c.begun_at)).scalars().all()

    def hold(self, erasure_id: str, holder: str) -> Erasure:
        """Take an erasure for a while, so that one process works at it."""
        now = self._clock.now()
        with self._database.transaction() as connection:
            serialize(connection, f"erasure:{erasure_id}")
            row = _row(connection, erasure_id)
            if row.holder not in ("", holder) and row.held_until > now:
                seconds = int(row.held_until - now) + 1
                raise ErasureHeld(
                    f"another process works at erasure {erasure_id}; it has it for {seconds} s",
                    erasure=erasure_id,
                )
            self._set(connection, erasure_id, holder=holder, held_until=now + HOLD_S)
            return replace(_erasure(row), holder=holder)

    def renew(self, erasure: Erasure) -> None:
        """Hold an erasure for longer, since its holder still works at it."""
        Hold(self._database, self._clock, erasure).renew()

    def release(self, erasure_id: str, holder: str) -> None:
        """Let go of an erasure."""
        own = (erasures.c.id == erasure_id) & (erasures.c.holder == holder)
        with self._database.transaction() as connection:
            connection.execute(sa.update(erasures).where(own).values(holder="", held_until=0.0))

    def advance(
        self,
        erasure: Erasure,
        holder: str,
        stage: Stage,
        done: Mapping[str, Json],
        *,
        fact: Fact | None = None,
    ) -> Erasure:
        """Note what was done, and what comes next."""
        now = self._clock.now()
        with self._database.transaction() as connection:
            serialize(connection, f"erasure:{erasure.id}")
            row = _row(connection, erasure.id)
            if row.holder != holder or STAGES.index(row.stage) > STAGES.index(stage):
                message = f"another process works at erasure {erasure.id} by now"
                raise ErasureHeld(message, erasure=erasure.id)
            ended = now if stage == "done" else None
            receipt = {**json.loads(row.receipt), **done}
            self._set(
                connection,
                erasure.id,
                stage=stage,
                receipt=canonical_json(receipt),
                ended_at=ended,
                held_until=now + HOLD_S,
            )
            if fact is not None:
                append(connection, self._clock, fact)
        return replace(erasure, stage=stage, receipt=receipt, ended_at=ended)

    def note(self, fact: Fact) -> None:
        """Append an event."""
        with self._database.transaction() as connection:
            append(connection, self._clock, fact)

    def _put(self, connection: sa.Connection, erasure: Erasure) -> None:
        selector = {
            "app": erasure.app,
            "items": list(erasure.items),
            "tombstones": list(erasure.tombstones),
        }
        row = {
            "id": erasure.id,
            "tenant": erasure.tenant,
            "selector": canonical_json(selector),
            "stage": erasure.stage,
            "by": erasure.by,
            "reason": erasure.reason,
            "begun_at": erasure.begun_at,
            "ended_at": None,
            "receipt": canonical_json(erasure.receipt),
            "holder": "",
            "held_until": 0.0,
        }
        connection.execute(sa.insert(erasures).values(row))

    def _set(self, connection: sa.Connection, erasure_id: str, **values: Any) -> None:
        connection.execute(sa.update(erasures).where(erasures.c.id == erasure_id).values(**values))


def began(erasure: Erasure) -> Fact:
    """Return the event that an erasure begins with."""
    data: dict[str, Json] = {
        "erasure": erasure.id,
        "app": erasure.app,
        "items": len(erasure.items),
        "tombstones": len(erasure.tombstones),
        "by": erasure.by,
        "reason": erasure.reason,
        "again": bool(erasure.receipt.get("again")),
    }
    return Fact(chain=f"memory:{erasure.tenant}", type="memory.erasing", data=data)


def _row(connection: sa.Connection, erasure_id: str) -> sa.Row[Any]:
    row = connection.execute(sa.select(erasures).where(erasures.c.id == erasure_id)).first()
    if row is None:
        raise ErasureUnknown(f"there is no erasure {erasure_id}", erasure=erasure_id)
    return row


def _erasure(row: sa.Row[Any]) -> Erasure:
    selector = json.loads(row.selector)
    return Erasure(
        id=row.id,
        tenant=row.tenant,
        app=selector["app"],
        items=tuple(selector["items"]),
        tombstones=tuple(selector["tombstones"]),
        stage=row.stage,
        by=row.by,
        reason=row.reason,
        begun_at=row.begun_at,
        ended_at=row.ended_at,
        receipt=json.loads(row.receipt),
    )
