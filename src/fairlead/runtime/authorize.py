"""Admitted -> Authorized: which collections this principal may read."""

from __future__ import annotations

from fairlead.core.policy import retrieval_query
from fairlead.core.request import Admitted, Authorized
from fairlead.ports.authorizer import Authorizer


def readable(
    admitted: Admitted, authorizer: Authorizer, collections: tuple[str, ...]
) -> tuple[str, ...]:
    """Return those collections that the policies let the principal read."""
    principal = admitted.context.principal
    return tuple(
        collection
        for collection in collections
        if authorizer.decide(retrieval_query(principal, admitted.terms.name, collection)).effect
        == "allow"
    )


def authorize(admitted: Admitted, authorizer: Authorizer) -> Authorized:
    """Find out what may be read before anything is ranked.

    The boundary decides each call again; this stage makes the filter that the store applies.
    """
    recall = admitted.terms.recall
    names = (recall.collection,) if recall else ()
    return Authorized(admitted=admitted, collections=readable(admitted, authorizer, names))
