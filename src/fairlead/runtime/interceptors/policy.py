"""The release's policies decide every call; what no rule permits is denied."""

from __future__ import annotations

from fairlead.core.calls import Call
from fairlead.core.policy import Decision
from fairlead.guardrails.decide import Situation, act_of
from fairlead.runtime.scope import RunScope, Tally


def policy(scope: RunScope, call: Call, tally: Tally) -> Decision | None:
    """Return what the policies say of a call; None for what they are not asked about."""
    act = act_of(call)
    if act is None:
        return None
    situation = Situation(workflow=scope.terms.name, seen=tally.flow.whole, tools=tally.tools)
    labels = tally.flow.labels_of(act.arguments)
    principal = scope.context.principal
    return scope.rules.bundle.decide("call", principal, act, labels=labels, context=situation)
