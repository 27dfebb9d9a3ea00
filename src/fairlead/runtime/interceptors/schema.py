"""A call's arguments fit the schema of its contract."""

from __future__ import annotations

from fairlead.core.calls import Call, Refused, cut
from fairlead.core.errors import ArgumentsInvalid
from fairlead.runtime.scope import RunScope, Tally

ARGUMENTS_BYTES_MAX = 1_000_000
"""Largest arguments of a retrieval; a model turn's are counted in tokens, see `context`."""


def schema(scope: RunScope, call: Call, _: Tally) -> Refused | None:
    """Refuse arguments that do not fit the pinned schema, or that are beyond any bound."""
    if call.kind == "model":
        return None
    check = scope.rules.arguments.get(call.name) if call.kind == "tool" else None
    finding = check.finding(call.arguments) if check else _bounds(call)
    if finding is None:
        return None
    return Refused(code=ArgumentsInvalid.code, reason=cut(finding))


def _bounds(call: Call) -> str | None:
    size = len(str(call.arguments))
    if size > ARGUMENTS_BYTES_MAX:
        return f"the arguments have {size} characters; the limit is {ARGUMENTS_BYTES_MAX}"
    return None
