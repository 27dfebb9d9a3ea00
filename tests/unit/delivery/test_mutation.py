"""Tests of policies are tried with small mistakes: a complete set notices, a gap is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead.core.label import Label
from fairlead.delivery.decisions import decision_findings
from fairlead.delivery.mutation import MUTANTS_MAX, SECONDS_MAX, Mutation, contract_mutants, mutate
from tests.unit.delivery.refunds import CASES, CONTRACTS, POLICY, bundle, without


def survivors(found: Mutation) -> set[tuple[str, str]]:
    return {(one.where, one.change) for one in found.survivors}


UNSEEN = ("contract refund", "its result is trusted")
"""Nothing is done after a refund, so no test looks at what it returns."""


def test_complete_guardrail_tests_notice_almost_every_mistake() -> None:
    assert list(decision_findings(bundle(), CASES)) == []
    found = mutate(bundle(), CASES)
    assert survivors(found) == {UNSEEN}
    assert found.score >= 0.95 and found.mutants > 25 and found.complete
    assert found.as_json()["survivors"] == [{"where": UNSEEN[0], "change": UNSEEN[1]}]


GAPS = [
    ("fifty euros are paid back", "rule small-refunds", "lessThanOrEqual becomes lessThan in"),
    ("a cent more waits for an admin", "rule large-refunds", "without @ask"),
    ("a small one of somebody else", "rule small-refunds", "for everybody"),
    ("a large one of somebody else", "rule large-refunds", "for everybody"),
    ("a mail names the order", "rule nobody-else-says-whom-to-pay", "left out"),
    ("a mail names the order", "contract refund", "without target order"),
    ("a mail names the order", "contract read_mail", "label of the rest is trusted"),
    ("mails are read without bank accounts", "rule mail", "without @redact"),
    ("an order is read by anybody", "rule orders-may-be-read", "left out"),
]


@pytest.mark.parametrize(("missing", "where", "change"), GAPS)
def test_a_missing_test_is_reported(missing: str, where: str, change: str) -> None:
    if missing == "fifty euros are paid back":
        cases = tuple(c for c in CASES if c.arguments.get("amount") != 50 or c.expect == "deny")
    else:
        cases = without(missing)
    found = mutate(bundle(), cases)
    assert any(one == where and said.startswith(change) for one, said in survivors(found))
    assert found.score < mutate(bundle(), CASES).score


def test_no_test_notices_nothing() -> None:
    found = mutate(bundle(), ())
    assert (found.score, len(found.survivors)) == (0.0, found.mutants)


def test_without_rules_there_is_nothing_to_notice() -> None:
    nothing = replace(bundle(""), contracts={})
    assert mutate(nothing, ()) == Mutation(mutants=0)
    assert Mutation(mutants=0).score == 1.0


def test_time_is_bounded_and_what_was_left_out_is_said() -> None:
    ticks = iter([0.0, 1.0, 2.0, SECONDS_MAX + 1.0])
    found = mutate(bundle(), CASES, now=lambda: next(ticks))
    assert (found.mutants, found.complete) == (2, False)
    assert MUTANTS_MAX >= 1000


FACTS = frozenset(("effect", "scope", "egress", "targets.integrity", "payload", "seen.integrity"))


def test_each_part_of_a_contract_is_weakened() -> None:
    whole = replace(CONTRACTS["refund"], payload=("amount",), labels={"": Label()})
    assert {change for change, _ in contract_mutants(whole, FACTS)} == {
        "effect read",
        "effect idempotent",
        "without its scope",
        "with egress",
        "without target order",
        "without payload amount",
    }


def test_a_mistake_in_what_no_rule_reads_is_no_mutant() -> None:
    assert list(contract_mutants(CONTRACTS["read_mail"], frozenset(("arguments.amount",)))) == []
    assert list(contract_mutants(CONTRACTS["read_mail"], frozenset(("workflow",)))) == []
    whole = {change for change, _ in contract_mutants(CONTRACTS["refund"], frozenset(("",)))}
    assert "effect read" in whole


def test_a_label_beside_a_worse_one_is_no_mutant() -> None:
    worst = Label(integrity="untrusted")
    both = replace(CONTRACTS["read_mail"], labels={"": worst, "body": worst})
    assert list(contract_mutants(both, frozenset(("seen.integrity",)))) == []


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        (
            'permit (principal, action, resource) when { context.n >= 5 };',
            {
                "left out",
                "permit becomes forbid",
                "without when { context.n >= 5 }",
                "not when { context.n >= 5 }",
                ">= becomes > in context.n >= 5",
                ">= becomes < in context.n >= 5",
                "5 becomes 4",
                "5 becomes 6",
            },
        ),
        ('forbid (principal, action, resource);', {"left out", "forbid becomes permit"}),
        (
            '@ask @within("2h") @redact("a") permit (principal == User::"u", action, resource);',
            {
                "left out",
                "permit becomes forbid",
                "for everybody",
                "without @ask",
                "without @redact",
            },
        ),
        (
            "permit (principal, action, resource) unless "
            "{ context has a && context.a && context.b != true };",
            {
                "left out",
                "permit becomes forbid",
                "without unless { ((context has a) && context.a) && (context.b != true) }",
                "not unless { ((context has a) && context.a) && (context.b != true) }",
                "without context.a",
                "without context.b != true",
                "!= becomes == in context.b != true",
            },
        ),
    ],
)  # fmt: skip
def test_the_mistakes_of_a_rule(rule: str, changes: set[str]) -> None:
    found = list(bundle(rule).authorizer.mutants())
    assert {one.change for one in found} == changes
    assert len(found) == len(changes)


def test_a_mutant_of_one_rule_leaves_the_others() -> None:
    for mutant in bundle().authorizer.mutants():
        rules = mutant.authorizer.rules
        whole = list(bundle().authorizer.rules)
        place = [rule.id for rule in whole].index(mutant.rule)
        kept = [rule for rule in rules if rule.id != mutant.rule]
        assert kept == whole[:place] + whole[place + 1 :]
    assert "0.05" in "".join(
        m.change for m in bundle(POLICY.replace("50.0", "0.06")).authorizer.mutants()
    )
