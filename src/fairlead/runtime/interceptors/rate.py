"""Every try of a model turn or a tool takes a token, from a bucket that all workers share.

Whoever must wait has a place of its own in the queue. A short wait is spent inside the step, a
longer one is slept durably, and neither counts as a try. When the other side says that it is asked
too often, the bucket is closed for everybody.
"""

from __future__ import annotations

from dataclasses import replace

from fairlead.core.calls import Failed, Result, RetryAt
from fairlead.core.errors import RateExceeded
from fairlead.core.rates import THROTTLED, throttle_name
from fairlead.runtime.interceptors.attempt import IN_STEP_S_MAX, Attempt, Next
from fairlead.runtime.interceptors.drive import Stumble
from fairlead.runtime.persist import persist
from fairlead.runtime.scope import Services


async def rate(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Wait for a token, then ask `inner`."""
    call, clock, throttle = attempt.call, services.clock, services.throttle
    if call.kind not in THROTTLED:
        return await inner(attempt, services)
    name = throttle_name(call.kind, call.name)
    allowed = attempt.scope.rules.rate_of(call.kind, call.name)
    held, waited_s = attempt.place, 0.0
    while True:
        most_s = attempt.left_s(clock.now())
        place = await persist(clock, throttle.take, name, allowed, most_s=most_s, held=held)
        if place.granted:
            break
        if place.at is None or place.wait_s > most_s:
            return _no_place(name, place.wait_s, most_s), 0
        held, waited_s = place.at, waited_s + place.wait_s
        if waited_s > IN_STEP_S_MAX:
            reason = f"waiting for the rate of {name}"
            return RetryAt(delay_s=place.wait_s, reason=reason, place=held), 0
        await clock.pause(place.wait_s)
    try:
        return await inner(replace(attempt, place=None), services)
    except Stumble as stumble:
        if stumble.throttled:
            asked_s, let_at = stumble.retry_after_s, place.at or clock.now()
            await persist(clock, throttle.close, name, allowed, asked_s=asked_s, let_at=let_at)
        raise


def _no_place(name: str, wait_s: float, most_s: float) -> Failed:
    reason = (
        f"the rate of {name} has no place before the run's deadline: the next one is in "
        f"{wait_s:.1f} s, the deadline in {most_s:.1f} s"
    )
    return Failed(code=RateExceeded.code, reason=reason)
