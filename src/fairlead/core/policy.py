"""Decisions: what a policy says of one call."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from fairlead.core.digests import Json
from fairlead.core.identity import ANSWERERS, LOCAL_ISSUER

DecisionEffect: TypeAlias = Literal["allow", "redact", "ask", "deny"]
Point: TypeAlias = Literal["call", "recall", "start", "check"]
"""Where something is decided: at a call, before a collection is ranked, when a run is to be
started, and in a release's checks."""

_STRICTNESS: tuple[DecisionEffect, ...] = ("allow", "redact", "ask", "deny")

ASK_WITHIN_S = 86_400.0
"""How long a question stands when the rule does not say."""

ASK_WITHIN_S_MAX = 30 * 86_400.0

Action: TypeAlias = Literal["generate", "call", "retrieve", "start", "recall", "remember", "forget"]
ResourceKind: TypeAlias = Literal["Model", "Tool", "Collection", "Workflow", "Memory"]

ACTIONS: dict[Action, ResourceKind] = {
    "generate": "Model",
    "call": "Tool",
    "retrieve": "Collection",
    "start": "Workflow",
    "recall": "Memory",
    "remember": "Memory",
    "forget": "Memory",
}
"""Each action with the kind of thing that it is done to."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is to be decided.

    Attributes:
        user: Who asks.
        tenant: The asker's tenant.
        action: What is to be done.
        resource: Name of the model, tool or collection, or a kind of memory.
        context: What rules may look at; see `guardrails/decide.py`.
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


@dataclass(frozen=True, kw_only=True)
class Obligations:
    """What a decision asks for before, or besides, the call.

    Attributes:
        role: Who may answer when a person is to be asked.
        within_s: Seconds for which the question stands.
        redact: Names of fields that nobody but the tool may see: they are taken out of its result.
        asked_by: Ids of the rules that want a person to agree.
    """

    role: str = "approver"
    within_s: float = ASK_WITHIN_S
    redact: tuple[str, ...] = ()
    asked_by: tuple[str, ...] = ()

    def both(self, other: Obligations) -> Obligations:
        """Return what meets two sets of obligations: stricter role, shorter time, all fields."""
        return Obligations(
            role=max(self.role, other.role, key=_role_strictness),
            within_s=min(self.within_s, other.within_s),
            redact=tuple(sorted({*self.redact, *other.redact})),
            asked_by=tuple(dict.fromkeys((*self.asked_by, *other.asked_by))),
        )


def _role_strictness(role: str) -> int:
    """Return a role's place; one that nobody can have is left to an admin, so it stands last."""
    return next((n for n, one in enumerate(ANSWERERS) if one == role), len(ANSWERERS))


NO_OBLIGATIONS = Obligations()


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the policies say.

    Attributes:
        effect: `deny`; `ask`: a person must agree; `redact`: allowed, and fields are taken out of
            what comes back; `allow`.
        reasons: Ids of the rules that decided, or why nothing could be decided.
        policy: Digest of the policies that were asked; empty when none were.
        obligations: What `ask` and `redact` ask for.
        asked: What was decided, for the record; None when that could not be told.
    """

    effect: DecisionEffect
    reasons: tuple[str, ...]
    policy: str = ""
    obligations: Obligations = NO_OBLIGATIONS
    asked: Query | None = field(default=None, compare=False, repr=False)


def query_json(query: Query) -> dict[str, Json]:
    """Return a query as JSON for the record."""
    return {
        "user": query.user,
        "tenant": query.tenant,
        "action": query.action,
        "resource": query.resource,
        "context": query.context,
        "roles": list(query.roles),
        "scopes": None if query.scopes is None else list(query.scopes),
        "issuer": query.issuer,
    }


def query_from_json(data: Json) -> Query | None:
    """Rebuild a query from the record; None for what is no query."""
    try:
        if data["action"] not in ACTIONS or not isinstance(data["context"], dict):
            return None
        return Query(
            user=str(data["user"]),
            tenant=str(data["tenant"]),
            action=data["action"],
            resource=str(data["resource"]),
            context=data["context"],
            roles=tuple(data["roles"]),
            scopes=None if data["scopes"] is None else tuple(data["scopes"]),
            issuer=str(data["issuer"]),
        )
    except (TypeError, LookupError):
        return None


def stricter(one: Decision, other: Decision) -> Decision:
    """Return what two sets of policies say together: neither weakens the other.

    Args:
        one: The first decision; its policies' digest stays.
        other: The second.

    Returns:
        The stricter effect; of a denial the reasons for it, else those of both; and what both
        oblige to.
    """
    denied = [decision for decision in (one, other) if decision.effect == "deny"]
    reasons = [reason for decision in denied or (one, other) for reason in decision.reasons]
    return replace(
        one,
        effect=max(one.effect, other.effect, key=_STRICTNESS.index),
        reasons=tuple(dict.fromkeys(reasons)),
        obligations=one.obligations.both(other.obligations),
    )


def alike(one: Decision, other: Decision) -> bool:
    """Return whether the same follows from two decisions, whichever rules they name."""
    if one.effect != other.effect:
        return False
    # What a denial would have asked for does not matter any more.
    return one.effect == "deny" or one.obligations == other.obligations


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a rule's head says, for static checks.

    Attributes:
        id: The rule's id: its `@id` annotation, else file and position.
        effect: permit or forbid.
        actions: The actions it names; empty when it names none and so means all.
        resource: Name of the one resource it names; None when it names none.
        resource_kind: Kind of what it names, one thing or all of a kind; None when it names none.
        ask: Whether what it permits waits for a person.
        obligations: What its annotations ask for.
        principal: Whom it names, such as `in Tenant::"acme"`; None when it means everybody.
        conditional: Whether it has a `when` or an `unless`.
    """

    id: str
    effect: Literal["permit", "forbid"]
    actions: tuple[str, ...]
    resource: str | None
    resource_kind: str | None
    ask: bool = False
    obligations: Obligations = NO_OBLIGATIONS
    principal: str | None = None
    conditional: bool = True
