"""Before an effect an intent row: without an outcome it says that the effect may have happened.

A `once` call that was intended and has no outcome is never executed again blind; an `idempotent`
one is executed again under the same key.
"""

from __future__ import annotations

from fairlead.core.calls import Result, Unknown
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.persist import persist
from fairlead.runtime.scope import Services


async def intent_row(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Record the intent of an effect, or find out that it may have happened already."""
    call, clock = attempt.call, services.clock
    if call.effect == "read":
        return await inner(attempt, services)
    intended = await persist(clock, services.journal.find, call.key)
    if intended is None:
        await persist(clock, services.journal.intend, call, clock.now())
    elif call.effect == "once":
        reason = "a worker died while it was executed; it may or may not have happened"
        return Unknown(reason=reason), 1
    return await inner(attempt, services)
