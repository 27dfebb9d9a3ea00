"""Who asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Role: TypeAlias = Literal["viewer", "operator", "approver", "admin"]

ROLES: tuple[Role, ...] = ("viewer", "operator", "approver", "admin")
"""Every role; the roles of a principal stand in this order."""

ANSWERERS: tuple[Role, ...] = ("approver", "operator", "admin")
"""The roles that a rule may ask, the least strict first.

To answer at all takes an approver, so whoever answers as an operator has both roles: each of these
satisfies those before it. A viewer answers nothing.
"""

LOCAL_ISSUER = "local"
"""The issuer of a principal that nothing vouches for: a name that was typed."""

_IMPLIED: dict[Role, frozenset[Role]] = {
    "viewer": frozenset(("viewer",)),
    "operator": frozenset(("operator", "viewer")),
    "approver": frozenset(("approver", "viewer")),
    "admin": frozenset(ROLES),
}


@dataclass(frozen=True, kw_only=True)
class Principal:
    """The user and tenant for whom a run acts; `Context.release` says what acts for them.

    Attributes:
        user: The user's id, as the caller states it or as a verified token says.
        tenant: The tenant; a run never reads another tenant's rows.
        roles: What the user may do to runs and releases, and what policies may look at.
        scopes: What was granted; None when the grants were not narrowed, as without a token.
        issuer: Who vouches for all this; `local` when nobody does.
    """

    user: str = "local"
    tenant: str = "default"
    roles: tuple[Role, ...] = ()
    scopes: tuple[str, ...] | None = None
    issuer: str = LOCAL_ISSUER

    @property
    def verified(self) -> bool:
        """Whether a token vouches for it."""
        return self.issuer != LOCAL_ISSUER

    def may(self, scope: str) -> bool:
        """Say whether a scope was granted.

        Args:
            scope: Such as `refunds:write`; empty for what needs no grant.

        Returns:
            True when nothing was narrowed, or a grant is the scope, is `refunds:*` and the scope
            begins with `refunds:`, or is `*`.
        """
        if self.scopes is None or not scope:
            return True
        return any(_covers(grant, scope) for grant in self.scopes)

    def acts_as(self, role: Role) -> bool:
        """Say whether it has a role: `admin` has all, and each role has `viewer`.

        Args:
            role: The role.
        """
        return any(role in _IMPLIED[own] for own in self.roles)


def _covers(grant: str, scope: str) -> bool:
    if grant == "*" or grant.endswith(":*"):
        return scope.startswith(grant[:-1])
    return grant == scope


def grants_json(principal: Principal) -> dict[str, Any] | None:
    """Return what a run's snapshot holds beside user and tenant; None for what is the default.

    Args:
        principal: Who asks.
    """
    if principal == Principal(user=principal.user, tenant=principal.tenant):
        return None
    return {
        "issuer": principal.issuer,
        "roles": list(principal.roles),
        "scopes": None if principal.scopes is None else list(principal.scopes),
    }


def principal_from(user: str, tenant: str, grants: Mapping[str, Any] | None) -> Principal:
    """Return a principal from a run's snapshot.

    Args:
        user: The user.
        tenant: The tenant.
        grants: What `grants_json` gave; None for the default.
    """
    if grants is None:
        return Principal(user=user, tenant=tenant)
    scopes = grants["scopes"]
    return Principal(
        user=user,
        tenant=tenant,
        roles=tuple(grants["roles"]),
        scopes=None if scopes is None else tuple(scopes),
        issuer=str(grants["issuer"]),
    )
