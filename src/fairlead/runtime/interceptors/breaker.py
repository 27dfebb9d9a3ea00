"""What fails again and again is left alone for a while, by all workers.

While a breaker is open, a call that changes nothing outside waits until it may be tried, when the
run's deadline allows; any other call is refused at once, so that the workflow can go another way.
"""

from __future__ import annotations

from fairlead.core.breaker import Ended, Permit
from fairlead.core.calls import Done, Failed, Result, RetryAt
from fairlead.core.errors import BreakerOpen
from fairlead.core.rates import THROTTLED, throttle_name
from fairlead.runtime.interceptors.attempt import IN_STEP_S_MAX, Attempt, Next
from fairlead.runtime.interceptors.drive import Stumble
from fairlead.runtime.persist import persist
from fairlead.runtime.scope import Services

JITTER_S_MAX = 1.0
"""Calls that waited for the same breaker come back within this time, and not all at once."""


async def breaker(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Ask `inner` when the breaker allows, and count how it ended."""
    call, clock, throttle = attempt.call, services.clock, services.throttle
    if call.kind not in THROTTLED:
        return await inner(attempt, services)
    name, terms = throttle_name(call.kind, call.name), attempt.scope.rules.breaker
    waited_s = 0.0
    while True:
        permit = await persist(clock, throttle.allow, name, terms)
        if permit.allowed:
            break
        wait_s = permit.wait_s + JITTER_S_MAX * clock.chance()
        left_s = attempt.left_s(clock.now())
        if call.effect != "read" or wait_s >= left_s:
            return _refused(name, permit, left_s), 0
        waited_s += wait_s
        if waited_s > IN_STEP_S_MAX:
            return RetryAt(delay_s=wait_s, reason=f"waiting for the breaker of {name}"), 0
        await clock.pause(wait_s)
    ended: Ended
    try:
        result, tries = await inner(attempt, services)
    except Stumble as stumble:
        ended = "neither" if stumble.throttled else "failure"
        await persist(clock, throttle.record, name, terms, permit=permit, ended=ended)
        raise
    # A final failure is an answer to this call; it says nothing of the other side's health.
    ended = "success" if isinstance(result, Done) else "neither"
    await persist(clock, throttle.record, name, terms, permit=permit, ended=ended)
    return result, tries


def _refused(name: str, permit: Permit, left_s: float) -> Failed:
    reason = (
        f"the breaker of {name} is open after too many failures, for {permit.wait_s:.1f} s more; "
        f"the run's deadline is in {left_s:.1f} s"
    )
    return Failed(code=BreakerOpen.code, reason=reason)
