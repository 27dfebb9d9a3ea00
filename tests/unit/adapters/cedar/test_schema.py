"""Rules are held against the contracts: what cannot be is found, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.adapters.cedar.authorizer import CedarAuthorizer, _entities, compile_policies
from fairlead.adapters.cedar.schema import cedar_schema
from fairlead.adapters.cedar.values import context_of
from fairlead.core.declared import Declared, declared_by
from fairlead.core.facts import CONTEXT_FACTS, declared_facts
from fairlead.core.identity import Principal
from fairlead.core.policy import Decision, Query
from fairlead.core.release import ToolContract
from fairlead.guardrails.decide import Act, Bundle, Situation
from fairlead.testing import FakeAuthorizer


def contract(name: str, properties: dict[str, Any], *required: str, **fields: Any) -> ToolContract:
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
    values: dict[str, Any] = {
        "description": "",
        "effect": "once",
        "scope": "money:write",
        "targets": (),
        **fields,
    }
    return ToolContract(name=name, parameters=parameters, **values)


TEXT, WHOLE, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
PAY = contract(
    "pay",
    {
        "order": TEXT,
        "amount": {"anyOf": [NUMBER, TEXT]},
        "count": WHOLE,
        "note": {"anyOf": [TEXT, {"type": "null"}]},
        "free": {},
        "kind": {"enum": ["full", "part"]},
        "tags": {"type": "array", "items": TEXT},
        "to": {"type": "object", "properties": {"city": TEXT}, "required": ["city"]},
    },
    "order",
    "amount",
    "kind",
    "to",
    egress=True,
)
MAIL = contract("mail", {"to": TEXT, "count": TEXT}, "to")
CONTRACTS = {"pay": PAY, "mail": MAIL}
ON_PAY = 'permit (principal, action == Action::"call", resource == Tool::"pay")'
ON_ANY = 'permit (principal, action == Action::"call", resource)'
ON_ALL = "permit (principal, action, resource)"
A = "context.arguments"


def findings(condition: str, head: str = ON_PAY, clause: str = "when") -> list[str]:
    text = f'@id("r") {head} {clause} {{ {condition} }};'
    compiled = compile_policies({"p.cedar": text})
    return list(compiled.findings(CONTRACTS, workflows=("refund",)))


FINE = [
    f'{A}.order == "5"',
    f'decimal({A}.amount).lessThan(decimal("50.0"))',
    f"{A} has count && {A}.count > 5",
    f'{A} has note && {A}.note like "a*"',
    f'{A}.kind == "full" || {A}.kind == "part"',
    f'{A}.to.city == "Vell"',
    f'{A} has tags && {A}.tags.contains("x")',
    f'["full"].contains({A}.kind)',
    f"!([].contains({A}.kind))",
    f'{A} has free && {A}.free.any > 4 && {A}.order == "5"',
    f'{A}.free == 5 || decimal({A}.free.x).lessThan(decimal("1.0"))',
    'context.effect == "once" && context.egress && context.scope == "money:write"',
    'context.workflow == "refund"',
    'context.targets.integrity == "trusted" && context.seen.private',
    'context.seen.tools.contains("mail") && context.seen.origins.contains("tool:any")',
    'principal.tenant == "acme" && principal in Tenant::"acme"',
    'context.point == "call"',
    'principal.roles.contains("approver") || principal.issuer == "local"',
    'resource == Tool::"pay"',
]


@pytest.mark.parametrize("condition", FINE)
def test_what_can_be_is_no_finding(condition: str) -> None:
    assert findings(condition) == []


FAULTS = [
    (f"{A}.ordre == \"5\"", "there is no context.arguments.ordre when the action is call"),
    ("context.efect == \"once\"", "there is no context.efect when the action is call"),
    ("context.seen.privat", "there is no context.seen.privat"),
    ('principal.tenat == "acme"', "`tenat` on entity type `User` not found"),
    (f"{A}.count > 5", "context.arguments.count may be missing: write `context.arguments has"),
    (f"{A}.amount > 5", "expected Long but saw String"),
    (f'{A}.order == 5', "Long and String are not compatible"),
    (f'{A}.order == "1" || {A}.count == 4', "context.arguments.count may be missing"),
    (f'{A} has count && decimal({A}.count).lessThan(decimal("5.0"))', "expected String but saw"),
    (f'decimal({A}.amuont).lessThan(decimal("5.0"))', "there is no context.arguments.amuont"),
    (f'{A} has tags && {A}.tags.contains(4)', "Long and String are not compatible"),
    (f'{A}.kind == "whole"', "context.arguments.kind is never 'whole'; there are: full, part"),
    ('context.effect == "onec"', "context.effect is never 'onec'; there are: read, idem"),
    ('context.workflow == "refnd"', "context.workflow is never 'refnd'; there are: refund"),
    ('context.seen.tools.contains("mial")', "context.seen.tools never holds 'mial'; there are: m"),
    ('principal.roles.contains("aprover")', "principal.roles never holds 'aprover'; there are: vi"),
    ('resource == Tool::"pya"', 'resource is never Tool::"pya": there is no tool of that name'),
    ('action == Action::"fly"', "unrecognized action"),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "expected"), FAULTS)
def test_what_cannot_be_is_found(condition: str, expected: str) -> None:
    assert any(expected in found for found in findings(condition)), findings(condition)
    assert all(found.startswith("rule r") for found in findings(condition))


NEVER = [
    "false",
    f"{A} has nope",
    'context.effect == "read"',
    "!context.egress",
    "principal is Tenant",
    f'{A}.order == "1" && {A}.order == "2"',
    "context.seen.private && !context.seen.private",
    f'{A}.kind == "full" && {A} has nope',
]


@pytest.mark.parametrize("condition", NEVER)
def test_a_condition_that_is_never_true_is_found(condition: str) -> None:
    never = "rule r never applies: its conditions are never true for tool pay"
    assert findings(condition) == [never]
    assert findings(f"!({condition})", clause="unless") == [never]
    assert findings(condition, clause="unless") == []


def test_a_rule_on_no_tool_is_held_against_what_is_known_of_all() -> None:
    assert findings('context.effect == "read"', ON_ANY) == []
    assert "may be missing" in findings(f'{A}.order == "1"', ON_ANY)[0]
    assert findings(f'{A} has order && {A}.order == "1"', ON_ANY) == []
    assert findings(f'{A} has order && {A}.order == "1"', ON_ALL) == []
    # The two tools do not agree on what it is, so nothing can be said of it.
    assert findings(f"{A} has count && {A}.count > 5", ON_ANY) == []
    (found,) = findings("context.egres", ON_ALL)
    actions = "call or forget or generate or recall or remember or retrieve or start"
    assert found == f"rule r: there is no context.egres when the action is {actions}"


def test_a_head_that_matches_nothing_is_found_elsewhere() -> None:
    for head in (
        'permit (principal, action == Action::"call", resource == Tool::"nobody")',
        'permit (principal, action == Action::"call", resource == Model::"m")',
        'permit (principal, action == Action::"fly", resource)',
    ):
        assert findings("context.nope", head) == []


# ------------------------------------------------------------------------- facts and their schema


def test_the_facts_of_a_decision_are_those_of_the_schema() -> None:
    """One list: what a decision fills in, and what a check of rules knows."""
    authorizer = FakeAuthorizer()
    bundle = Bundle(contracts=CONTRACTS, authorizer=authorizer)
    act = Act(action="call", resource="pay", arguments={"order": "1"})
    bundle.decide("call", Principal(), act, labels={}, context=Situation(workflow="refund"))
    (query,) = authorizer.asked
    assert list(query.context) == [fact.name for fact in CONTEXT_FACTS]
    declared = declared_facts(declared_by(PAY.parameters)).fields
    for name, value in query.context.items():
        if name != "arguments":
            assert fits(value, declared[name]), name


def fits(value: Any, declared: Declared) -> bool:
    if declared.kind == "record":
        names = value.keys() == declared.fields.keys() == declared.required
        return names and all(fits(value[name], one) for name, one in declared.fields.items())
    if declared.kind == "list":
        assert declared.item is not None
        return all(fits(one, declared.item) for one in value)
    if declared.values and value not in declared.values:
        return False
    return isinstance(value, bool if declared.kind == "flag" else str)


_scalars = st.sampled_from(
    [
        (TEXT, st.text(max_size=5)),
        (WHOLE, st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9).map(float)),
        (NUMBER, st.floats(allow_nan=False, allow_infinity=False) | st.integers()),
        ({"type": "boolean"}, st.booleans()),
        ({"enum": ["a", "b"]}, st.sampled_from(["a", "b"])),
        ({"anyOf": [NUMBER, TEXT]}, st.integers() | st.text(max_size=3)),
    ]
)


def _arrays(inner: Any) -> Any:
    schema, values = inner
    return {"type": "array", "items": schema}, st.lists(values, max_size=3)


def _objects(parts: dict[str, tuple[Any, bool, bool]]) -> Any:
    properties, required, optional = {}, {}, {}
    for name, ((schema, values), needed, nullable) in parts.items():
        properties[name] = {"anyOf": [schema, {"type": "null"}]} if nullable else schema
        (required if needed else optional)[name] = st.none() | values if nullable else values
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
    return schema, st.fixed_dictionaries(required, optional=optional)


def _fields(shapes: Any) -> Any:
    names = st.text("abcxyz _", min_size=1, max_size=4)
    one = st.tuples(shapes, st.booleans(), st.booleans())
    return st.dictionaries(names, one, max_size=4).map(_objects)


_shapes = st.recursive(_scalars, lambda inner: inner.map(_arrays) | _fields(inner), max_leaves=6)


class Validated(CedarAuthorizer):
    """Policies that are asked with a schema, which refuses a request that does not fit it."""

    schema: dict[str, Any]

    def _decide(self, query: Query) -> Decision:
        request = {
            "principal": {"type": "User", "id": query.user},
            "action": {"type": "Action", "id": query.action},
            "resource": {"type": "Tool", "id": query.resource},
            "context": context_of(query.context) | {"an open field": True},
        }
        entities = _entities(query)
        made = cedarpy.is_authorized(request, "", entities, schema=self.schema)
        assert made.diagnostics.errors == [], made.diagnostics.errors
        return Decision(effect="allow", reasons=())


@settings(max_examples=150)
@given(_fields(_shapes), st.data())
def test_what_fits_a_contract_fits_its_schema(shape: Any, data: Any) -> None:
    parameters, values = shape
    tool = ToolContract(
        name="t", description="", effect="read", scope="", targets=(), parameters=parameters
    )
    authorizer = Validated([], [])
    authorizer.schema = cedar_schema({"t": tool}, "t")
    bundle = Bundle(contracts={"t": tool}, authorizer=authorizer)
    act = Act(action="call", resource="t", arguments=data.draw(values))
    decision = bundle.decide("call", Principal(), act, labels={}, context=Situation(workflow="w"))
    assert decision.effect == "allow", (decision, json.dumps(parameters), act.arguments)


def test_the_validated_request_would_notice_what_does_not_fit() -> None:
    authorizer = Validated([], [])
    authorizer.schema = cedar_schema({"pay": PAY}, "pay")
    bundle = Bundle(contracts={"pay": PAY}, authorizer=authorizer)
    act = Act(action="call", resource="pay", arguments={"order": 5})
    decision = bundle.decide("call", Principal(), act, labels={}, context=Situation(workflow="w"))
    assert decision.effect == "deny"
