"""Approvals on SQL: an answer and the run's going on are one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.blobs import get_json, put_json
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.schema import approvals, runs
from fairlead.adapters.sql.waits import begin, find, lock_run, resolve
from fairlead.core.digests import Json
from fairlead.core.errors import ApprovalClosed, UnknownApproval
from fairlead.core.event import Fact
from fairlead.core.outcome import FINAL_STATES
from fairlead.ports.approvals import ApprovalRecord
from fairlead.ports.clock import Clock
from fairlead.ports.runs import Order
from fairlead.ports.waits import Wait


class SqlApprovalStore:
    """Keeps approvals, each change with its event."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def ask(self, approval: ApprovalRecord, within_s: float) -> Wait:
        """Record the question and the run's wait for its answer, in one transaction."""
        run_id, now = approval.run_id, self._database.now_sql()
        with self._database.transaction() as connection:
            lock_run(connection, run_id)
            asked = connection.execute(
                sa.select(approvals.c.id).where(
                    approvals.c.run_id == run_id, approvals.c.number == approval.number
                )
            ).scalar()
            if asked is None:
                wait = Wait(
                    run_id=run_id,
                    key=approval.wait_key,
                    kind="approval",
                    topic=approval.id,
                    due_at=within_s,
                )
                begin(connection, wait, now)
                asked_at = connection.execute(sa.select(now)).scalar_one()
                connection.execute(
                    sa.insert(approvals).values(
                        id=approval.id,
                        run_id=run_id,
                        number=approval.number,
                        wait_key=approval.wait_key,
                        tenant=approval.tenant,
                        tool=approval.tool,
                        release=approval.release,
                        subject_digest=approval.subject_digest,
                        subject=put_json(connection, approval.subject, asked_at),
                        state="pending",
                        asked_at=asked_at,
                        expires_at=asked_at + within_s,
                        by="",
                        reason="",
                    )
                )
                data = {
                    "approval": approval.id,
                    "tool": approval.tool,
                    "subject": approval.subject_digest,
                }
                append(connection, self._clock, _fact(run_id, "approval.asked", data))
            found = find(connection, run_id, approval.wait_key, now)
            assert found is not None, "the wait was begun with the question"
            return found

    def answer(self, approval_id: str, approved: bool, order: Order) -> ApprovalRecord:
        """Record a person's answer and wake the run, in one transaction."""
        now = self._database.now_sql()
        with self._database.transaction() as connection:
            row = _named(connection, approval_id)
            state = lock_run(connection, row.run_id)
            if state in FINAL_STATES:
                message = f"run {row.run_id} has {state}; approval {row.id} is no longer needed"
                raise ApprovalClosed(message, approval=row.id, run=row.run_id)
            time = connection.execute(sa.select(now)).scalar_one()
            if row.state != "pending" or row.expires_at <= time:
                said = row.state if row.state != "pending" else "expired"
                raise ApprovalClosed(f"approval {row.id} is {said}", approval=row.id)
            said = "approved" if approved else "denied"
            changed = connection.execute(
                sa.update(approvals)
                .where(approvals.c.id == row.id, approvals.c.state == "pending")
                .values(state=said, answered_at=time, by=order.by, reason=order.reason)
                .values(roles=json.dumps(order.roles) if order.roles else None)
            )
            if not changed.rowcount:
                raise ApprovalClosed(f"approval {row.id} was answered just now", approval=row.id)
            answer = {"approved": approved, "by": order.by, "reason": order.reason}
            resolve(connection, "approval", row.id, answer=answer, now=now)
            data = {
                "approval": row.id,
                "subject": row.subject_digest,
                "approved": approved,
                **order.fact(),
            }
            append(connection, self._clock, _fact(row.run_id, "approval.answered", data))
            return _record(connection, _named(connection, row.id), time)

    def consume(self, run_id: str, number: int, subject_digest: str) -> str:
        """Use an approval up for the one call that it is for; return why not, or nothing."""
        now = self._database.now_sql()
        with self._database.transaction() as connection:
            row = connection.execute(
                sa.select(approvals)
                .where(approvals.c.run_id == run_id, approvals.c.number == number)
                .with_for_update()
            ).first()
            if row is None:
                return "nobody was asked"
            if row.subject_digest != subject_digest:
                return "arguments, policies or release are not those that a person was shown"
            if row.state == "consumed":
                # This call's own: it died after this and before its outcome was on record.
                return ""
            if row.state != "approved":
                return f"the approval is {row.state}"
            time = connection.execute(sa.select(now)).scalar_one()
            if row.expires_at <= time:
                return "the approval has expired"
            connection.execute(
                sa.update(approvals)
                .where(approvals.c.id == row.id, approvals.c.state == "approved")
                .values(state="consumed", consumed_at=time)
            )
            data = {"approval": row.id, "subject": row.subject_digest}
            append(connection, self._clock, _fact(run_id, "approval.consumed", data))
            return ""

    def expire(self, run_id: str, wait_key: str) -> None:
        """Record that nobody answered in time."""
        with self._database.transaction() as connection:
            expired = connection.execute(
                sa.update(approvals)
                .where(approvals.c.run_id == run_id, approvals.c.wait_key == wait_key)
                .where(approvals.c.state == "pending")
                .values(state="expired")
                .returning(approvals.c.id)
            ).scalar()
            if expired is not None:
                append(
                    connection,
                    self._clock,
                    _fact(run_id, "approval.expired", {"approval": expired}),
                )

    def get(self, approval_id: str) -> ApprovalRecord:
        """Return an approval by its id, or by a prefix that only one approval has."""
        with self._database.reading() as connection:
            time = connection.execute(sa.select(self._database.now_sql())).scalar_one()
            return _record(connection, _named(connection, approval_id, lock=False), time)

    def list(
        self, *, state: str | None = "pending", tenant: str | None = None, limit: int = 100
    ) -> Sequence[ApprovalRecord]:
        """Return approvals, oldest first, of one tenant or all; late ones count as expired."""
        now = self._database.now_sql()
        query = sa.select(approvals).order_by(approvals.c.asked_at, approvals.c.id).limit(limit)
        if tenant is not None:
            query = query.where(approvals.c.tenant == tenant)
        if state == "pending":
            alive = sa.select(runs.c.id).where(runs.c.state.not_in(FINAL_STATES))
            query = query.where(approvals.c.state == "pending", approvals.c.expires_at > now)
            query = query.where(approvals.c.run_id.in_(alive))
        elif state is not None:
            query = query.where(approvals.c.state == state)
        with self._database.reading() as connection:
            time = connection.execute(sa.select(now)).scalar_one()
            return [_record(connection, row, time) for row in connection.execute(query).all()]


