"""Tries again what may pass: what is safe to repeat, a few times at once, then after durable waits.

Short waits are spent inside the step; a longer one is handed back as `RetryAt`, so that the run
sleeps durably and holds no thread. Waits are exponential with full jitter and honour what the
other side asks for. Tries are bounded by number and by the run's deadline. What is asked too often
waits in its bucket, with everybody else, and not here.
"""

from __future__ import annotations

from dataclasses import replace

from fairlead.core.calls import Failed, Result, RetryAt, Unknown, uncut
from fairlead.core.errors import CallFailed
from fairlead.runtime.interceptors.attempt import IN_STEP_S_MAX, Attempt, Next
from fairlead.runtime.interceptors.drive import Stumble
from fairlead.runtime.scope import Services

BASE_S = 0.1
WAIT_S_MAX = 60.0
"""Longest wait of our own; the other side may ask for a longer one."""


async def retry(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Ask `inner` until it answers, its failure is final, or tries or time are used up."""
    call, clock = attempt.call, services.clock
    allowed = 1 if call.effect == "once" else attempt.scope.terms.limits.attempts
    tries = attempt.tries
    while True:
        try:
            result, executed = await inner(attempt, services)
            # A wait for its turn has executed nothing, and is no try.
            return result, tries + executed
        except Stumble as stumble:
            tries += 1
            code, reason = stumble.code or CallFailed.code, uncut(str(stumble))
            if call.effect == "once":
                return Unknown(reason=f"it may or may not have happened: {reason}"), tries
            if tries >= allowed:
                return Failed(code=code, reason=reason), tries
            attempt = replace(attempt, place=None)
            if stumble.throttled:
                continue
            delay_s = _delay_s(tries, clock.chance(), stumble.retry_after_s)
        left_s = attempt.left_s(clock.now())
        if delay_s >= left_s:
            late = (
                f"the next try would be in {delay_s:.1f} s, the run's deadline is in {left_s:.1f} s"
            )
            return Failed(code=code, reason=f"{late}: {reason}"), tries
        if delay_s > IN_STEP_S_MAX:
            return RetryAt(delay_s=delay_s, reason=reason), tries
        await clock.pause(delay_s)


def _delay_s(tries: int, chance: float, asked_s: float | None) -> float:
    ceiling_s = min(BASE_S * 4.0 ** (tries - 1), WAIT_S_MAX)
    return max(ceiling_s * chance, asked_s or 0.0)
