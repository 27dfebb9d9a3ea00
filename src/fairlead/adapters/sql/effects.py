"""The ledger of effects on SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.blobs import get_json, put_json
from fairlead.adapters.sql.database import Database, serialize
from fairlead.adapters.sql.dispatch import held
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.schema import effects, runs
from fairlead.adapters.sql.waits import lock_run, resolve
from fairlead.core.calls import Call, Done, Failed, Result, Unknown, result_to_json
from fairlead.core.digests import Json
from fairlead.core.errors import (
    ArgumentsInvalid,
    BreakerOpen,
    EffectSettled,
    GuardrailEscalated,
    InvalidInput,
    KeyReused,
    RateExceeded,
    ResultNotJson,
    ResultTooLarge,
    ResultWithheld,
    SecretMissing,
    ToolAsksAgain,
    ToolFailed,
    UnknownEffectKey,
)
from fairlead.core.event import Fact
from fairlead.ports.clock import Clock
from fairlead.ports.dispatch import Fence
from fairlead.ports.effects import EffectRecord
from fairlead.ports.runs import Order

_NOTHING_DONE = frozenset(
    (
        ToolAsksAgain.code,
        ToolFailed.code,
        SecretMissing.code,
        BreakerOpen.code,
        RateExceeded.code,
        InvalidInput.code,
        ArgumentsInvalid.code,
    )
)
"""Codes of failures that say that the body did nothing outside."""

_DONE_ALL_THE_SAME = frozenset(
    (
        ResultNotJson.code,
        ResultTooLarge.code,
        ResultWithheld.code,
        GuardrailEscalated.code,
    )
)
"""Codes of failures that say that the body returned, and the run did not get what it returned."""

_FIND = sa.select(effects).where(effects.c.key == sa.bindparam("of"))
_LOCK = _FIND.with_for_update()


class SqlEffectsLedger:
    """Keeps effects, each change with its event."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def find(self, call: Call) -> EffectRecord | None:
        """Return what is known of a call's effect; None when nothing is."""
        known = {"of": call.key}
        with self._database.glance() as connection:
            row = connection.execute(_FIND, known).first()
        if row is None:
            # By far the most frequent case; what is there is read again, as one view.
            return None
        with self._database.reading() as connection:
            row = connection.execute(_FIND, known).first()
            if row is None:
                return None
            in_flight = _in_flight(connection, row, call)
            return replace(_record(connection, row), in_flight=in_flight)

    def intend(
        self,
        call: Call,
        tenant: str,
        fence: Fence,
        *,
        at: float | None = None,
        cleared: bool = False,
    ) -> tuple[EffectRecord | None, str]:
        """Record that an effect is about to happen, unless what is known forbids it."""
        with self._database.transaction() as connection:
            held(connection, call.run_id, fence)
            # Another run may intend the same business key at this moment.
            serialize(connection, f"effect:{call.key}")
            row = _row(connection, call.key)
            now = self._clock.now() if at is None else at
            if row is None:
                connection.execute(
                    sa.insert(effects).values(
                        key=call.key,
                        run_id=call.run_id,
                        number=call.number,
                        claim=fence.claim,
                        tool=call.name,
                        tenant=tenant,
                        effect=call.effect,
                        state="intended",
                        arguments_digest=call.arguments_digest,
                        payload_digest=put_json(connection, call.arguments, now),
                        undone=0,
                        reason="",
                        by="",
                        intended_at=now,
                    )
                )
                append(connection, self._clock, _intended(call, call.key))
                return None, call.key
            before = _record(connection, row)
            if at is not None and _same_try(row, call, fence, at):
                return None, before.handed_key
            if _in_flight(connection, row, call):
                before = replace(before, in_flight=True)
            if before.arguments_digest != call.arguments_digest:
                raise KeyReused(
                    f"key {call.key} of {call.name} stands in the ledger with other arguments, "
                    f"from run {before.run_id}",
                    run=call.run_id,
                    effect=call.key,
                )
            doubtful = before.state == "unknown" or (
                before.state == "intended" and call.effect == "once"
            )
            settled = before.state in ("done", "reconciled") or before.in_flight
            if settled or (doubtful and not cleared):
                return before, before.handed_key
            mine = {"claim": fence.claim, "run_id": call.run_id, "number": call.number}
            return before, self._again(connection, call, before, {**mine, "intended_at": now})

    def _again(
        self, connection: sa.Connection, call: Call, before: EffectRecord, mine: dict[str, Any]
    ) -> str:
        undone = before.undone + (before.state == "compensated")
        connection.execute(
            sa.update(effects)
            .where(effects.c.key == call.key)
            .values(
                state="intended",
                undone=undone,
                reason="",
                result_digest=None,
                finished_at=None,
                **mine,
            )
        )
        handed = f"{call.key}~{undone}" if undone else call.key
        append(connection, self._clock, _intended(call, handed))
        return handed

    def undo(self, key: str) -> None:
        """Record that an effect was compensated."""
        with self._database.transaction() as connection:
            row = _row(connection, key)
            if row is None or row.state == "compensated":
                return
            connection.execute(
                sa.update(effects).where(effects.c.key == key).values(state="compensated")
            )
            fact = _fact(row.run_id, "effect.compensated", {"key": key, "tool": row.tool})
            append(connection, self._clock, fact)

    def of_run(self, run_id: str) -> Sequence[EffectRecord]:
        """Return the effects that a run intended, in the order of its calls."""
        query = sa.select(effects).where(effects.c.run_id == run_id).order_by(effects.c.number)
        with self._database.reading() as connection:
            return [_record(connection, row) for row in connection.execute(query).all()]

    def list(
        self, *, state: str | None = None, tenant: str | None = None, limit: int = 100
    ) -> Sequence[EffectRecord]:
        """Return effects, oldest first, of one tenant or of all."""
        query = sa.select(effects).order_by(effects.c.intended_at, effects.c.key).limit(limit)
        if state is not None:
            query = query.where(effects.c.state == state)
        if tenant is not None:
            query = query.where(effects.c.tenant == tenant)
        with self._database.reading() as connection:
            return [_record(connection, row) for row in connection.execute(query).all()]

    def resolve(self, key: str, happened: bool, result: Json, order: Order) -> EffectRecord:
        """Record what a person found out about an unknown effect, and wake the run that waits."""
        like = sa.select(effects.c.key, effects.c.run_id)
        with self._database.transaction() as connection:
            found = connection.execute(like.where(effects.c.key == key)).all()
            if not found and key:
                prefixed = effects.c.key.startswith(key, autoescape=True)
                found = connection.execute(like.where(prefixed).limit(2)).all()
            if len(found) != 1:
                what = "no effect has" if not found else "more than one effect has"
                raise UnknownEffectKey(f"{what} the key {key!r}", effect=key)
            # The run's row first, as the run itself does when it looks at its effect again.
            lock_run(connection, found[0].run_id)
            row = _row(connection, found[0].key)
            assert row is not None, "effects are not removed while they are unknown"
            if row.state != "unknown":
                message = f"effect {row.key} is {row.state}, not unknown"
                raise EffectSettled(message, effect=row.key)
            now = self._clock.now()
            state = "reconciled" if happened else "failed"
            found_out = result_to_json(Done(value=result, found="reconciled"))
            connection.execute(
                sa.update(effects)
                .where(effects.c.key == row.key, effects.c.state == "unknown")
                .values(
                    state=state,
                    result_digest=put_json(connection, found_out, now) if happened else None,
                    reason=order.reason,
                    by=order.by,
                    finished_at=now,
                )
            )
            data = {"key": row.key, "tool": row.tool, "happened": happened, **order.fact()}
            append(connection, self._clock, _fact(row.run_id, "effect.reconciled", data))
            answer = {"happened": happened}
            resolve(connection, "effect", row.key, answer=answer, now=self._database.now_sql())
            again = _row(connection, row.key)
            assert again is not None, "it was just updated"
            return _record(connection, again)


