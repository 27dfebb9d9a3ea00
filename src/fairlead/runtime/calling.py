"""The way back: how a decision becomes a refusal, and how a result reaches the code."""

from __future__ import annotations

from fairlead.core.calls import Call, Done, Failed, Refused, Result, Unknown
from fairlead.core.digests import Json
from fairlead.core.errors import (
    CallFailed,
    Denied,
    EffectUnknown,
    FairleadError,
    error_classes,
)
from fairlead.core.policy import Decision


def denial(decision: Decision) -> Refused | None:
    """Return the refusal that a decision is; None when it is none."""
    if decision.effect != "deny":
        return None
    return Refused(code=Denied.code, reason="denied by policy: " + ", ".join(decision.reasons))


def value_of(call: Call, result: Result) -> Json:
    """Return a call's value, or raise what its result means.

    Raises:
        FairleadError: The call was denied, failed, or its effect is unknown.
    """
    if isinstance(result, Done):
        return result.value
    ids = {"run": call.run_id, "call": call.key}
    what = f"{call.kind} {call.name}, call {call.number}"
    if isinstance(result, Unknown):
        raise EffectUnknown(f"{what}: {result.reason}", **ids)
    fallback: type[FairleadError] = Denied if isinstance(result, Refused) else CallFailed
    code = result.code if isinstance(result, Refused | Failed) else ""
    raise error_classes().get(code, fallback)(f"{what}: {result.reason}", **ids)
