"""What a call may use is reserved before it is executed, from every budget that concerns it.

It is reserved once for a call, whatever is tried again or taken over, and settled in the
transaction that records the outcome. What a failed try used is noted at once.
"""

from __future__ import annotations

from fairlead.core.amounts import NANO, Amount
from fairlead.core.budget import CHARGED, OUTPUT_TOKENS, Asker, Charge, charges_of
from fairlead.core.calls import Call, Refused, Result, cut
from fairlead.core.errors import BudgetExhausted
from fairlead.core.limits import estimated_tokens
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.interceptors.drive import Stumble
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
    going_in, coming_out = estimated_tokens(call.arguments), _output_tokens(call, scope)
    cost_usd = services.prices.cost_usd(call.name, input_tokens=going_in, output_tokens=coming_out)
    return Amount(
        calls=1,
        tokens=going_in + coming_out,
        nano_usd=round((cost_usd or 0.0) * NANO),
        ms=ms,
    )


def _output_tokens(call: Call, scope: RunScope) -> int:
    asked = call.arguments.get("settings") if isinstance(call.arguments, dict) else None
    for settings in (asked, scope.terms.model_settings):
        most = settings.get("max_tokens") if isinstance(settings, dict) else None
        if isinstance(most, int) and most > 0:
            return most
    return OUTPUT_TOKENS