def settle(
    connection: sa.Connection,
    clock: Clock,
    call: Call,
    result: Result,
    *,
    kept: str,
    now: sa.ColumnElement[float],
) -> None:
    """Write a call's result to its effect, inside the transaction that records the call.

    Args:
        connection: A writing transaction.
        clock: Time and ids.
        call: A call with an effect.
        result: How it came back; a refusal changes nothing.
        kept: Digest of the payload that holds the result.
        now: The database's own time.
    """
    values: dict[str, Any] = {"finished_at": clock.now()}
    if isinstance(result, Done):
        if result.found == "ledger":
            return
        reconciled = result.found == "reconciled"
        values["state"] = "reconciled" if reconciled else "done"
        values["result_digest"] = kept
        values["reason"] = ""
    elif isinstance(result, Unknown | Failed):
        values["state"] = _state_after(call, result)
        values["reason"] = result.reason
    else:
        return
    # What somebody found out is not overwritten by a worker that comes late; a result is.
    open_states = ("intended", "unknown") if isinstance(result, Done) else ("intended",)
    mine = (effects.c.key == call.key) & effects.c.state.in_(open_states)
    if isinstance(result, Failed):
        # A call that was refused under another run's key says nothing of that run's effect.
        mine &= effects.c.run_id == call.run_id
    updated = connection.execute(sa.update(effects).where(mine).values(**values))
    if not updated.rowcount or not isinstance(result, Done):
        return
    # Whoever waits to be told has been told: by its own worker, which comes late.
    resolve(connection, "effect", call.key, answer={"happened": True}, now=now)
    if result.found == "reconciled":
        data = {"key": call.key, "tool": call.name, "happened": True, "by": "probe", "reason": ""}
        append(connection, clock, _fact(call.run_id, "effect.reconciled", data))


