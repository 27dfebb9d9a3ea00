"""A decision asks only the rules that match, and hands over only what they read: as all would."""

from __future__ import annotations

from typing import Any

import cedarpy
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.policy import ACTIONS
from tests.unit.adapters.cedar.test_authorizer import ask

HEADS = (
    "principal, action, resource",
    'principal, action == Action::"call", resource',
    'principal, action in [Action::"call", Action::"start"], resource == Tool::"refund"',
    "principal, action, resource is Tool",
    'principal in Tenant::"acme", action, resource in Tool::"refund"',
    'principal, action, resource == Model::"refund"',
    'principal == User::"ann", action, resource is Tool in Tool::"other"',
)
BODIES = (
    "",
    "when { context has a && context.a == 1 }",
    "when { context.b.c }",
    "unless { context.b has c && context.b.c }",
    "when { context == {a: 1} }",
    "when { context.b == {c: true} }",
    'when { resource == Tool::"refund" && context.b has d }',
)
_rules = st.builds(
    "{} ({}) {};".format, st.sampled_from(["permit", "forbid"]), st.sampled_from(HEADS),
    st.sampled_from(BODIES),
)  # fmt: skip
_b = st.fixed_dictionaries({}, optional={"c": st.booleans(), "d": st.integers(0, 1)})
_small = st.fixed_dictionaries({}, optional={"a": st.integers(0, 2), "b": _b})


@given(
    st.lists(_rules, max_size=4),
    _small,
    st.sampled_from(sorted(ACTIONS)),
    st.sampled_from(["refund", "other", "third"]),
)
def test_the_rules_that_match_and_what_they_read_decide_as_all_would(
    rules: list[str], context: dict[str, Any], action: Any, resource: str
) -> None:
    decision = ask("".join(rules), context, action=action, resource=resource)
    whole = cedarpy.is_authorized(
        {
            "principal": {"type": "User", "id": "ann"},
            "action": {"type": "Action", "id": action},
            "resource": {"type": ACTIONS[action], "id": resource},
            "context": context,
        },
        "".join(rules),
        [
            {
                "uid": {"type": "User", "id": "ann"},
                "attrs": {"tenant": "acme"},
                "parents": [{"type": "Tenant", "id": "acme"}],
            }
        ],
    )
    allowed = whole.decision is cedarpy.Decision.Allow and not whole.diagnostics.errors
    assert decision.effect == ("allow" if allowed else "deny")
    errors = [reason for reason in decision.reasons if reason.startswith("error: ")]
    assert len(errors) == len(set(whole.diagnostics.errors))
