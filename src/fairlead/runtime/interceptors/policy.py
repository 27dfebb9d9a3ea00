"""The release's policies decide every call; what no rule permits is denied."""

from __future__ import annotations

from fairlead.core.calls import Call
from fairlead.core.policy import Decision
from fairlead.guardrails.decide import Situation, act_of
from fairlead.runtime.scope import RunScope, Tally

_TOOL = "tool:"


def policy(scope: RunScope, call: Call, tally: Tally) -> Decision | None:
    """Return what the policies say of a call; None for what they are not asked about."""
    act = act_of(call)
    if act is None:
        return None
    seen = tally.flow.whole
    # What a parent, a child or an earlier turn got from a tool is known by where it comes from.
    told = {one.removeprefix(_TOOL) for one in seen.origins if one.startswith(_TOOL)}
    situation = Situation(workflow=scope.terms.name, seen=seen, tools=tally.tools | told)
    labels = tally.flow.labels_of(act.arguments)
    principal = scope.context.principal
    return scope.rules.bundle.decide("call", principal, act, labels=labels, context=situation)
