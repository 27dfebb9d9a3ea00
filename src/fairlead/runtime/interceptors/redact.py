"""What a rule's `@redact` names is taken out of a result, before it is recorded or seen."""

from __future__ import annotations

from dataclasses import replace

from fairlead.core.calls import Done, Result
from fairlead.guardrails.fields import without_fields
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.scope import Services


async def redact(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Take fields out of the value that `inner` returns."""
    result, tries = await inner(attempt, services)
    decision = attempt.before().decision
    fields = decision.obligations.redact if decision else ()
    if fields and isinstance(result, Done):
        result = replace(result, value=without_fields(result.value, fields))
    return result, tries
