"""The journal of calls on SQL: each call and its event commit together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.blobs import get_json, put_json
from fairlead.adapters.sql.budgets import settle_budgets
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.effects import settle
from fairlead.adapters.sql.events import append, holds
from fairlead.adapters.sql.schema import calls, events, runs
from fairlead.adapters.sql.statement import Statement
from fairlead.adapters.sql.waits import hold_run
from fairlead.core.calls import (
    Call,
    Done,
    Result,
    Usage,
    result_from_json,
    result_state,
    result_to_json,
)
from fairlead.core.digests import Json
from fairlead.core.errors import JournalForeign, LeaseLost, StoreCorrupt
from fairlead.core.event import Fact
from fairlead.core.served import changed_model
from fairlead.ports.clock import Clock
from fairlead.ports.journal import DIFFERENCES_MAX, CallRecord, CallVerdict, Execution

_AT = (calls.c.run_id == sa.bindparam("run")) & (calls.c.number == sa.bindparam("call"))
_FIND = sa.select(calls).where(_AT)
_STATE = Statement(sa.select(calls.c.state).where(_AT))
_INSERT = Statement(sa.insert(calls))
_UPDATE = Statement(sa.update(calls).where(_AT))
_SPEND = (
    sa.update(runs)
    .where(runs.c.id == sa.bindparam("root"))
    .values(
        spent_calls=runs.c.spent_calls + sa.bindparam("made"),
        spent_usd=runs.c.spent_usd + sa.bindparam("usd"),
    )
)
_COUNT = Statement(_SPEND)
_COUNT_OWN = Statement(_SPEND.values(deaths=0, kills=0))


class SqlJournal:
    """Keeps calls, each with its event, in one transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def find(self, run_id: str, number: int) -> CallRecord | None:
        """Return a call of a run, or None."""
        with self._database.glance() as connection:
            row = connection.execute(_FIND, {"run": run_id, "call": number}).first()
            return None if row is None else _record(connection, row)

    def result(self, run_id: str, number: int, kept: str) -> Result:
        """Return the result of a call by its digest."""
        with self._database.reading() as connection:
            row = connection.execute(_FIND, {"run": run_id, "call": number}).first()
            result = None if row is None else _record(connection, row).result
        if row is None or result is None or row.result_digest != kept:
            raise JournalForeign(
                f"call {number} of run {run_id} is not on record with the result {kept[:12]}",
                run=run_id,
            )
        return result

    def intend(self, call: Call, at: float) -> None:
        """Record that a call with an effect is about to be executed; once is enough."""
        with self._database.transaction() as connection:
            if connection.execute(_FIND, _place(call)).first() is None:
                values = {**_identity(call), "state": "intended", "attempts": 0, "started_at": at}
                _INSERT.send(connection, values)

    def finish(
        self, call: Call, result: Result, execution: Execution, verdict: CallVerdict
    ) -> Result:
        """Record how a call ended; what is on record stays, unless it is unknown."""
        usage = result.usage if isinstance(result, Done) else Usage()
        reason = "" if isinstance(result, Done) else result.reason
        with self._database.transaction() as connection:
            # The run's row first, as whoever cancels or takes over does: one order of locks.
            hold_run(connection, call.run_id)
            stored = _STATE.send(connection, _place(call)).scalar()
            if stored not in (None, "intended", "unknown"):
                # A worker that was only asleep comes late: the outcome that the run saw stays.
                row = connection.execute(_FIND, _place(call)).one()
                known = _record(connection, row).result
                assert known is not None, "a call that ended has a result"
                return known
            if not isinstance(result, Done):
                # A value is one, whoever brings it. That a worker which lost the run has none
                # says nothing: the next one is about to find out.
                _claimed(connection, call, execution.claim)
            blob = put_json(connection, result_to_json(result), execution.finished_at)
            asked = verdict.query
            at = execution.finished_at
            values: dict[str, Any] = {
                "state": result_state(result),
                "result_digest": blob,
                "query_digest": None if asked is None else put_json(connection, asked, at),
                "attempts": execution.attempts,
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "cost_usd": usage.cost_usd,
                "reason": reason,
                "finished_at": execution.finished_at,
            }
            if stored is None:
                values = {**_identity(call), **values, "started_at": execution.started_at}
                _INSERT.send(connection, values)
            else:
                _UPDATE.send(connection, {**values, **_place(call)})
            if call.effect != "read":
                now = self._database.now_sql()
                settle(connection, self._clock, call, result, kept=blob, now=now)
            if execution.budgeted:
                settle_budgets(connection, call, result, busy_s=execution.busy_s)
            append(connection, self._clock, _finished(call, result, blob, verdict))
            # An unknown effect that is looked at again was decided before.
            differs = verdict.shadow if stored != "unknown" else None
            if differs is not None and _differences(connection, call) < DIFFERENCES_MAX:
                append(connection, self._clock, _differs(call, verdict, differs))
            changed = changed_model(call, result)
            if changed is not None and not holds(connection, changed):
                append(connection, self._clock, changed)
            # An unknown effect that is looked at again is still the same call of the family.
            _count(connection, call, usage, made=int(stored != "unknown"))
            return result

    def of_run(self, run_id: str) -> Sequence[CallRecord]:
        """Return a run's calls in order."""
        query = sa.select(calls).where(calls.c.run_id == run_id).order_by(calls.c.number)
        with self._database.reading() as connection:
            return [_record(connection, row) for row in connection.execute(query).all()]


