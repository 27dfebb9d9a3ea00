"""Tool guardrails judge what came back, and what they say of the call is recorded with it.

This stands around the ledger and the probe too: a result is judged, wherever it comes from.
"""

from __future__ import annotations

from dataclasses import replace

from fairlead.core.calls import Done, Failed, Refused, Result
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.scope import Services
from fairlead.runtime.screening import noted, withheld


async def screen(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Ask `inner`, and let through of its result what the guardrails let through."""
    call, scope = attempt.call, attempt.scope
    if call.kind != "tool" or not scope.rails:
        return await inner(attempt, services)
    checks = attempt.noted + noted(scope, call)
    result, tries = await inner(attempt, services)
    if isinstance(result, Done):
        result = withheld(scope, call, result)
    if isinstance(result, Done | Refused | Failed):
        result = replace(result, checks=checks + result.checks)
    return result, tries