def _state_after(call: Call, result: Unknown | Failed) -> str:
    """Return what is known of an effect whose call did not return a value.

    An error that the body did not declare may come from before or after the effect; only for a
    `once` effect does it matter which.
    """
    if isinstance(result, Unknown):
        return "unknown"
    if result.code in _DONE_ALL_THE_SAME:
        return "done"
    return "failed" if call.effect != "once" or result.code in _NOTHING_DONE else "unknown"


def _intended(call: Call, handed: str) -> Fact:
    data = {"key": handed, "kind": call.kind, "name": call.name, "effect": call.effect}
    return _fact(call.run_id, "call.intended", data)


def _fact(run_id: str, type: str, data: dict[str, Json]) -> Fact:
    return Fact(chain=f"run:{run_id}", type=type, data=data)


def _same_try(row: sa.Row[Any], call: Call, fence: Fence, at: float) -> bool:
    """Whether a row is the one that this try wrote: it was committed, and the answer was lost."""
    return bool(
        (row.state, row.run_id, row.number, row.claim, row.intended_at)
        == ("intended", call.run_id, call.number, fence.claim, at)
    )


def _in_flight(connection: sa.Connection, row: sa.Row[Any], call: Call) -> bool:
    """Whether another run executes an effect under the claim with which it intended it."""
    if row.state != "intended" or row.run_id == call.run_id:
        return False
    alive = sa.select(runs.c.id).where(
        runs.c.id == row.run_id,
        runs.c.claims == row.claim,
        runs.c.worker_id.is_not(None),
        runs.c.state == "running",
    )
    return connection.execute(alive).first() is not None


def _row(connection: sa.Connection, key: str) -> sa.Row[Any] | None:
    return connection.execute(_LOCK, {"of": key}).first()


def _record(connection: sa.Connection, row: sa.Row[Any]) -> EffectRecord:
    return EffectRecord(
        key=row.key,
        run_id=row.run_id,
        number=row.number,
        tool=row.tool,
        tenant=row.tenant,
        effect=row.effect,
        state=row.state,
        arguments_digest=row.arguments_digest,
        arguments=get_json(connection, row.payload_digest),
        result=(get_json(connection, row.result_digest) or {}).get("value"),
        undone=row.undone,
        reason=row.reason,
        by=row.by,
        intended_at=row.intended_at,
        finished_at=row.finished_at,
    )
