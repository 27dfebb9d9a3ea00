"""Annotations on a permit: what waits for a person, and what is taken out of a result."""

from __future__ import annotations

import itertools

import pytest

from fairlead.adapters.cedar.authorizer import compile_policies
from fairlead.core.errors import InvalidConfig
from fairlead.core.identity import ANSWERERS
from tests.unit.adapters.cedar.test_authorizer import ALL, ask

LARGE = """@id("large") @ask("admin") @within("2h")
permit(principal, action, resource) when { context.amount > 50 };"""
HIDES = '@id("hides") @redact("iban, mail") permit(principal, action, resource);'


def test_an_annotation_makes_a_permit_wait_for_a_person() -> None:
    assert ask(ALL + LARGE, {"amount": 5}).effect == "allow"
    decision = ask(ALL + LARGE, {"amount": 51})
    assert (decision.effect, decision.reasons) == ("ask", ("all", "large"))
    assert decision.obligations.asked_by == ("large",)
    assert (decision.obligations.role, decision.obligations.within_s) == ("admin", 7200.0)


def test_the_strictest_of_several_permits_counts() -> None:
    decision = ask(ALL + HIDES)
    assert (decision.effect, decision.obligations.redact) == ("redact", ("iban", "mail"))
    decision = ask(ALL + HIDES + LARGE, {"amount": 51})
    assert (decision.effect, decision.obligations.redact) == ("ask", ("iban", "mail"))
    forbid = '@id("no") forbid(principal, action, resource);'
    assert ask(ALL + LARGE + forbid, {"amount": 51}).reasons == ("no",)


@pytest.mark.parametrize("roles", list(itertools.permutations(ANSWERERS, 2)))
def test_the_strictest_role_of_several_rules_answers(roles: tuple[str, str]) -> None:
    rules = [
        f'@id("r{n}") @ask("{role}") permit(principal, action, resource);'
        for n, role in enumerate(roles)
    ]
    obligations = ask("".join(rules)).obligations
    assert obligations.role == max(roles, key=list(ANSWERERS).index)
    assert obligations.asked_by == ("r0", "r1")


def test_an_annotation_without_a_value_asks_an_approver_for_a_day() -> None:
    decision = ask('@id("a") @ask permit(principal, action, resource);')
    assert decision.effect == "ask"
    assert (decision.obligations.role, decision.obligations.within_s) == ("approver", 86_400.0)


@pytest.mark.parametrize(
    ("annotations", "effect", "message"),
    [
        ("@aks", "permit", "there is no annotation @aks; there are: @ask"),
        ("@ask", "forbid", "@ask stands on a forbid"),
        ('@redact("a")', "forbid", "@redact stands on a forbid"),
        ('@within("2h")', "permit", "there is no @ask"),
        ('@ask @within("soon")', "permit", "@within must be from 1s to 30d"),
        ('@ask @within("31d")', "permit", "@within must be from 1s to 30d"),
        ("@ask @within", "permit", "@within must be from 1s to 30d"),
        ('@ask("aprover")', "permit", "'aprover', which answers nothing; there are: approver,"),
        ('@ask("viewer")', "permit", "'viewer', which answers nothing"),
        ("@redact", "permit", "@redact names no field"),
        ('@redact(" , ")', "permit", "@redact names no field"),
    ],
)
def test_an_annotation_that_would_say_nothing_is_refused(
    annotations: str, effect: str, message: str
) -> None:
    with pytest.raises(InvalidConfig, match=message) as error:
        rule = f'@id("x") {annotations} {effect}(principal, action, resource);'
        compile_policies({"p.cedar": rule})
    assert "rule x" in error.value.message
