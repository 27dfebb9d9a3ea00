"""The journal of calls on SQL: each call and its event commit together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.blobs import get_json, put_json
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.schema import calls
from fairlead.core.calls import (
    Call,
    Done,
    Result,
    Usage,
    result_from_json,
    result_state,
    result_to_json,
)
from fairlead.core.event import Fact
from fairlead.ports.clock import Clock
from fairlead.ports.journal import CallRecord, Timing


class SqlJournal:
    """Keeps calls, each with its event, in one transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def find(self, key: str) -> CallRecord | None:
        """Return the call under a key, or None."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(calls).where(calls.c.key == key)).first()
            return None if row is None else _record(connection, row)

    def intend(self, call: Call, at: float) -> None:
        """Record that an effect is about to happen."""
        fact = Fact(
            chain=f"run:{call.run_id}",
            type="call.intended",
            data={"key": call.key, "kind": call.kind, "name": call.name, "effect": call.effect},
        )
        with self._database.transaction() as connection:
            connection.execute(
                sa.insert(calls).values(
                    **_identity(call), state="intended", attempts=0, started_at=at
                )
            )
            append(connection, self._clock, fact)

    def finish(self, call: Call, result: Result, timing: Timing, decision: str) -> None:
        """Record how a call ended, with its event; what is on record stays, unless it is unknown.

        Args:
            call: The call.
            result: How it came back.
            timing: When, and how often it was tried.
            decision: `allowed`, or the code `FL-nnn` of the refusal.
        """
        usage = result.usage if isinstance(result, Done) else Usage()
        reason = "" if isinstance(result, Done) else result.reason
        with self._database.transaction() as connection:
            stored = connection.execute(
                sa.select(calls.c.state).where(calls.c.key == call.key)
            ).scalar()
            if stored not in (None, "intended", "unknown"):
                # A worker that was only asleep comes late: the outcome that the run saw stays.
                return
            blob = put_json(connection, result_to_json(result), timing.finished_at)
            values: dict[str, Any] = {
                "state": result_state(result),
                "result_digest": blob,
                "attempts": timing.attempts,
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "cost_usd": usage.cost_usd,
                "reason": reason,
                "finished_at": timing.finished_at,
            }
            if stored is None:
                values = {**_identity(call), **values, "started_at": timing.started_at}
                connection.execute(sa.insert(calls).values(**values))
            else:
                connection.execute(sa.update(calls).where(calls.c.key == call.key).values(**values))
            append(connection, self._clock, _finished(call, result, blob, decision))

    def of_run(self, run_id: str) -> Sequence[CallRecord]:
        """Return a run's calls in order."""
        query = sa.select(calls).where(calls.c.run_id == run_id).order_by(calls.c.number)
        with self._database.reading() as connection:
            return [_record(connection, row) for row in connection.execute(query).all()]


def _identity(call: Call) -> dict[str, Any]:
    return {
        "key": call.key,
        "run_id": call.run_id,
        "number": call.number,
        "kind": call.kind,
        "name": call.name,
        "effect": call.effect,
        "arguments_digest": call.arguments_digest,
    }


def _finished(call: Call, result: Result, blob: str, decision: str) -> Fact:
    return Fact(
        chain=f"run:{call.run_id}",
        type="call.finished",
        data={
            "key": call.key,
            "kind": call.kind,
            "name": call.name,
            "state": result_state(result),
            "decision": decision,
            "arguments": call.arguments_digest,
            "result": blob,
        },
    )


def _record(connection: sa.Connection, row: sa.Row[Any]) -> CallRecord:
    payload = get_json(connection, row.result_digest)
    return CallRecord(
        key=row.key,
        run_id=row.run_id,
        number=row.number,
        kind=row.kind,
        name=row.name,
        effect=row.effect,
        state=row.state,
        arguments_digest=row.arguments_digest,
        result=None if payload is None else result_from_json(payload),
        attempts=row.attempts,
        usage=Usage(
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            cost_usd=row.cost_usd,
        ),
        reason=row.reason or "",
        started_at=row.started_at,
        finished_at=row.finished_at,
    )
