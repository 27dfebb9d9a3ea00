"""What is known of an effect decides what may happen, before anything else is asked.

Under a key nothing happens twice. What is on record as done is returned. What was in flight when a
worker died is executed again when it is `idempotent`; when it is `once`, the contract's probe is
asked whether it happened, and without an answer the call is unknown and waits for a person.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from fairlead.core.calls import Done, Failed, Result, RetryAt, Unknown, uncut
from fairlead.core.errors import KeyReused
from fairlead.ports.effects import EffectRecord
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.persist import persist
from fairlead.runtime.scope import Services
from fairlead.runtime.vault import vault_of

IN_FLIGHT_S = 1.0
"""Seconds after which a run looks again whether another one has executed the same effect."""

_IN_DOUBT = "a worker died while it was executed; it may or may not have happened"


async def ledger(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Say what is known of an effect, or ask `inner` when it may be executed."""
    call = attempt.call
    if call.effect == "read":
        return await inner(attempt, services)
    known = await persist(services.clock, services.effects.find, call)
    if known is None:
        return await inner(attempt, services)
    if known.arguments_digest != call.arguments_digest:
        reason = f"key {call.key} stands in the ledger with other arguments, of run {known.run_id}"
        return Failed(code=KeyReused.code, reason=reason), attempt.tries
    settled = of_record(known)
    if settled is not None:
        return settled, attempt.tries
    if call.effect == "once" and known.state in ("intended", "unknown"):
        return await _in_doubt(attempt, services, inner, known)
    return await inner(attempt, services)


def of_record(known: EffectRecord) -> Done | RetryAt | None:
    """Return what a record settles for a call under its key; None when it settles nothing."""
    if known.in_flight:
        return RetryAt(delay_s=IN_FLIGHT_S, reason="another run executes it")
    if known.state in ("done", "reconciled"):
        return Done(value=known.result, found="ledger")
    return None


async def _in_doubt(
    attempt: Attempt, services: Services, inner: Next, known: EffectRecord
) -> tuple[Result, int]:
    """Find out whether a `once` effect happened; never repeat it blind."""
    call, scope = attempt.call, attempt.scope
    reason, tries = known.reason or _IN_DOUBT, max(attempt.tries, 1)
    probe = scope.probes.get(call.name)
    if probe is None:
        return Unknown(reason=reason), tries
    timeout_s = scope.terms.limits.call_timeout.total_seconds()
    try:
        vault = vault_of(call, scope, services.secrets)
        context = replace(scope.context, idempotency_key=known.handed_key, vault=vault)
        async with asyncio.timeout(timeout_s):
            found = await probe(context, dict(call.actual))
    except Exception as error:  # noqa: BLE001 - a probe that cannot tell leaves the effect unknown
        told = f"{type(error).__name__}: {error}"
        return Unknown(reason=uncut(f"{reason}; the probe could not tell: {told}")), tries
    if found:
        return Done(value=found[0], found="reconciled"), tries
    return await inner(replace(attempt, cleared=True), services)
