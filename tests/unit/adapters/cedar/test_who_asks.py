"""Rules see who asks: roles, scopes and issuer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead.adapters.cedar.authorizer import compile_policies
from fairlead.core.policy import Query


@pytest.mark.parametrize(
    ("when", "allowed"),
    [
        ('principal.roles.contains("approver")', True),
        ('principal.roles.contains("admin")', False),
        ('principal has scopes && principal.scopes.contains("refunds:write")', True),
        ('principal.scopes.containsAny(["orders:read"])', False),
        ('principal.issuer == "https://id.example"', True),
        ('principal.issuer == "local"', False),
    ],
)
def test_a_rule_sees_roles_scopes_and_issuer(when: str, allowed: bool) -> None:
    text = f"permit (principal, action, resource) when {{ {when} }};"
    query = Query(
        user="ada",
        tenant="acme",
        action="call",
        resource="refund",
        roles=("approver",),
        scopes=("refunds:write",),
        issuer="https://id.example",
    )
    decision = compile_policies({"p.cedar": text}).decide(query)
    assert (decision.effect == "allow") is allowed
    assert not any(reason.startswith("error") for reason in decision.reasons)


def test_what_was_not_narrowed_has_no_scopes_and_a_role_is_not_taken_from_another_asker() -> None:
    text = 'permit (principal, action, resource) when { principal.roles.contains("admin") };'
    authorizer = compile_policies({"p.cedar": text})
    query = Query(user="ada", tenant="acme", action="call", resource="r", roles=("admin",))
    assert authorizer.decide(query).effect == "allow"
    assert authorizer.decide(replace(query, roles=())).effect == "deny"
    text = "permit (principal, action, resource) when { principal has scopes };"
    assert compile_policies({"p.cedar": text}).decide(query).effect == "deny"
