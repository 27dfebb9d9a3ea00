"""A call's arguments fit the schema of its contract."""

from __future__ import annotations

from fairlead.core.calls import Call, Refused, uncut
from fairlead.core.errors import ArgumentsInvalid
from fairlead.runtime.scope import RunScope, Tally


def schema(scope: RunScope, call: Call, _: Tally) -> Refused | None:
    """Refuse arguments that are beyond the bounds, or that do not fit the pinned schema."""
    if call.excess:
        reason = f"the arguments have {call.excess}, which is the limit"
        return Refused(code=ArgumentsInvalid.code, reason=reason)
    check = scope.rules.arguments.get(call.name) if call.kind == "tool" else None
    finding = check.finding(call.actual) if check else None
    if finding is None:
        return None
    return Refused(code=ArgumentsInvalid.code, reason=uncut(finding))
