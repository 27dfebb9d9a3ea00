"""The policy interceptor on real policies: what cannot be decided is denied."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fairlead import Principal
from fairlead.adapters.cedar.authorizer import compile_policies
from fairlead.core.calls import Call
from fairlead.runtime.calling import denial
from fairlead.runtime.interceptors import policy
from fairlead.runtime.scope import Tally
from fairlead.testing import FakeAuthorizer
from tests.unit.runtime.test_boundary import Bench

CALL = Call(
    run_id="r1",
    number=1,
    kind="tool",
    name="once",
    arguments={"amount": 5},
    effect="once",
    lineage="root",
)


def decide(text: str | None, **values: Any) -> str | None:
    """Return why the policies refuse the call, or None when they allow it."""
    scope = Bench().scope
    policies = {} if text is None else {"policies/p.cedar": text}
    bundle = replace(scope.rules.bundle, authorizer=compile_policies(policies))
    rules = replace(scope.rules, bundle=bundle)
    decision = policy(replace(scope, rules=rules), replace(CALL, **values), Tally())
    assert decision is not None
    refused = denial(decision)
    assert refused is None or refused.code == "FL-500"
    return refused and refused.reason


ALL = "permit (principal, action, resource);"
SMALL = ALL.replace(";", " when { context.arguments.amount < 10 };")
UNDECIDED = [
    pytest.param(None, {}, id="no policy"),
    pytest.param("", {}, id="no rule"),
    pytest.param(ALL.replace("action,", 'action == Action::"generate",'), {}, id="another action"),
    pytest.param(SMALL, {"arguments": {}}, id="the argument is missing"),
    pytest.param(SMALL, {"arguments": {"amount": "5"}}, id="the argument is text"),
    pytest.param(SMALL, {"arguments": {"amount": 5.5}}, id="the argument is a fraction"),
    pytest.param(SMALL, {"arguments": {"amount": 2**80}}, id="the argument is too large"),
    pytest.param(SMALL, {"arguments": {"amount": None}}, id="the argument is null"),
    pytest.param(SMALL, {"arguments": []}, id="there are no names"),
    pytest.param(
        f"{ALL} forbid (principal, action, resource) when {{ context.arguments.note == 1 }};",
        {},
        id="a prohibition that cannot be decided",
    ),
]


@pytest.mark.parametrize(("text", "values"), UNDECIDED)
def test_invariant_12_what_cannot_be_decided_is_denied(
    text: str | None, values: dict[str, Any]
) -> None:
    assert decide(text, **values)


def test_what_a_rule_permits_is_allowed_unless_another_one_forbids_it() -> None:
    assert decide(ALL) is None
    assert decide(SMALL) is None
    forbid = '@id("stop") forbid (principal, action, resource);'
    assert "stop" in str(decide(ALL + forbid))


def test_a_rule_sees_the_call() -> None:
    for condition in (
        'context.effect == "once"',
        'context.scope == "s"',
        'context.workflow == "w"',
        "context.arguments.amount == 5",
    ):
        assert decide(ALL.replace(";", f" when {{ {condition} }};")) is None, condition


def test_the_policies_see_who_asks_as_the_runs_admission_found_them() -> None:
    scope = Bench().scope
    asker = Principal(roles=("approver",), scopes=("a:b",), issuer="fairlead")
    scope = replace(scope, context=replace(scope.context, principal=asker))
    for kind in ("tool", "retrieval"):
        policy(scope, replace(CALL, kind=kind), Tally())
        authorizer = scope.rules.bundle.authorizer
        assert isinstance(authorizer, FakeAuthorizer)
        query = authorizer.asked[-1]
        assert (query.roles, query.scopes, query.issuer) == (("approver",), ("a:b",), "fairlead")
