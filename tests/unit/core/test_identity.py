"""Who asks: roles, grants, and what a run keeps of both."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead import Principal
from fairlead.core.digests import canonical_json
from fairlead.core.identity import ROLES, Role, grants_json, principal_from

_words = st.text(min_size=1, max_size=20)
_principals = st.builds(
    Principal,
    user=_words,
    tenant=_words,
    roles=st.lists(st.sampled_from(ROLES), unique=True).map(tuple),
    scopes=st.none() | st.lists(_words, max_size=4).map(tuple),
    issuer=_words,
)


@pytest.mark.parametrize(
    ("grants", "scope", "may"),
    [
        (None, "refunds:write", True),
        ((), "refunds:write", False),
        ((), "", True),
        (("refunds:write",), "refunds:write", True),
        (("refunds:read",), "refunds:write", False),
        (("refunds:*",), "refunds:write", True),
        (("refunds:*",), "refunds", False),
        (("refunds:*",), "refundsother:write", False),
        (("refunds*",), "refunds:write", False),
        (("*:write",), "refunds:write", False),
        (("*",), "refunds:write", True),
        (("orders:read", "refunds:write"), "refunds:write", True),
        (("REFUNDS:WRITE",), "refunds:write", False),
    ],
)
def test_a_scope_is_granted_as_a_whole_or_by_what_it_begins_with(
    grants: tuple[str, ...] | None, scope: str, may: bool
) -> None:
    assert Principal(scopes=grants).may(scope) is may


@pytest.mark.parametrize(
    ("own", "has"),
    [
        ("viewer", {"viewer"}),
        ("operator", {"viewer", "operator"}),
        ("approver", {"viewer", "approver"}),
        ("admin", set(ROLES)),
    ],
)
def test_a_role_has_those_that_it_implies(own: Role, has: set[str]) -> None:
    assert {role for role in ROLES if Principal(roles=(own,)).acts_as(role)} == has


def test_whoever_only_states_a_name_has_no_role_and_is_not_verified() -> None:
    local = Principal()
    assert (local.roles, local.scopes, local.issuer, local.verified) == ((), None, "local", False)
    assert not any(local.acts_as(role) for role in ROLES)


@given(principal=_principals)
def test_a_snapshot_gives_the_same_principal_back(principal: Principal) -> None:
    grants = grants_json(principal)
    canonical_json(grants)
    assert principal_from(principal.user, principal.tenant, grants) == principal


def test_a_run_of_before_there_were_grants_reads_as_the_default() -> None:
    assert grants_json(Principal(user="ann", tenant="acme")) is None
    assert principal_from("ann", "acme", None) == Principal(user="ann", tenant="acme")
