"""What a token's claims must say, whom they name, and what a local token may say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead import Principal
from fairlead.core.errors import FairleadError, InvalidInput
from fairlead.core.tokens import ClaimTerms, Grant, claims_of, principal_of

NOW = 1_800_000_000.0
TERMS = ClaimTerms(issuer="https://id.example", audience="fairlead", leeway_s=30.0)
GOOD: dict[str, Any] = {
    "iss": "https://id.example",
    "aud": ["other", "fairlead"],
    "sub": "ada",
    "tenant": "acme",
    "roles": ["admin", "everybody at work", "viewer"],
    "scope": "refunds:write orders:*",
    "iat": NOW - 60,
    "nbf": NOW - 60,
    "exp": NOW + 60,
}
FOREIGN, EXPIRED, UNREADABLE = "FL-536", "FL-535", "FL-531"


def principal(**claims: Any) -> Principal:
    given = {name: value for name, value in {**GOOD, **claims}.items() if value is not ...}
    return principal_of(given, TERMS, NOW)


def test_claims_name_a_principal() -> None:
    assert principal() == Principal(
        user="ada",
        tenant="acme",
        roles=("viewer", "admin"),
        scopes=("refunds:write", "orders:*"),
        issuer="https://id.example",
    )


def test_what_is_not_said_is_not_granted() -> None:
    found = principal(scope=..., roles=...)
    assert (found.roles, found.scopes) == ((), ())
    assert not found.may("refunds:write")


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"iss": "https://evil.example"}, FOREIGN),
        ({"iss": ...}, FOREIGN),
        ({"aud": "other"}, FOREIGN),
        ({"aud": ...}, FOREIGN),
        ({"aud": ["fair", "lead"]}, FOREIGN),
        ({"aud": {"fairlead": 1}}, FOREIGN),
        ({"exp": NOW - 30}, EXPIRED),
        ({"nbf": NOW + 31}, EXPIRED),
        ({"iat": NOW + 31}, EXPIRED),
        ({"exp": ...}, UNREADABLE),
        ({"exp": "soon"}, UNREADABLE),
        ({"exp": True}, UNREADABLE),
        ({"exp": float("nan")}, UNREADABLE),
        ({"exp": 10**400}, UNREADABLE),
        ({"nbf": []}, UNREADABLE),
        ({"sub": ...}, UNREADABLE),
        ({"sub": ""}, UNREADABLE),
        ({"sub": "a\nb"}, UNREADABLE),
        ({"sub": "x" * 201}, UNREADABLE),
        ({"sub": 7}, UNREADABLE),
        ({"sub": "ada\u202e"}, UNREADABLE),
        ({"sub": "a\u200bda"}, UNREADABLE),
        ({"sub": "ada "}, UNREADABLE),
        ({"tenant": "\u00a0acme"}, UNREADABLE),
        ({"tenant": ...}, UNREADABLE),
        ({"tenant": " "}, UNREADABLE),
        ({"scope": {"a": 1}}, UNREADABLE),
        ({"scope": [1]}, UNREADABLE),
        ({"scope": [f"s:{n}" for n in range(101)]}, UNREADABLE),
        ({"roles": 7}, UNREADABLE),
    ],
)
def test_claims_that_do_not_fit_are_refused(claims: dict[str, Any], code: str) -> None:
    with pytest.raises(FairleadError) as error:
        principal(**claims)
    assert error.value.code == code


@pytest.mark.parametrize("claims", [{"exp": NOW - 29}, {"nbf": NOW + 30}, {"iat": NOW + 30}])
def test_clocks_may_differ_a_little(claims: dict[str, float]) -> None:
    assert principal(**claims).user == "ada"


def test_claims_may_have_other_names_and_stand_in_tables() -> None:
    terms = ClaimTerms(
        issuer="https://id.example",
        audience="fairlead",
        user="email",
        tenant="org.id",
        roles="https://id.example/roles",
        scopes="scp",
    )
    claims = {
        **GOOD,
        "email": "ada@example",
        "org": {"id": "acme"},
        "https://id.example/roles": "operator",
        "scp": ["a:b"],
    }
    found = principal_of(claims, terms, NOW)
    assert (found.user, found.tenant, found.roles) == ("ada@example", "acme", ("operator",))
    assert found.scopes == ("a:b",)


_any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(claims=st.dictionaries(st.sampled_from(sorted(GOOD)), _any, max_size=4))
def test_whatever_claims_say_gives_a_principal_or_an_error_with_a_code(
    claims: dict[str, Any],
) -> None:
    try:
        found = principal(**claims)
    except FairleadError as error:
        assert error.code in (FOREIGN, EXPIRED, UNREADABLE)
    else:
        assert found.issuer == "https://id.example"
        assert found.scopes is not None


@given(
    lifetime_s=st.floats(min_value=1, max_value=86_400),
    scopes=st.lists(st.sampled_from(["a:b", "a:*", "*"]), unique=True).map(tuple),
)
def test_what_a_local_token_says_is_read_again(lifetime_s: float, scopes: tuple[str, ...]) -> None:
    grant = Grant(
        user="ada", tenant="acme", roles=("approver",), scopes=scopes, lifetime_s=lifetime_s
    )
    claims = claims_of(grant, audience="fairlead", now=NOW, id="t1", lifetime_max_s=86_400)
    terms = ClaimTerms(issuer="fairlead", audience="fairlead")
    found = principal_of(claims, terms, NOW)
    assert found == Principal(
        user="ada", tenant="acme", roles=("approver",), scopes=scopes, issuer="fairlead"
    )
    with pytest.raises(FairleadError, match="expired"):
        principal_of(claims, terms, NOW + lifetime_s + terms.leeway_s)


@pytest.mark.parametrize(
    "grant",
    [
        {"lifetime_s": 86_401},
        {"lifetime_s": 0},
        {"lifetime_s": float("nan")},
        {"user": ""},
        {"tenant": "a\x00"},
        {"scopes": ("a b",)},
        {"scopes": ("",)},
        {"scopes": ("a",) * 101},
    ],
)
def test_invariant_11_a_local_token_is_bounded(grant: dict[str, Any]) -> None:
    wanted = Grant(**{"user": "ada", "tenant": "acme", **grant})
    with pytest.raises(InvalidInput):
        claims_of(wanted, audience="fairlead", now=NOW, id="t1", lifetime_max_s=86_400)


@pytest.mark.parametrize("name", ["ada\u202e", "a\u200bda", "ada ", " ada", "\u2003ada", ""])
def test_a_name_that_looks_like_another_one_is_not_signed(name: str) -> None:
    for grant in (Grant(user=name, tenant="acme"), Grant(user="ada", tenant=name)):
        with pytest.raises(FairleadError, match="visible characters") as error:
            claims_of(grant, audience="fairlead", now=NOW, id="1", lifetime_max_s=1e6)
        assert error.value.code == "FL-004"
