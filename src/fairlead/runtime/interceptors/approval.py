"""What a person approved is used up by exactly the call that was shown to them."""

from __future__ import annotations

from fairlead.core.calls import Refused, Result, cut
from fairlead.core.errors import ApprovalDenied, ApprovalExpired, ApprovalVoid
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.persist import persist
from fairlead.runtime.scope import Services


async def approval(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Refuse a call that a person was asked about, unless they agreed to this very call."""
    asked, call, clock = attempt.asked, attempt.call, services.clock
    if asked is None:
        return await inner(attempt, services)
    if not asked.answered:
        await persist(clock, services.approvals.expire, call.run_id, asked.wait_key)
        return Refused(code=ApprovalExpired.code, reason="nobody answered in time"), attempt.tries
    if not asked.approved:
        reason = cut(
            f"{asked.by} said no: {asked.reason}" if asked.reason else f"{asked.by} said no"
        )
        return Refused(code=ApprovalDenied.code, reason=reason), attempt.tries
    refused = await persist(
        clock, services.approvals.consume, call.run_id, call.number, asked.subject_digest
    )
    if refused:
        return Refused(code=ApprovalVoid.code, reason=refused), attempt.tries
    return await inner(attempt, services)
