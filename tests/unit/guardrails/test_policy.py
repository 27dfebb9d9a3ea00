"""The static check of policies finds what no rule permits and what no rule needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.policy import ACTIONS, Obligations, ResourceKind, Rule
from fairlead.guardrails.policy import policy_findings, redaction_findings


def rule(ident: str = "r", **fields: Any) -> Rule:
    values: dict[str, Any] = {
        "effect": "permit",
        "actions": (),
        "resource": None,
        "resource_kind": None,
        **fields,
    }
    return Rule(id=ident, **values)


NAMES: dict[ResourceKind, list[str]] = {
    "Tool": ["refund"],
    "Collection": ["docs"],
    "Model": ["openai:m"],
    "Memory": ["semantic"],
    "Workflow": ["pay"],
}


def findings(*rules: Rule) -> list[str]:
    return policy_findings(rules, NAMES)


ALL = rule("all")


def test_nothing_is_covered_without_rules() -> None:
    assert findings() == [
        "tool refund is covered by no rule",
        "collection docs is covered by no rule",
        "model openai:m is covered by no rule",
        "memory semantic is covered by no rule",
    ]


def test_one_rule_for_everything() -> None:
    assert findings(ALL) == []


def test_one_rule_each() -> None:
    assert (
        findings(
            rule("a", actions=("call",), resource="refund", resource_kind="Tool"),
            rule("b", actions=("retrieve",)),
            rule("c", resource_kind="Model"),
            rule("d", actions=("remember",)),
        )
        == []
    )


def test_a_forbid_covers_nothing() -> None:
    assert "tool refund is covered by no rule" in findings(rule(effect="forbid"))


def test_another_action_or_tool_does_not_cover() -> None:
    other = (rule("a", actions=("retrieve",)), rule("b", resource_kind="Model"))
    found = findings(*other, rule("c", resource_kind="Memory"))
    assert found == ["tool refund is covered by no rule"]


def test_unknown_resource() -> None:
    gone = rule("old", actions=("call",), resource="refnd", resource_kind="Tool")
    assert findings(ALL, gone) == ["rule old matches nothing: there is no tool named refnd"]
    stop = rule("stop", effect="forbid", resource="wiki", resource_kind="Collection")
    assert findings(ALL, stop) == ["rule stop matches nothing: there is no collection named wiki"]


def test_a_kind_of_memory_is_covered_by_any_action_on_it() -> None:
    for action in ("recall", "remember", "forget"):
        one = rule("m", actions=(action,), resource="semantic", resource_kind="Memory")
        assert "memory semantic is covered by no rule" not in findings(one)
    other = rule("m", actions=("call", "retrieve", "generate", "start"))
    assert "memory semantic is covered by no rule" in findings(other)


def test_a_kind_of_memory_that_no_workflow_declares() -> None:
    dead = rule("old", actions=("recall",), resource="procedural", resource_kind="Memory")
    assert findings(ALL, dead) == [
        "rule old matches nothing: there is no declared kind of memory named procedural"
    ]
    misfit = rule("x", actions=("remember",), resource="refund", resource_kind="Tool")
    assert findings(ALL, misfit) == [
        "rule x matches nothing: remember is done to a Memory, never to a Tool"
    ]


def test_a_rule_on_a_workflow_needs_one_of_that_name_and_no_workflow_needs_a_rule() -> None:
    start = rule("s", actions=("start",), resource="pay", resource_kind="Workflow")
    assert findings(ALL, start) == []
    gone = rule("s", actions=("start",), resource="pya", resource_kind="Workflow")
    assert findings(ALL, gone) == ["rule s matches nothing: there is no workflow named pya"]


def test_unknown_kind() -> None:
    assert findings(ALL, rule("x", resource="a", resource_kind="Robot")) == [
        "rule x matches nothing: there is no kind of resource named Robot"
    ]


def test_unknown_action() -> None:
    assert findings(ALL, rule("x", actions=("cal",))) == [
        "rule x matches nothing: there is no action named cal"
    ]
    assert findings(ALL, rule("x", actions=("cal", "call"))) == [
        "rule x matches less than it says: there is no action named cal"
    ]


def test_action_and_resource_do_not_go_together() -> None:
    misfit = rule("x", actions=("call",), resource="docs", resource_kind="Collection")
    assert findings(ALL, misfit) == [
        "rule x matches nothing: call is done to a Tool, never to a Collection"
    ]
    half = rule("x", actions=("call", "retrieve"), resource="docs", resource_kind="Collection")
    assert findings(ALL, half) == [
        "rule x matches less than it says: call is done to a Tool, never to a Collection"
    ]


_names = st.sampled_from(["a", "b", "c"])
_rules = st.builds(
    Rule,
    id=st.text(min_size=1, max_size=3),
    effect=st.sampled_from(["permit", "forbid"]),
    actions=st.lists(st.sampled_from([*ACTIONS, "fly"]), max_size=3, unique=True).map(tuple),
    resource=st.none() | _names,
    resource_kind=st.none() | st.sampled_from([*ACTIONS.values(), "Robot"]),
)


@given(rules=st.lists(_rules, max_size=5), tools=st.frozensets(_names))
def test_one_more_permit_never_uncovers(rules: list[Rule], tools: frozenset[str]) -> None:
    def uncovered(some: list[Rule]) -> set[str]:
        found = policy_findings(some, {"Tool": tools})
        return {line for line in found if line.endswith("is covered by no rule")}

    assert uncovered([*rules, ALL]) == set()
    for count in range(len(rules)):
        assert uncovered(rules[: count + 1]) <= uncovered(rules[:count])


# ---------------------------------------------------------------------------------------- shadowed

PAY = {"actions": ("call",), "resource": "refund", "resource_kind": "Tool"}


def shadowed(*rules: Rule) -> list[str]:
    return findings(rule("cover"), *rules)


def test_a_permit_that_is_always_forbidden_permits_nothing() -> None:
    no = rule("no", effect="forbid", conditional=False, **PAY)
    assert shadowed(rule("pay", **PAY), no) == ["rule pay permits nothing: no forbids all of it"]
    wide = rule("wide", effect="forbid", conditional=False, actions=("call",))
    assert len(shadowed(rule("pay", ask=True, **PAY), wide)) == 1


def test_a_permit_beside_one_that_always_asks_changes_nothing() -> None:
    asks = rule("asks", ask=True, conditional=False, **PAY)
    (found,) = shadowed(rule("small", **PAY), asks)
    assert found.startswith("rule small changes nothing: asks asks a person about all of it")


def test_what_may_still_matter_is_no_shadow() -> None:
    no = {"effect": "forbid", "conditional": False}
    for other in (
        rule("no", effect="forbid", conditional=True, **PAY),
        rule("no", principal='in Tenant::"acme"', **no, **PAY),
        rule("no", **no, actions=("retrieve",)),
        rule("no", **no, resource="other", resource_kind="Tool"),
        rule("asks", ask=True, conditional=True, **PAY),
        rule("allows", conditional=False, **PAY),
    ):
        assert not any("nothing: " in found and other.id in found for found in shadowed(
            rule("pay", **PAY), other
        ) if "there is no" not in found), other  # fmt: skip
    redacts = rule("redacts", obligations=Obligations(redact=("iban",)), **PAY)
    assert shadowed(redacts, rule("asks", ask=True, conditional=False, **PAY)) == []
    asking = rule("two", ask=True, **PAY)
    assert shadowed(asking, rule("asks", ask=True, conditional=False, **PAY)) == []


def test_a_field_that_is_taken_out_of_a_result_must_be_in_it() -> None:
    note = {
        "type": "object",
        "properties": {"note": {"type": "string"}},
        "additionalProperties": False,
    }
    closed = {
        **note,
        "properties": {"iban": {"type": "string"}, "notes": {"type": "array", "items": note}},
    }
    hides = rule(
        "r",
        resource="refund",
        resource_kind="Tool",
        obligations=Obligations(redact=("iban", "note", "notte")),
    )
    assert redaction_findings([hides], {"refund": closed}) == [
        "rule r: @redact names notte, and the result of tool refund has no such field"
    ]
    assert redaction_findings([hides], {"refund": {"type": "object"}, "other": closed}) == []
    assert redaction_findings([replace(hides, resource=None), ALL], {"refund": closed}) == []
