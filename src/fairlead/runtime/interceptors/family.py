"""A run and its children share the oldest one's steps and money.

What the others used is known to the database alone, so this stands inside the step, where its
answer is recorded; the check of a run's own use stands before it.
"""

from __future__ import annotations

from fairlead.core.calls import Refused, Result
from fairlead.core.errors import CostExceeded, StepsExceeded
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.persist import persist
from fairlead.runtime.scope import Services


async def family(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Refuse the call after the last one that the family's limits allow."""
    if not attempt.shared:
        return await inner(attempt, services)
    shared = attempt.scope.family
    spent = await persist(services.clock, services.runs.spent, shared.root_id)
    if spent.calls >= shared.limits.steps:
        reason = f"run {shared.root_id} and its children have made {shared.limits.steps} calls"
        return Refused(code=StepsExceeded.code, reason=reason), attempt.tries
    if spent.cost_usd > 0 and spent.cost_usd >= shared.limits.cost_usd:
        reason = (
            f"run {shared.root_id} and its children have spent {spent.cost_usd:.4f} of "
            f"{shared.limits.cost_usd:.4f} USD"
        )
        return Refused(code=CostExceeded.code, reason=reason), attempt.tries
    return await inner(attempt, services)
