"""The release's policies decide every call; what no rule permits is denied."""

from __future__ import annotations

from functools import reduce

from fairlead.core.calls import Call
from fairlead.core.policy import Decision, stricter
from fairlead.guardrails.decide import Situation, acts_of
from fairlead.runtime.scope import RunScope, Tally

_TOOL = "tool:"


def policy(scope: RunScope, call: Call, tally: Tally) -> Decision | None:
    """Return what the policies say of a call; None for what they are not asked about."""
    acts = acts_of(call)
    if not acts:
        return None
    given = call.actual if call.kind in ("tool", "memory") else {}
    if call.kind == "memory":
        # Its kinds are declared: the run has them from nobody.
        given = {name: value for name, value in given.items() if name != "kinds"}
    labels, situation = tally.flow.labels_of(given), situation_of(scope, tally)
    principal, decide = scope.context.principal, scope.rules.bundle.decide
    decisions = (decide("call", principal, act, labels=labels, context=situation) for act in acts)
    return reduce(stricter, decisions)


def situation_of(scope: RunScope, tally: Tally) -> Situation:
    """Return what a run is at, as rules see it."""
    seen = tally.flow.whole
    # What a parent, a child or an earlier turn got from a tool is known by where it comes from.
    told = {one.removeprefix(_TOOL) for one in seen.origins if one.startswith(_TOOL)}
    return Situation(workflow=scope.terms.name, seen=seen, tools=tally.tools | told)