def _named(connection: sa.Connection, name: str, *, lock: bool = True) -> sa.Row[Any]:
    query = sa.select(approvals).where(approvals.c.id.startswith(name, autoescape=True)).limit(2)
    query = query.with_for_update() if lock else query
    rows = connection.execute(query).all() if name else []
    if len(rows) != 1:
        what = "no approval has" if not rows else "more than one approval has"
        raise UnknownApproval(f"{what} the id {name!r}", approval=name)
    return rows[0]


def _fact(run_id: str, type: str, data: dict[str, Json]) -> Fact:
    return Fact(chain=f"run:{run_id}", type=type, data=data)


def _record(connection: sa.Connection, row: sa.Row[Any], now: float) -> ApprovalRecord:
    expired = row.state == "pending" and row.expires_at <= now
    return ApprovalRecord(
        id=row.id,
        run_id=row.run_id,
        number=row.number,
        wait_key=row.wait_key,
        tenant=row.tenant,
        tool=row.tool,
        release=row.release,
        subject=get_json(connection, row.subject),
        subject_digest=row.subject_digest,
        state="expired" if expired else row.state,
        asked_at=row.asked_at,
        expires_at=row.expires_at,
        answered_at=row.answered_at,
        by=row.by,
        reason=row.reason,
        roles=tuple(json.loads(row.roles)) if row.roles else (),
    )
