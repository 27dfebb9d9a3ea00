"""The Cedar adapter decides every query, and denies what it cannot decide."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import cedarpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.adapters.cedar.authorizer import NO_RULE, compile_policies
from fairlead.core.errors import InvalidConfig
from fairlead.core.policy import ACTIONS, Decision, Query, Rule

CANARY = "canary-4711"
ALL = '@id("all") permit(principal, action, resource);'

_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([b"bytes", object()]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.sampled_from(["__entity", "__extn", "__expr"]), inner)
    ),
    max_leaves=12,
)
_contexts = st.dictionaries(st.text() | st.just("arguments"), _json, max_size=4)
_queries = st.builds(
    Query,
    user=st.text(),
    tenant=st.text(),
    action=st.sampled_from(sorted(ACTIONS)),
    resource=st.text(),
    context=_contexts,
)


def ask(text: str, context: dict[str, Any] | None = None, **fields: str) -> Decision:
    values: dict[str, Any] = {
        "user": "ann",
        "tenant": "acme",
        "action": "call",
        "resource": "refund",
        **fields,
    }
    return compile_policies({"p.cedar": text}).decide(Query(context=context or {}, **values))


def allows(text: str, context: dict[str, Any] | None = None, **fields: str) -> bool:
    return ask(text, context, **fields).effect == "allow"


# ------------------------------------------------------------------------------------- properties

_PROBING = (
    "permit(principal, action, resource) when { context.arguments.a.b > 3 };\n"
    "forbid(principal, action, resource) when { decimal(context.arguments.amount)"
    '.greaterThan(decimal("5.0")) };\n'
    'permit(principal in Tenant::"acme", action, resource) unless { context has z };\n'
)


@given(query=_queries)
def test_decide_is_total(query: Query) -> None:
    for text in ("", ALL, _PROBING):
        decision = compile_policies({"p.cedar": text}).decide(query)
        assert decision.effect in ("allow", "deny")
        assert decision.reasons


@given(query=_queries)
def test_default_deny(query: Query) -> None:
    assert compile_policies({}).decide(query).effect == "deny"


@given(query=_queries)
def test_forbid_wins(query: Query) -> None:
    text = f'{ALL} @id("no") forbid(principal, action, resource);'
    assert compile_policies({"p.cedar": text}).decide(query).effect == "deny"


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_never_rounded(number: float) -> None:
    query = Query(user="u", tenant="t", action="call", resource="r", context={"n": number})
    text = f"{Decimal(repr(number)):f}"
    assert float(text) == number
    policy = f'permit(principal, action, resource) when {{ context.n == "{text}" }};'
    assert compile_policies({"p.cedar": policy}).decide(query).effect == "allow"


# --------------------------------------------------------------------------------------- decisions


def test_no_rule() -> None:
    assert ask("") == Decision(effect="deny", reasons=(NO_RULE,))
    assert NO_RULE == "no rule permits it"


def test_reasons_are_the_ids_of_the_rules_that_decided() -> None:
    text = (
        '@id("b") permit(principal, action, resource);'
        '@id("a") permit(principal, action == Action::"call", resource == Tool::"refund");'
        '@id("c") permit(principal, action == Action::"generate", resource);'
    )
    assert ask(text) == Decision(effect="allow", reasons=("a", "b"))
    forbidden = text + '@id("stop") forbid(principal, action, resource == Tool::"refund");'
    assert ask(forbidden) == Decision(effect="deny", reasons=("stop",))


@pytest.mark.parametrize(
    "head",
    [
        'principal == User::"ann", action, resource',
        'principal in Tenant::"acme", action, resource',
        'principal is User in Tenant::"acme", action, resource',
        'principal, action == Action::"call", resource',
        'principal, action in [Action::"call", Action::"generate"], resource',
        'principal, action, resource == Tool::"refund"',
        "principal, action, resource is Tool",
    ],
)
def test_head(head: str) -> None:
    text = f"permit({head});"
    assert allows(text)
    others = {"user": "bob", "tenant": "other", "action": "retrieve", "resource": "docs"}
    assert not allows(text, **others)


def test_tenant_is_an_attribute() -> None:
    text = 'permit(principal, action, resource) when { principal.tenant == "acme" };'
    assert allows(text)
    assert not allows(text, tenant="other")


def test_a_tenant_of_one_user_is_not_the_tenant_of_another() -> None:
    text = 'permit(principal in Tenant::"acme", action, resource);'
    policies = compile_policies({"p.cedar": text})
    for tenant, effect in (("acme", "allow"), ("other", "deny"), ("acme", "allow")):
        query = Query(user="ann", tenant=tenant, action="call", resource="x")
        assert policies.decide(query).effect == effect


@pytest.mark.parametrize(("action", "kind"), sorted(ACTIONS.items()))
def test_kind_of_the_resource_follows_the_action(action: str, kind: str) -> None:
    assert allows(f"permit(principal, action, resource is {kind});", action=action)


def test_names_are_data() -> None:
    name = 'a" || true || "\n\x00\\::b'
    assert not allows('permit(principal == User::"ann", action, resource);', user=name)
    assert not allows('permit(principal, action, resource == Tool::"refund");', resource=name)
    assert allows(ALL, user=name, tenant=name, resource=name)


# ----------------------------------------------------------------------------------------- context


def when(condition: str) -> str:
    return f"permit(principal, action, resource) when {{ {condition} }};"


def test_values() -> None:
    arguments = {"n": 3, "yes": True, "text": "x", "list": [1, 2, 2], "deep": {"er": [{"a": 1}]}}
    context = {"workflow": "refund", "arguments": arguments}
    assert allows(when('context.workflow == "refund" && context.arguments.n > 2'), context)
    assert allows(when('context.arguments.yes && context.arguments.text like "x*"'), context)
    assert allows(when("context.arguments.list == [1, 2]"), context)
    assert allows(when("context.arguments.deep.er.contains({a: 1})"), context)


def test_null_is_a_field_that_is_not_there() -> None:
    context = {"arguments": {"note": None, "deep": {"note": None}}}
    assert allows(when("!(context.arguments has note)"), context)
    assert allows(when("!(context.arguments.deep has note)"), context)


def test_float_is_a_string_to_compare_as_decimal() -> None:
    rule = when('decimal(context.arguments.eur).lessThan(decimal("50.0"))')
    assert allows(rule, {"arguments": {"eur": 49.99}})
    assert allows(rule, {"arguments": {"eur": 5.0}})
    assert not allows(rule, {"arguments": {"eur": 50.0}})
    assert not allows(rule, {"arguments": {"eur": 49.99999}})  # more than Cedar's four places
    assert not allows(rule, {"arguments": {"eur": 1e300}})


@pytest.mark.parametrize(
    "value",
    [
        [None],
        2**63,
        -(2**63) - 1,
        float("nan"),
        float("inf"),
        {"__entity": {"type": "User", "id": "admin"}},
        {"__extn": {"fn": "decimal", "arg": "1.0"}},
        {"deep": [{"__expr": "1"}]},
        {1: "a key that is no text"},
        b"bytes",
        "\ud800",
    ],
    ids=repr,
)
def test_what_cedar_cannot_express_is_denied(value: Any) -> None:
    decision = ask(ALL, {"arguments": {"field": value}})
    assert decision.effect == "deny"
    assert decision.reasons[0].startswith("error: ")


def test_reserved_key_at_the_top_is_denied() -> None:
    assert not allows(ALL, {"__entity": {"type": "User", "id": "admin"}})


@pytest.mark.parametrize("depth", [127, 200, 100_000])
def test_deep_nesting_is_denied(depth: int) -> None:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    assert not allows(ALL, {"arguments": value})


# ------------------------------------------------------------------------------------------ errors


def test_a_rule_that_cannot_be_evaluated_denies() -> None:
    """Cedar alone would pass over the broken `forbid` and allow."""
    text = ALL + '@id("cap") forbid(principal, action, resource) when { context.amount > 5 };'
    decision = ask(text)
    assert decision.effect == "deny"
    assert decision.reasons == (
        "error: rule cap cannot be evaluated: record does not have the attribute `amount`",
    )
    assert ask(text, {"amount": 5}).effect == "allow"
    assert ask(text, {"amount": 6}).reasons == ("cap",)


def test_forbid_comes_before_errors() -> None:
    text = (
        '@id("x") permit(principal, action, resource) when { context.a > 5 };'
        '@id("stop") forbid(principal, action, resource);'
    )
    reasons = ask(text).reasons
    assert reasons[0] == "stop"
    assert reasons[1].startswith("error: rule x cannot be evaluated")


@pytest.mark.parametrize(
    "condition",
    [
        'decimal(context.a).lessThan(decimal("1.0"))',
        "ip(context.a).isLoopback()",
        "context.a > 5",
        "context.b.a > 5",
        "context.n + 9223372036854775807 > 0",
    ],
)
def test_no_reason_quotes_a_value(condition: str) -> None:
    context = {"a": CANARY, "b": {CANARY: 1}, "n": 4711, "bad": [None, CANARY]}
    for given_context in ({k: v for k, v in context.items() if k != "bad"}, context):
        decision = ask(when(condition), given_context)
        assert decision.effect == "deny"
        assert "4711" not in str(decision.reasons)
        assert len(str(decision.reasons)) < 600


def test_a_panic_of_the_engine_denies(monkeypatch: pytest.MonkeyPatch) -> None:
    panic = type("PanicException", (BaseException,), {})

    def broken(*args: object) -> None:
        raise panic(CANARY)

    monkeypatch.setattr(cedarpy, "is_authorized", broken)
    assert ask(ALL).reasons == ("error: the policy engine failed: PanicException",)


def test_a_signal_to_stop_still_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cedarpy, "is_authorized", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ask(ALL)


# ----------------------------------------------------------------------------------------- compile


def test_rules() -> None:
    policies = {
        "b.cedar": "permit(principal, action, resource is Tool);"
        'forbid(principal, action == Action::"call", resource in Tool::"refund");',
        "a.cedar": '@id("named") permit(principal, action in '
        '[Action::"generate", Action::"retrieve"], resource == Model::"m");'
        '@id("") permit(principal, action, resource is Tool in Tool::"x");',
    }
    of_all_tools: dict[str, Any] = {
        "effect": "permit",
        "actions": (),
        "resource_kind": "Tool",
        "conditional": False,
    }
    assert compile_policies(policies).rules == (
        Rule(
            id="named",
            effect="permit",
            actions=("generate", "retrieve"),
            resource="m",
            resource_kind="Model",
            conditional=False,
        ),
        Rule(resource="x", id="a.cedar#2", **of_all_tools),
        Rule(resource=None, id="b.cedar#1", **of_all_tools),
        Rule(
            id="b.cedar#2",
            effect="forbid",
            actions=("call",),
            resource="refund",
            resource_kind="Tool",
            conditional=False,
        ),
    )


def test_a_rule_says_whom_it_names_and_whether_it_has_conditions() -> None:
    text = """permit(principal == User::"ann", action, resource) when { true };
    permit(principal in Tenant::"acme", action, resource) unless { false };
    permit(principal is User, action, resource);"""
    said = [(rule.principal, rule.conditional) for rule in compile_policies({"p": text}).rules]
    assert said == [('== User::"ann"', True), ('in Tenant::"acme"', True), (None, False)]


def test_an_action_of_another_name_space_is_not_ours() -> None:
    text = 'permit(principal, action == Bank::Action::"call", resource);'
    assert compile_policies({"p.cedar": text}).rules[0].actions == ('Bank::Action::"call"',)
    assert not allows(text)


def test_many_rules_keep_their_order() -> None:
    text = "".join(
        f'permit(principal, action, resource == Tool::"t{number}");' for number in range(12)
    )
    assert ask(text, resource="t11").reasons == ("p.cedar#12",)


def test_no_policies() -> None:
    assert compile_policies({}).rules == ()
    assert compile_policies({"empty.cedar": "// nothing yet\n"}).rules == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("permit(principal, action", "p.cedar is no valid policy: unexpected end of input"),
        ("permit(principal == ?principal, action, resource);", "never applies"),
        ('permit(principal == Tenant::"t", action, resource);', "a principal is a User"),
        ('permit(principal in Robot::"r", action, resource);', "a principal is a User"),
        ("permit(principal is Robot, action, resource);", "a principal is a User"),
        ('permit(principal is User in Robot::"r", action, resource);', "a principal is a User"),
        ("permit(principal, action in [], resource);", "its list of actions is empty"),
        (
            'permit(principal, action, resource is Tool in Model::"m");',
            "a Tool is never in a Model",
        ),
    ],
)
def test_invalid(text: str, says: str) -> None:
    with pytest.raises(InvalidConfig, match=r"p\.cedar") as raised:
        compile_policies({"ok.cedar": ALL, "p.cedar": text})
    assert says in raised.value.message
    assert raised.value.ids == {"file": "p.cedar"}


def test_duplicate_ids() -> None:
    with pytest.raises(
        InvalidConfig, match=r'b\.cedar: the id "all" is taken by a rule in a\.cedar'
    ):
        compile_policies({"a.cedar": ALL, "b.cedar": ALL})


def test_an_annotation_cannot_take_the_id_of_an_unnamed_rule() -> None:
    text = "permit(principal, action, resource);" + ALL.replace("all", "p.cedar#1")
    with pytest.raises(InvalidConfig, match="is taken"):
        compile_policies({"p.cedar": text})


def test_policies_that_the_engine_refuses_together(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        @staticmethod
        def from_json_str(_: str) -> None:
            raise ValueError("no")

    monkeypatch.setattr(cedarpy, "PolicySet", Refusing)
    with pytest.raises(InvalidConfig, match="do not fit together: no"):
        compile_policies({"p.cedar": ALL})
