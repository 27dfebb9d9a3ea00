"""W1's refusal ends the call here: recorded above, nothing executed below."""

from __future__ import annotations

from fairlead.core.calls import Result
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.scope import Services


async def refusal(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Return the refusal, or ask `inner` when nothing refused."""
    refused = attempt.before()
    if refused is not None:
        return refused, 0
    return await inner(attempt, services)
