"""What an operator stopped is not executed, on any worker and in runs that have begun long ago.

It is looked at twice: before a call uses anything up, and again when it has waited for its turn.
An effect of which something is known is let through to the ledger, which says what became of it;
whether it is executed again is decided at the second look.
"""

from __future__ import annotations

from fairlead.core.calls import Call, Failed, Refused, Result
from fairlead.core.errors import KillSwitchPulled
from fairlead.core.kill import Kill, Target, stopping
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.persist import persist
from fairlead.runtime.scope import RunScope, Services


async def kill_switch(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Refuse a call that is stopped, or ask `inner`."""
    kill = await stopping_now(attempt.scope, services, attempt.call)
    if kill is None or await _known(attempt, services):
        return await inner(attempt, services)
    return Refused(code=KillSwitchPulled.code, reason=kill.text), attempt.tries


async def kill_switch_again(
    attempt: Attempt, services: Services, inner: Next
) -> tuple[Result, int]:
    """Execute nothing that was stopped while the call waited, or ask `inner`."""
    kill = await stopping_now(attempt.scope, services, attempt.call)
    if kill is None:
        return await inner(attempt, services)
    # After a failed try nobody can say that nothing was executed.
    if attempt.tries or attempt.meter.begun or await _known(attempt, services):
        return Failed(code=KillSwitchPulled.code, reason=kill.text), 0
    return Refused(code=KillSwitchPulled.code, reason=kill.text), 0


async def stopping_now(
    scope: RunScope, services: Services, call: Call | None = None
) -> Kill | None:
    """Return the switch that stops a run, or one call of it; None when there is none.

    Args:
        scope: The run.
        services: Where switches are read.
        call: The call; None for what the run does and that is no call.
    """
    kills = await services.switches.kills()
    if not kills:
        return None
    context = scope.context
    target = Target(
        app=scope.rules.app,
        workflow=context.workflow,
        release=context.release,
        tenant=context.principal.tenant,
    )
    return stopping(kills, target, call)


async def _known(attempt: Attempt, services: Services) -> bool:
    """Whether something is known of the call's effect: then it may have happened."""
    if attempt.call.effect == "read":
        return False
    return await persist(services.clock, services.effects.find, attempt.call) is not None
