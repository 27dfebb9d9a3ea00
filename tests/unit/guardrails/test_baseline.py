"""A baseline's policies stand above an app's: together they are never weaker than either."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fairlead as fl
from fairlead.adapters.cedar.authorizer import compile_policies
from fairlead.core.baseline import Baseline, ContractRules
from fairlead.core.identity import ANSWERERS, Principal
from fairlead.core.policy import Decision, Obligations, Query
from fairlead.core.release import Manifest
from fairlead.guardrails.baseline import (
    baseline_findings,
    baseline_rule_findings,
    bundle_of,
    compile_baseline,
    unevaluable,
)
from fairlead.guardrails.decide import Act, Bundle, Situation
from tests.unit.runtime.bench import manifest_of

EFFECTS = ("allow", "redact", "ask", "deny")
ALL = '@id("all") permit (principal, action, resource);'
QUERY = Query(user="ann", tenant="acme", action="call", resource="pay", context={"amount": 5})


@fl.tool(effect="once", scope="money:write", targets=["amount"])
async def pay(_: fl.Context, amount: int) -> int:
    """Pay."""
    return amount


@fl.workflow(
    intent="Pay",
    owner="group:default/tests",
    input=int,
    output=int,
    tools=[pay],
    slo=fl.SLO(success=0.9, latency_p95=fl.Limits().call_timeout),
)
async def paying(run: fl.Run[int], amount: int) -> int:
    """Pay."""
    return await run.call(pay, amount)


MANIFEST = replace(manifest_of(paying), policies={"p": ALL})


def made_with(own: str, above: str | None) -> Manifest:
    """Return a manifest with policies of its own and those of a baseline; None for none."""
    baseline = Baseline(name="b", version="1", policies={"b": above}) if above is not None else None
    return replace(MANIFEST, policies={"p": own}, baseline=baseline)


def decided(own: str, above: str | None, **context: Any) -> Decision:
    query = replace(QUERY, context={**QUERY.context, **context})
    return bundle_of(made_with(own, above), compile_policies).answer(query)


@dataclass(frozen=True)
class Says:
    """Policies that always say the same."""

    decision: Decision
    rules = ()

    def decide(self, query: Query) -> Decision:
        return self.decision


obligations = st.builds(
    Obligations,
    role=st.sampled_from(ANSWERERS),
    within_s=st.floats(1, 100),
    redact=st.lists(st.sampled_from("xyz"), max_size=2).map(lambda x: tuple(sorted(set(x)))),
)
decisions = st.builds(
    Decision, effect=st.sampled_from(EFFECTS), reasons=st.just(("r",)), obligations=obligations
)


@given(decisions, decisions)
def test_a_bundle_with_a_baseline_is_no_weaker_than_either(own: Decision, above: Decision) -> None:
    bundle = Bundle(contracts={}, authorizer=Says(own), digest="d", baseline=Says(above))
    both = bundle.answer(QUERY)
    assert EFFECTS.index(both.effect) == max(map(EFFECTS.index, (own.effect, above.effect)))
    assert {*own.obligations.redact, *above.obligations.redact} <= set(both.obligations.redact)
    assert both.obligations.within_s <= min(own.obligations.within_s, above.obligations.within_s)
    # Whoever is asked by one of them alone would be no less.
    asked = {own.obligations.role, above.obligations.role}
    assert both.obligations.role == max(asked, key=ANSWERERS.index)


RULES = (
    "",
    '@id("p{n}") permit (principal, action, resource);',
    '@id("f{n}") forbid (principal, action, resource);',
    '@id("a{n}") @ask("operator") permit (principal, action, resource);',
    '@id("r{n}") @redact("iban") permit (principal, action, resource);',
    '@id("c{n}") forbid (principal, action, resource) when {{ context.amount > 3 }};',
    '@id("e{n}") forbid (principal, action, resource) when {{ context.nothing > 3 }};',
    '@id("x{n}") permit (principal, action == Action::"generate", resource);',
)
texts = st.lists(st.sampled_from(RULES), max_size=3).map(
    lambda rules: "\n".join(rule.format(n=n) for n, rule in enumerate(rules))
)


@given(texts, texts)
def test_real_policies_together_are_no_weaker_than_either(own: str, above: str) -> None:
    both = decided(own, above)
    alone = decided(own, None)
    baseline = compile_baseline({"b": above}, compile_policies).decide(QUERY)
    assert EFFECTS.index(both.effect) == max(EFFECTS.index(d.effect) for d in (alone, baseline))


def test_an_app_cannot_permit_what_the_baseline_forbids() -> None:
    above = '@id("no-pay") forbid (principal, action, resource == Tool::"pay");'
    found = decided(ALL, above)
    assert (found.effect, found.reasons) == ("deny", ("baseline:no-pay",))
    # And the baseline permits nothing that the app does not.
    assert decided("", above).effect == "deny"
    assert decided("", ALL.replace("all", "mine")).effect == "deny"


def test_a_baseline_without_rules_leaves_everything_to_the_app() -> None:
    assert decided(ALL, "").effect == "allow"
    assert decided(ALL, "").reasons == ("all",)
    assert decided("", "").effect == "deny"


@pytest.mark.parametrize(("own", "above"), [("operator", "admin"), ("admin", "approver")])
def test_a_question_of_both_goes_to_the_stricter_role(own: str, above: str) -> None:
    rule = '@id("%s") @ask("%s") @within("%s") permit (principal, action, resource);'
    found = decided(rule % ("a", own, "2h"), rule % ("b", above, "1h"))
    assert (found.effect, found.obligations.role, found.obligations.within_s) == (
        "ask", "admin", 3600.0,
    )  # fmt: skip


def test_invariant_12_a_broken_rule_of_the_baseline_denies() -> None:
    above = '@id("b") forbid (principal, action, resource) when { context.nothing > 3 };'
    found = decided(ALL, above)
    assert found.effect == "deny"
    assert found.reasons[0].startswith("error: baseline: rule b cannot be evaluated")


def test_the_digest_covers_both() -> None:
    found = {
        decided(own, above).policy
        for own in (ALL, "")
        for above in (None, "", '@id("x") forbid (principal, action, resource);')
    }
    assert len(found) == 6


def test_the_question_is_kept_with_the_decision() -> None:
    bundle = bundle_of(made_with(ALL, ""), compile_policies)
    decision = bundle.decide(
        "call",
        Principal(user="ann", tenant="acme"),
        Act(action="call", resource="pay", arguments={"amount": 7}),
        labels={},
        context=Situation(workflow="w"),
    )
    assert decision.asked is not None
    assert decision.asked.context["arguments"] == {"amount": 7}
    assert bundle.answer(decision.asked) == decision


def test_every_place_where_an_app_asks_for_more_is_found() -> None:
    baseline = Baseline(
        name="b",
        version="1",
        limits={"steps": 5, "cost_usd": 99, "wall_time_s": 30.5},
        guardrails=("grounded",),
        contracts=ContractRules(forbidden_effects=("once",)),
    )
    assert baseline_findings(baseline, MANIFEST) == [
        "workflow paying: limits.steps is 50, and the baseline allows at most 5",
        "workflow paying: limits.wall_time_s is 600, and the baseline allows at most 30.5",
        "workflow paying lacks the guardrail grounded, which the baseline requires",
        "tool pay has effect once, which the baseline forbids",
    ]
    assert baseline_findings(Baseline(name="b", version="1"), MANIFEST) == []
    assert baseline_findings(None, MANIFEST) == []


def test_a_guardrail_of_the_required_name_must_be_fairleads_own_and_stop_what_fails() -> None:
    required = Baseline(name="b", version="1", guardrails=("grounded",))
    terms = replace(MANIFEST.workflows["paying"], guardrails=("grounded",), enforced=("grounded",))
    own = replace(MANIFEST, workflows={"paying": terms})
    assert baseline_findings(required, own) == []
    other = replace(MANIFEST, workflows={"paying": replace(terms, enforced=())})
    (found,) = baseline_findings(required, other)
    assert "paying: its guardrail grounded is not Fairlead's own, or only warns" in found


FORBID = '@id("x") forbid (principal, action == Action::"call", resource%s) when { %s };'


@pytest.mark.parametrize(
    ("on", "condition", "alone", "here"),
    [
        ("", "context.argments.x == 3", "no context.argments", "no context.argments"),
        ("", 'context.effect == "onec"', "context.effect is never 'onec'", None),
        (' == Tool::"payy"', 'context.effect == "onec"', "context.effect is never 'onec'", None),
        ("", 'context.scope == "of another app"', None, None),
        ("", 'context.seen.tools.contains("another")', None, None),
        ("", "context.arguments has text && context.arguments.text == 3", None, None),
        ("", "context.arguments.text == 3", None, "no context.arguments.text"),
        (' == Tool::"pay"', "context.arguments.amount > 3", None, None),
        (' == Tool::"pay"', 'context.arguments.amount like "a"', None, "unexpected type"),
        (' == Tool::"payy"', "context.arguments.amount > 3", None, None),
    ],
)
def test_a_baselines_rules_are_held_against_what_is_known(
    on: str, condition: str, alone: str | None, here: str | None
) -> None:
    policies = {"b": FORBID % (on, condition)}
    baseline = Baseline(name="b", version="1", policies=policies)
    for said, found in (
        (alone, compile_baseline(policies, compile_policies).findings(None)),
        (here, unevaluable(baseline, MANIFEST, compile_policies)),
    ):
        assert bool(found) == (said is not None), found
        assert said is None or said in found[0]


def test_an_app_without_tools_has_nothing_that_a_rule_on_calls_could_be_held_against() -> None:
    baseline = Baseline(name="b", version="1", policies={"b": FORBID % ("", "context.nothing")})
    assert unevaluable(baseline, replace(MANIFEST, contracts={}), compile_policies) == []
    assert unevaluable(baseline, MANIFEST, compile_policies) != []
    assert unevaluable(None, MANIFEST, compile_policies) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("forbid (principal, action, resource);", ""),
        ("@ask permit (principal, action, resource);", ""),
        ("permit (principal, action, resource);", "permits what is permitted anyway"),
        ('forbid (principal, action == Action::"fly", resource);', "no action named fly"),
        ("forbid (principal, action, resource is Moon);", "no kind of resource named Moon"),
        (
            'forbid (principal, action == Action::"call", resource is Model);',
            "never done to a Model",
        ),
    ],
)
def test_a_rule_that_does_nothing_is_found(text: str, said: str) -> None:
    rules = compile_baseline({"b": f'@id("x") {text}'}, compile_policies).rules
    found = baseline_rule_findings(rules)
    assert len(found) == bool(said)
    assert said in "".join(found)
