"""W1's answer: a refusal ends the call here, a question sends it back to ask a person.

What ends here is recorded above, and nothing is executed below. A question is recorded as the
step's result, because what follows it (a durable wait) cannot stand inside a step.
"""

from __future__ import annotations

from fairlead.core.calls import Ask, Result
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.scope import Services


async def refusal(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Return the refusal or the question, or ask `inner` when there is none."""
    ruling = attempt.before()
    if ruling.refused is not None:
        return ruling.refused, 0
    decision = ruling.decision
    if decision is not None and decision.effect == "ask" and attempt.asked is None:
        wanted = decision.obligations
        reason = ", ".join(wanted.asked_by)
        return Ask(reason=reason, role=wanted.role, within_s=wanted.within_s), attempt.tries
    return await inner(attempt, services)
