"""Before an effect an intent row, under the run's fence and right before the body.

Without an outcome it says that the effect may have happened.
"""

from __future__ import annotations

from dataclasses import replace

from fairlead.core.calls import Failed, Result, Unknown, cut
from fairlead.core.errors import KeyReused, LeaseLost
from fairlead.ports.engine import Suspended
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.interceptors.ledger import of_record
from fairlead.runtime.persist import persist
from fairlead.runtime.scope import Services


async def intent(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Record the intent of an effect, and hand its key to the body."""
    call, scope, clock = attempt.call, attempt.scope, services.clock
    if call.effect == "read":
        return await inner(attempt, services)
    if not scope.seat.held():
        # Before the rows: what is not executed leaves no doubt.
        raise Suspended(f"the lease lapsed before {call.name} was intended")
    tenant, fence, now = scope.context.principal.tenant, scope.seat.fence, clock.now()
    try:
        await persist(clock, services.journal.intend, call, now)
        before, handed = await persist(
            clock,
            services.effects.intend,
            call,
            tenant,
            fence,
            at=now,
            cleared=attempt.cleared,
        )
    except KeyReused as error:
        return Failed(code=error.code, reason=cut(error.message)), 0
    except LeaseLost as error:
        raise Suspended(str(error)) from error
    if before is not None and not attempt.cleared:
        # Another run may have been faster since the ledger was asked.
        settled = of_record(before)
        if settled is not None:
            return settled, 0
        if call.effect == "once" and before.state in ("intended", "unknown"):
            return Unknown(reason="another run executed it and did not say how it ended"), 0
    return await inner(replace(attempt, handed_key=handed), services)
