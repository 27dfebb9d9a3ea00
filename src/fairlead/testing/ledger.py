"""A fake of the ledger of effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from fairlead.core.calls import Call, Done, Failed, Result, Unknown
from fairlead.core.digests import Json
from fairlead.core.errors import (
    CallFailed,
    EffectSettled,
    GuardrailEscalated,
    KeyReused,
    ResultNotJson,
    ResultWithheld,
    UnknownEffectKey,
)
from fairlead.ports.clock import Clock
from fairlead.ports.dispatch import Fence
from fairlead.ports.effects import EffectRecord, EffectState
from fairlead.ports.runs import Order
from fairlead.testing.durable import FakeWaits, held


@dataclass
class FakeEffects:
    """Keeps effects in a dict by key, by the rules of the real ledger.

    Attributes:
        clock: Time.
        records: Every effect, by key.
        waits: Where a run waits for somebody to find out; None wakes nobody.
        living: Runs that are executed at this moment, beside the one that asks.
        owners: Under which claim each run is executed; a run that is not here is anybody's.
    """

    clock: Clock
    records: dict[str, EffectRecord] = field(default_factory=dict)
    waits: FakeWaits | None = None
    living: set[str] = field(default_factory=set)
    owners: dict[str, Fence] = field(default_factory=dict)

    def find(self, call: Call) -> EffectRecord | None:
        """Return what is known of a call's effect; None when nothing is."""
        known = self.records.get(call.key)
        if known is None:
            return None
        elsewhere = known.state == "intended" and known.run_id in self.living - {call.run_id}
        return replace(known, in_flight=elsewhere)

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
        held(self.owners, call.run_id, fence)
        before = self.find(call)
        if before is None:
            self.records[call.key] = EffectRecord(
                key=call.key,
                run_id=call.run_id,
                number=call.number,
                tool=call.name,
                tenant=tenant,
                effect=call.effect,
                state="intended",
                arguments_digest=call.arguments_digest,
                arguments=call.arguments,
                intended_at=self.clock.now() if at is None else at,
            )
            return None, call.key
        if before.arguments_digest != call.arguments_digest:
            raise KeyReused(f"key {call.key} stands in the ledger with other arguments")
        in_doubt = before.state == "intended" and call.effect == "once"
        doubtful = before.state == "unknown" or in_doubt
        settled = before.state in ("done", "reconciled") or before.in_flight
        if settled or (doubtful and not cleared):
            return before, before.handed_key
        self.records[call.key] = replace(
            before,
            state="intended",
            run_id=call.run_id,
            number=call.number,
            undone=before.undone + (before.state == "compensated"),
            reason="",
            result=None,
        )
        return before, self.records[call.key].handed_key

    def settle(self, call: Call, result: Result) -> None:
        """Write a call's result to its effect, as the journal does in its own transaction."""
        before = self.records.get(call.key)
        if before is None or (isinstance(result, Done) and result.found == "ledger"):
            return
        # What somebody found out is not overwritten by a worker that comes late.
        late = before.state not in ("intended", "unknown")
        if isinstance(result, Done) and not late:
            state: EffectState = "reconciled" if result.found == "reconciled" else "done"
            self.records[call.key] = replace(before, state=state, result=result.value, reason="")
        elif isinstance(result, Unknown | Failed) and before.state == "intended":
            state = _state_after(call, result)
            self.records[call.key] = replace(before, state=state, reason=result.reason)

    def undo(self, key: str) -> None:
        """Record that an effect was compensated."""
        if key in self.records:
            self.records[key] = replace(self.records[key], state="compensated")

    def of_run(self, run_id: str) -> Sequence[EffectRecord]:
        """Return the effects that a run intended, in the order of its calls."""
        found = (record for record in self.records.values() if record.run_id == run_id)
        return sorted(found, key=lambda record: record.number)

    def list(
        self, *, state: str | None = None, tenant: str | None = None, limit: int = 100
    ) -> Sequence[EffectRecord]:
        """Return effects, oldest first, of one tenant or of all."""
        found = [one for one in self.records.values() if state in (None, one.state)]
        return [one for one in found if tenant in (None, one.tenant)][:limit]

    def resolve(self, key: str, happened: bool, result: Json, order: Order) -> EffectRecord:
        """Record what a person found out about an unknown effect."""
        if key not in self.records:
            raise UnknownEffectKey(key)
        before = self.records[key]
        if before.state != "unknown":
            raise EffectSettled(key)
        state: EffectState = "reconciled" if happened else "failed"
        self.records[key] = replace(
            before,
            state=state,
            result=result if happened else None,
            by=order.by,
            reason=order.reason,
        )
        if self.waits is not None:
            self.waits.answer("effect", key, {"happened": happened})
        return self.records[key]


def _state_after(call: Call, result: Unknown | Failed) -> EffectState:
    """Return what is known of an effect whose call did not return a value."""
    if isinstance(result, Unknown):
        return "unknown"
    if result.code in (ResultNotJson.code, ResultWithheld.code, GuardrailEscalated.code):
        return "done"
    return "unknown" if call.effect == "once" and result.code == CallFailed.code else "failed"
