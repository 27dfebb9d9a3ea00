"""Tries again what may pass: model turns and reads, a few times at once, then after durable waits.

Short waits are spent inside the step; a longer one is handed back as `RetryAt`, so that the run
sleeps durably and holds no thread. Waits are exponential with full jitter and honour what the
other side asks for.
"""

from __future__ import annotations

from fairlead.core.calls import Failed, Result, RetryAt, Unknown, cut
from fairlead.core.errors import CallFailed
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.interceptors.drive import Stumble
from fairlead.runtime.scope import Services

BASE_S = 0.1
IN_STEP_S_MAX = 1.0
WAIT_S_MAX = 60.0


async def retry(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Ask `inner` until it answers, its failure is final, or the tries are used up."""
    repeatable = attempt.call.effect == "read"
    allowed = attempt.scope.terms.limits.attempts if repeatable else 1
    tries = attempt.tries
    while True:
        tries += 1
        try:
            result, _ = await inner(attempt, services)
            return result, tries
        except Stumble as stumble:
            reason = cut(str(stumble))
            if attempt.call.effect == "once":
                return Unknown(reason=f"it may or may not have happened: {reason}"), tries
            if tries >= allowed:
                return Failed(code=stumble.code or CallFailed.code, reason=reason), tries
            delay_s = _delay_s(tries, services.clock.chance(), stumble.retry_after_s)
        if delay_s > IN_STEP_S_MAX:
            return RetryAt(delay_s=delay_s, reason=reason), tries
        await services.clock.pause(delay_s)


def _delay_s(tries: int, chance: float, asked_s: float | None) -> float:
    ceiling_s = min(BASE_S * 4.0 ** (tries - 1), WAIT_S_MAX)
    return min(max(ceiling_s * chance, asked_s or 0.0), WAIT_S_MAX)
