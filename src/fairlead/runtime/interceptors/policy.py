"""The release's policies decide every call; what no rule permits is denied."""

from __future__ import annotations

from fairlead.core.calls import Call, CallKind, Refused
from fairlead.core.errors import Denied
from fairlead.core.policy import Action, Query, retrieval_query
from fairlead.runtime.scope import RunScope, Tally

_ACTIONS: dict[CallKind, Action] = {
    "model": "generate",
    "tool": "call",
    "retrieval": "retrieve",
    "child": "start",
}
"""A step of the workflow's own code is no act on anything, so no policy is asked about it."""


def query_of(scope: RunScope, call: Call) -> Query:
    """Return what the policy is asked about a call."""
    if call.kind == "retrieval":
        return retrieval_query(scope.context.principal, scope.terms.name, call.name)
    contract = scope.rules.contracts.get(call.name) if call.kind == "tool" else None
    return Query(
        user=scope.context.principal.user,
        tenant=scope.context.principal.tenant,
        action=_ACTIONS[call.kind],
        resource=call.name,
        context={
            "workflow": scope.terms.name,
            "effect": call.effect,
            "scope": contract.scope if contract else "",
            "arguments": call.arguments if call.kind == "tool" else {},
        },
        roles=scope.context.principal.roles,
        scopes=scope.context.principal.scopes,
        issuer=scope.context.principal.issuer,
    )


def policy(scope: RunScope, call: Call, _: Tally) -> Refused | None:
    """Refuse what the policies deny."""
    if call.kind not in _ACTIONS:
        return None
    decision = scope.rules.authorizer.decide(query_of(scope, call))
    if decision.effect == "allow":
        return None
    return Refused(code=Denied.code, reason="denied by policy: " + ", ".join(decision.reasons))
