"""A run's wall time is bounded: past its deadline nothing is executed any more."""

from __future__ import annotations

from fairlead.core.calls import Refused, Result
from fairlead.core.errors import DeadlineExceeded
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.scope import Services


async def deadline(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Refuse a call past the deadline."""
    late_s = 0.0 if attempt.deadline is None else services.clock.now() - attempt.deadline
    if late_s > 0:
        wall_time = attempt.scope.terms.limits.wall_time
        reason = f"the run is {late_s:.1f} s past its wall time of {wall_time}"
        return Refused(code=DeadlineExceeded.code, reason=reason), attempt.tries
    return await inner(attempt, services)
