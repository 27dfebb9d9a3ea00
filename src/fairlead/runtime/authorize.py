"""Admitted -> Authorized: which collections this principal may read."""

from __future__ import annotations

from fairlead.core.request import Admitted, Authorized
from fairlead.guardrails.decide import Act, Bundle, Situation


def readable(admitted: Admitted, bundle: Bundle, collections: tuple[str, ...]) -> tuple[str, ...]:
    """Return those collections that the policies do not deny to the principal.

    Where a rule asks a person, the retrieval itself waits for the answer.
    """
    principal, situation = admitted.context.principal, Situation(workflow=admitted.terms.name)
    return tuple(
        name
        for name in collections
        if bundle.decide(
            "recall", principal, Act(action="retrieve", resource=name), labels={}, context=situation
        ).effect
        != "deny"
    )


def authorize(admitted: Admitted, bundle: Bundle) -> Authorized:
    """Find out what may be read before anything is ranked.

    The boundary decides each call again; this stage makes the filter that the store applies.
    """
    recall = admitted.terms.recall
    names = (recall.collection,) if recall else ()
    return Authorized(admitted=admitted, collections=readable(admitted, bundle, names))