def _place(call: Call) -> dict[str, Any]:
    return {"run": call.run_id, "call": call.number}


def _claimed(connection: sa.Connection, call: Call, claim: int) -> None:
    """Make sure that nobody claimed a call's run after this claim; its row is locked."""
    claims = connection.execute(sa.select(runs.c.claims).where(runs.c.id == call.run_id)).scalar()
    if claims is not None and claims > claim:
        raise LeaseLost(f"run {call.run_id} belongs to another worker by now", run=call.run_id)


def _count(connection: sa.Connection, call: Call, usage: Usage, *, made: int) -> None:
    """Count what the family used, and that the run got on: no death before this counts any more."""
    spent = {"root": call.root_id or call.run_id, "made": made, "usd": usage.cost_usd}
    if spent["root"] == call.run_id:
        _COUNT_OWN.send(connection, spent)
        return
    _COUNT.send(connection, spent)
    connection.execute(
        sa.update(runs).where(runs.c.id == call.run_id, runs.c.deaths > 0).values(deaths=0, kills=0)
    )


def _identity(call: Call) -> dict[str, Any]:
    return {
        "key": call.key,
        "run_id": call.run_id,
        "number": call.number,
        "kind": call.kind,
        "name": call.name,
        "effect": call.effect,
        "arguments_digest": call.arguments_digest,
        "leaked": " ".join(call.leaked) or None,
    }


def _differences(connection: sa.Connection, call: Call) -> int:
    """Return of how many calls of a run it is recorded that other policies differ."""
    query = sa.select(sa.func.count()).select_from(events)
    of = (events.c.chain == f"run:{call.run_id}") & (events.c.type == "policy.differs")
    return int(connection.execute(query.where(of)).scalar_one())


def _differs(call: Call, verdict: CallVerdict, shadow: CallVerdict) -> Fact:
    data: dict[str, Json] = {
        "key": call.key,
        "call": call.number,
        "kind": call.kind,
        "name": call.name,
        "arguments": call.arguments_digest,
        "enforced": _policy(verdict),
        "shadow": _policy(shadow),
    }
    return Fact(chain=f"run:{call.run_id}", type="policy.differs", data=data)


def _policy(verdict: CallVerdict) -> dict[str, Json]:
    return {"digest": verdict.policy, "effect": verdict.effect, "rules": list(verdict.rules)}


def _finished(call: Call, result: Result, blob: str, verdict: CallVerdict) -> Fact:
    data: dict[str, Json] = {
        "key": call.key,
        "kind": call.kind,
        "name": call.name,
        "state": result_state(result),
        "decision": verdict.said,
        "arguments": call.arguments_digest,
        "result": blob,
    }
    if call.leaked:
        data["leaked"] = list(call.leaked)
    if verdict.effect:
        data["policy"] = _policy(verdict)
    return Fact(chain=f"run:{call.run_id}", type="call.finished", data=data)


def _record(connection: sa.Connection, row: sa.Row[Any]) -> CallRecord:
    try:
        payload = get_json(connection, row.result_digest)
        result = None if payload is None else result_from_json(payload)
    except (StoreCorrupt, ValueError, TypeError, LookupError) as error:
        raise JournalForeign(
            f"call {row.number} of run {row.run_id} is not on record as it was written: {error}",
            run=row.run_id,
        ) from error
    return record_of(row, result)


def record_of(row: sa.Row[Any], result: Result | None) -> CallRecord:
    """Return a row of `calls` as a record.

    Args:
        row: The row.
        result: How the call came back, as it was read; None while it is only intended.
    """
    return CallRecord(
        key=row.key,
        run_id=row.run_id,
        number=row.number,
        kind=row.kind,
        name=row.name,
        effect=row.effect,
        state=row.state,
        arguments_digest=row.arguments_digest,
        result=result,
        attempts=row.attempts,
        usage=Usage(
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            cost_usd=row.cost_usd,
        ),
        reason=row.reason or "",
        leaked=tuple((row.leaked or "").split()),
        started_at=row.started_at,
        finished_at=row.finished_at,
    )
