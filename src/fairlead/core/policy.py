"""Decisions: what a policy says of one call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from fairlead.core.digests import Json
from fairlead.core.identity import LOCAL_ISSUER, Principal

Action: TypeAlias = Literal["generate", "call", "retrieve", "start"]
ResourceKind: TypeAlias = Literal["Model", "Tool", "Collection", "Workflow"]

ACTIONS: dict[Action, ResourceKind] = {
    "generate": "Model",
    "call": "Tool",
    "retrieve": "Collection",
    "start": "Workflow",
}
"""Each action with the kind of thing that it is done to."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is to be decided.

    Attributes:
        user: Who asks.
        tenant: The asker's tenant.
        action: What is to be done.
        resource: Name of the model, tool or collection.
        context: What rules may look at: workflow, effect, scope, arguments.
        roles: The asker's roles.
        scopes: What was granted to the asker; None when nothing was narrowed.
        issuer: Who vouches for the asker.
    """

    user: str
    tenant: str
    action: Action
    resource: str
    context: dict[str, Json] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] | None = None
    issuer: str = LOCAL_ISSUER


def retrieval_query(principal: Principal, workflow: str, collection: str) -> Query:
    """Return what is asked before a principal may read a collection.

    Args:
        principal: Who asks.
        workflow: The workflow that asks for the principal.
        collection: What is to be read.
    """
    context = {"workflow": workflow, "effect": "read", "scope": "", "arguments": {}}
    return Query(
        user=principal.user,
        tenant=principal.tenant,
        action="retrieve",
        resource=collection,
        context=context,
        roles=principal.roles,
        scopes=principal.scopes,
        issuer=principal.issuer,
    )


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the policy says.

    Attributes:
        effect: allow or deny.
        reasons: Ids of the rules that decided, or why nothing could be decided.
    """

    effect: Literal["allow", "deny"]
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a rule's head says, for static checks.

    Attributes:
        id: The rule's id: its `@id` annotation, else file and position.
        effect: permit or forbid.
        actions: The actions it names; empty when it names none and so means all.
        resource: Name of the one resource it names; None when it names none.
        resource_kind: Kind of what it names, one thing or all of a kind; None when it names none.
    """

    id: str
    effect: Literal["permit", "forbid"]
    actions: tuple[str, ...]
    resource: str | None
    resource_kind: str | None
