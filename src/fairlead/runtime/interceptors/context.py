"""A model turn's input is counted before anything is sent."""

from __future__ import annotations

from fairlead.core.calls import Call, Refused
from fairlead.core.errors import ContextExceeded
from fairlead.core.limits import estimated_tokens
from fairlead.runtime.scope import RunScope, Tally


def context(scope: RunScope, call: Call, _: Tally) -> Refused | None:
    """Refuse a model turn whose messages and definitions are larger than the limit."""
    if call.kind != "model":
        return None
    tokens, most = estimated_tokens(call.arguments), scope.terms.limits.context_tokens
    if tokens <= most:
        return None
    reason = f"the input has about {tokens} tokens; limits.context_tokens is {most}"
    return Refused(code=ContextExceeded.code, reason=reason)
