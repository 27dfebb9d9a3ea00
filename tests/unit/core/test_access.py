"""Which role each verb needs, and who may answer an approval."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead import Principal
from fairlead.core.access import VERBS, permit, permit_answer, permit_role
from fairlead.core.errors import FourEyes, RoleMissing, TokenMissing
from fairlead.core.identity import ANSWERERS, ROLES, Role
from fairlead.core.policy import Obligations

ASKER = Principal(user="bob", tenant="acme", issuer="https://id.example")
GUARDED = sorted(verb for verb, need in VERBS.items() if need in ROLES)


def ada(*roles: Role, tenant: str = "acme", user: str = "ada") -> Principal:
    return Principal(user=user, tenant=tenant, roles=roles, scopes=(), issuer="fairlead")


def test_without_a_token_the_user_of_the_machine_may_do_everything() -> None:
    for verb in VERBS:
        permit(None, verb, required=False)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_where_identity_is_required_nothing_is_done_without_a_token(verb: str) -> None:
    if VERBS[verb] in ("open", "key"):
        permit(None, verb, required=True)
    else:
        with pytest.raises(TokenMissing):
            permit(None, verb, required=True)


@pytest.mark.parametrize("verb", GUARDED)
@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_it_needs_and_no_more(verb: str, role: Role) -> None:
    allowed = {
        "viewer": {"viewer"},
        "operator": {"viewer", "operator"},
        "approver": {"viewer", "approver"},
        "admin": set(ROLES),
    }
    if VERBS[verb] in allowed[role]:
        permit(ada(role), verb, required=True)
    else:
        with pytest.raises(RoleMissing, match=str(VERBS[verb])):
            permit(ada(role), verb, required=True)


def test_a_token_without_a_role_may_start_a_run_and_do_nothing_else() -> None:
    permit(ada(), "run", required=True)
    for verb in GUARDED:
        with pytest.raises(RoleMissing, match="ada has no role"):
            permit(ada(), verb, required=False)


def test_only_an_admin_signs_tokens_with_a_token() -> None:
    permit(ada("admin"), "token create", required=True)
    with pytest.raises(RoleMissing):
        permit(ada("operator", "approver"), "token create", required=False)


def test_invariant_12_a_verb_that_is_in_no_table_is_refused() -> None:
    for principal in (None, ada("admin")):
        with pytest.raises(RoleMissing):
            permit(principal, "runs explode", required=False)


@pytest.mark.parametrize("answerer", [None, ada("approver"), ada("admin", tenant="globex")])
def test_who_may_answer_an_approval(answerer: Principal | None) -> None:
    permit_answer(answerer, asker=ASKER, starters=(), four_eyes=False)


def test_another_tenants_approver_may_not_answer() -> None:
    with pytest.raises(RoleMissing, match="globex"):
        permit_answer(ada("approver", tenant="globex"), asker=ASKER, starters=(), four_eyes=False)


FOUR_EYES = [
    pytest.param(ada("approver"), ASKER, (), None, id="another person"),
    pytest.param(ada("approver", user="bob"), ASKER, (), "bob started", id="the same"),
    pytest.param(ada("admin", user="bob"), ASKER, (), "bob started", id="an admin is a person too"),
    pytest.param(ada("approver"), ASKER, ("ada",), "ada started", id="who forked it"),
    pytest.param(None, ASKER, (), "who answers", id="nobody knows who answers"),
    pytest.param(
        ada("approver"), Principal(user="bob", tenant="acme"), (), "who started", id="nor who asks"
    ),
]


@pytest.mark.parametrize(("answerer", "asker", "starters", "why"), FOUR_EYES)
def test_whoever_starts_a_run_does_not_agree_to_its_calls(
    answerer: Principal | None, asker: Principal, starters: tuple[str, ...], why: str | None
) -> None:
    if why is None:
        permit_answer(answerer, asker=asker, starters=starters, four_eyes=True)
    else:
        with pytest.raises(FourEyes, match=why):
            permit_answer(answerer, asker=asker, starters=starters, four_eyes=True)
    permit_answer(answerer, asker=asker, starters=starters, four_eyes=False)


def test_a_rule_may_ask_for_a_role_of_its_own() -> None:
    """Without a token the user of this machine may; an admin may always."""
    permit_role(None, "admin", what="approval a1")
    permit_role(ada("approver"), "approver", what="approval a1")
    permit_role(ada("admin"), "treasurer", what="approval a1")
    refused: list[tuple[Role, str]] = [
        ("approver", "admin"),
        ("operator", "approver"),
        ("approver", "unknown"),
    ]
    for role, wanted in refused:
        with pytest.raises(RoleMissing, match=f"approval a1 needs the role {wanted}"):
            permit_role(ada(role), wanted, what="approval a1")


@given(
    st.sets(st.sampled_from(ROLES)),
    st.lists(st.sampled_from(ANSWERERS), min_size=1, max_size=3),
)
def test_whoever_answers_for_several_rules_may_answer_each(
    own: set[Role], asked: list[Role]
) -> None:
    def may(role: str) -> bool:
        who = ada(*sorted(own))
        try:
            permit(who, "approvals approve", required=True)
            permit_role(who, role, what="approval a1")
        except RoleMissing:
            return False
        return True

    together = reduce(Obligations.both, (Obligations(role=role) for role in asked))
    assert may(together.role) == all(may(role) for role in asked)
