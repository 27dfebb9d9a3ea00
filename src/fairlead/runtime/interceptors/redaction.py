"""What comes back goes into the record without secrets, and the run goes on with the same.

Known by form or by name; and by value, what the call's body could read from its vault.
"""

from __future__ import annotations

from dataclasses import replace

from fairlead.core.calls import Done, Failed, Refused, Result, cut
from fairlead.core.digests import Json
from fairlead.guardrails.content import SECRETS, redacted, without
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.scope import Services
from fairlead.runtime.vault import handed_out


async def redaction(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Ask `inner`, and take secrets out of its value, its reason and its verdicts."""
    result, tries = await inner(attempt, services)
    known = handed_out(attempt.call, attempt.scope, services.secrets)

    def clean(value: Json) -> Json:
        return redacted(without(value, known), SECRETS)[0]

    if isinstance(result, Done):
        value = clean(result.value)
        if value is not result.value:
            result = replace(result, value=value)
    else:
        # A reason is cut here and not before: of half a secret nobody can tell that it is one.
        result = replace(result, reason=cut(clean(result.reason)))
    if isinstance(result, Done | Refused | Failed) and result.checks:
        told = tuple(replace(check, reason=cut(clean(check.reason))) for check in result.checks)
        result = replace(result, checks=told)
    return result, tries
