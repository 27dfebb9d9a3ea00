"""A run that goes round in a circle is stopped, whatever its own code does about it."""

from __future__ import annotations

from fairlead.core.calls import Call, Refused
from fairlead.core.errors import LoopDetected
from fairlead.core.loops import loop_of
from fairlead.runtime.scope import RunScope, Tally


def loop(scope: RunScope, call: Call, tally: Tally) -> Refused | None:
    """Refuse the tool call that goes on with a loop, and every call after it."""
    if tally.stopped is not None:
        return tally.stopped
    if call.kind != "tool":
        return None
    found = loop_of(tally.recent, call.arguments_digest, scope.terms.limits.repeats)
    return None if found is None else Refused(code=LoopDetected.code, reason=found)
