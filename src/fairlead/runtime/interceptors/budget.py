"""What a call may use is reserved before it is executed, from every budget that concerns it.

It is reserved once for a call, whatever is tried again or taken over, and settled in the
transaction that records the outcome. What a failed try used is noted at once.
"""

from __future__ import annotations

from fairlead.core.amounts import NANO, Amount
from fairlead.core.budget import CHARGED, Asker, Charge, charges_of
from fairlead.core.calls import Call, Refused, Result, cut
from fairlead.core.errors import BudgetExhausted
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.interceptors.drive import Stumble
from fairlead.runtime.interceptors.turn import turn_cost_usd, turn_tokens
from fairlead.runtime.persist import persist
from fairlead.runtime.scope import RunScope, Services


async def budget(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Refuse a call for which there is not enough left, or reserve for it and ask `inner`."""
    call, scope, clock = attempt.call, attempt.scope, services.clock
    charges = _charges(call, scope, services)
    if not charges:
        return await inner(attempt, services)
    worker_id, forced = scope.seat.fence.worker_id, attempt.undoing
    short = await persist(clock, services.budgets.reserve, call, charges, worker_id, forced=forced)
    if short is not None:
        return Refused(code=BudgetExhausted.code, reason=cut(short.reason)), 0
    try:
        return await inner(attempt, services)
    except Stumble as stumble:
        meter = attempt.meter
        charged = call.kind == "model" and stumble.code in CHARGED
        await persist(clock, services.budgets.note, call, busy_s=meter.busy_s, charged=charged)
        meter.busy_s = 0.0
        raise


def _charges(call: Call, scope: RunScope, services: Services) -> tuple[Charge, ...]:
    if not scope.rules.budgets:
        return ()
    asker = Asker(
        app=scope.rules.app,
        workflow=scope.terms.name,
        tenant=scope.context.principal.tenant,
        root_id=scope.family.root_id,
    )
    return charges_of(scope.rules.budgets, asker, call, _need(call, scope, services))


def _need(call: Call, scope: RunScope, services: Services) -> Amount:
    """Return the most that a call is expected to use."""
    ms = round(scope.terms.limits.call_timeout.total_seconds() * 1000)
    if call.kind != "model":
        return Amount(calls=1, ms=ms)
    cost_usd = turn_cost_usd(call, scope, services)
    return Amount(
        calls=1,
        tokens=sum(turn_tokens(call, scope)),
        nano_usd=round((cost_usd or 0.0) * NANO),
        ms=ms,
    )
