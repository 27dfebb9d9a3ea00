"""Guardrail tests ask what decides for every run, and say what is decided otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fairlead.core.label import Label
from fairlead.core.memory_terms import RememberTerms
from fairlead.core.policy import Query
from fairlead.core.release import Manifest
from fairlead.delivery.decisions import case_findings, decision_findings, declared_decisions
from fairlead.delivery.digests import digest_findings
from fairlead.delivery.resolve import resolve
from fairlead.guardrails.decide import Bundle
from fairlead.ports.decisions import DecisionCase
from fairlead.testing import FakeAuthorizer
from tests.unit.delivery.refunds import CASES, CONTRACTS, POLICY, bundle
from tests.unit.delivery.test_gate import GOOD, gate_of
from tests.unit.delivery.test_resolve import APP, FILES

MANIFEST = replace(GOOD, contracts=CONTRACTS, policies={"p.cedar": POLICY})


def case(name: str) -> DecisionCase:
    return next(case for case in CASES if case.name == name)


SMALL = case("fifty euros are paid back")


def asked(one: DecisionCase) -> Query:
    authorizer = FakeAuthorizer()
    list(decision_findings(Bundle(contracts=CONTRACTS, authorizer=authorizer), [one]))
    (query,) = authorizer.asked
    return query


def test_what_is_decided_otherwise_is_said() -> None:
    weaker = POLICY.replace('"50.0"', '"40.0"')
    found = list(decision_findings(bundle(weaker), CASES))
    assert found[0] == (
        "guardrails/shop.yaml, case fifty euros are paid back: ask (large-refunds), not allow"
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"expect": "deny"}, "allow (small-refunds), not deny"),
        ({"rules": ("other",)}, "decided by small-refunds, not by other"),
    ],
)
def test_each_part_of_a_decision_is_looked_at(changes: dict[str, Any], expected: str) -> None:
    (found,) = decision_findings(bundle(), [replace(SMALL, **changes)])
    assert found.endswith(expected)


def test_role_and_fields_are_looked_at() -> None:
    large = replace(case("a cent more waits for an admin"), role="clerk")
    mails = replace(case("mails are read without bank accounts"), redact=("name",))
    found = list(decision_findings(bundle(), [large, mails]))
    assert found[0].endswith("admin is asked, not clerk")
    assert found[1].endswith("takes out iban, not name")


def test_an_act_is_put_before_the_policies_as_a_run_would() -> None:
    seen = asked(SMALL).context["seen"]
    assert seen == {
        "integrity": "trusted", "private": True, "origins": ["user:ann"], "tools": [],
    }  # fmt: skip
    mailed = asked(case("a mail names the order"))
    assert mailed.context["seen"]["integrity"] == "untrusted"
    assert mailed.context["seen"]["tools"] == ["read_mail"]
    assert mailed.context["targets"]["integrity"] == "untrusted"
    assert mailed.context["payload"]["integrity"] == "trusted"
    public = replace(SMALL, seen=Label(), workflow="refund", point="start")
    query = asked(public)
    assert query.context["seen"]["private"] is False
    assert (query.context["workflow"], query.context["point"]) == ("refund", "start")
    other = replace(SMALL, action="retrieve", resource="documents", arguments={})
    assert (asked(other).action, asked(other).resource) == ("retrieve", "documents")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"resource": "refnd"}, "there is no tool named refnd"),
        ({"tools": ("mail",)}, "there is no tool named mail"),
        ({"workflow": "refund"}, "there is no workflow named refund"),
        ({"arguments": {"order": 7, "amount": 1}}, "its arguments do not fit the contract: order"),
    ],
)
def test_a_case_that_no_run_could_come_to_is_said(changes: dict[str, Any], expected: str) -> None:
    (found,) = case_findings(MANIFEST, [replace(SMALL, **changes)])
    assert found.startswith("guardrails/shop.yaml, case fifty euros are paid back: ")
    assert expected in found
    assert case_findings(MANIFEST, CASES) == []


def test_tests_are_read_from_their_folder_in_order() -> None:
    texts = {"guardrails/b.yaml": b"b", "guardrails/a.yaml": b"a", "evals/c.yaml": b"c"}
    files = replace(FILES, bundle={**FILES.bundle, **texts})
    read: list[str] = []

    def parse(path: str, text: str) -> tuple[DecisionCase, ...]:
        read.append(f"{path}={text}")
        return (replace(SMALL, path=path),)

    assert [one.path for one in declared_decisions(files, parse)] == sorted(texts)[1:]
    assert read == ["guardrails/a.yaml=a", "guardrails/b.yaml=b"]


# --------------------------------------------------------------------------------------- the gate


def checks(manifest: Manifest = MANIFEST, **fields: Any) -> dict[str, Any]:
    from fairlead.adapters.cedar.authorizer import compile_policies

    gate = replace(gate_of(manifest), compile=compile_policies, decisions=CASES, **fields)
    return {check.name: check for check in gate.run()}


ALL = (
    '@id("rest") permit (principal, action in [Action::"generate", Action::"retrieve"], resource);'
)
WHOLE = replace(
    MANIFEST,
    policies={"p.cedar": POLICY + ALL},
    workflows={"ask": replace(GOOD.workflows["ask"], tools=tuple(CONTRACTS))},
)


def test_the_gate_asks_the_guardrail_tests() -> None:
    found = checks(WHOLE)
    assert {check.conclusion for check in found.values()} == {"success"}, found
    assert found["decision"].summary == "9 guardrail tests"
    assert "mutation" not in found
    bad = replace(WHOLE, policies={"p.cedar": POLICY.replace('@ask("admin")', "") + ALL})
    found = checks(bad)
    assert found["decision"].findings == (
        "guardrails/shop.yaml, case a cent more waits for an admin: allow (large-refunds), not ask",
    )
    assert found["eval"].conclusion == "skipped"


def test_the_gate_holds_rules_against_contracts() -> None:
    bad = replace(
        WHOLE, policies={"p.cedar": POLICY.replace("arguments.amount)", "arguments.amt)") + ALL}
    )
    assert any("there is no context.arguments.amt" in one for one in checks(bad)["policy"].findings)
    typo = '@id("t") forbid (principal, action, resource) when { context.workflow == "aks" };'
    bad = replace(WHOLE, policies={"p.cedar": POLICY + ALL + typo})
    (first, _) = checks(bad)["policy"].findings
    assert first == "rule t: context.workflow is never 'aks'; there are: ask"


def test_the_gate_measures_what_the_tests_notice() -> None:
    found = checks(WHOLE, mutation=0.9)["mutation"]
    assert found.conclusion == "success"
    assert 0.9 <= found.figures["score"] < 1.0
    unnoticed = {one["where"] for one in found.figures["survivors"]}
    assert unnoticed == {"contract refund", "rule rest"}
    found = checks(WHOLE, mutation=1.0)["mutation"]
    assert found.conclusion == "failure"
    assert found.findings[0].endswith("of the mistakes are noticed, 100.0% are needed")
    assert "no test notices contract refund: its result is trusted" in found.findings


def test_a_gate_without_guardrail_tests_cannot_measure() -> None:
    from fairlead.adapters.cedar.authorizer import compile_policies

    gate = replace(gate_of(WHOLE), compile=compile_policies, mutation=0.1)
    found = {check.name: check for check in gate.run()}
    assert found["decision"].conclusion == "success"
    assert found["mutation"].findings[-1].startswith("there is no guardrail test")


def test_mutation_is_skipped_when_a_check_failed() -> None:
    bad = replace(WHOLE, contracts={**CONTRACTS, "refund": replace(CONTRACTS["refund"], scope="")})
    assert checks(bad, mutation=0.5)["mutation"].conclusion == "skipped"


# ------------------------------------------------------------------------------------- digests


@pytest.mark.parametrize(
    ("part", "path", "what"),
    [
        ("code", "app.py", ["code"]),
        ("bundle", "prompts/a.md", ["bundle"]),
        ("bundle", "policies/p.cedar", ["bundle", "policies"]),
    ],
)
def test_a_file_that_changed_meanwhile_is_found(part: str, path: str, what: list[str]) -> None:
    manifest = resolve(APP, FILES, {})
    assert digest_findings(manifest, FILES) == []
    changed = replace(FILES, **{part: {**getattr(FILES, part), path: b"other"}})
    found = digest_findings(manifest, changed)
    assert [one.split(" is ")[0] for one in found] == [f"the digest of the {one}" for one in what]


def test_the_gate_says_what_changed_meanwhile() -> None:
    found = checks(WHOLE, changed=lambda: ["it changed"])["digest"]
    assert (found.conclusion, found.findings) == ("failure", ("it changed",))


def test_an_act_on_memory_rests_on_all_that_was_seen() -> None:
    one = DecisionCase(
        name="mail",
        path="guardrails/m.yaml",
        principal=SMALL.principal,
        action="remember",
        resource="semantic",
        expect="deny",
        seen=Label(integrity="untrusted"),
    )
    told = asked(one)
    assert (told.action, told.resource) == ("remember", "semantic")
    assert told.context["labels"]["integrity"] == "untrusted"


def test_a_case_on_memory_that_nobody_declares_shows_nothing() -> None:
    one = DecisionCase(
        name="mail",
        path="guardrails/m.yaml",
        principal=SMALL.principal,
        action="recall",
        resource="semantic",
        expect="allow",
    )
    place = "guardrails/m.yaml, case mail"
    assert case_findings(MANIFEST, [one]) == [f"{place}: no workflow declares any semantic memory"]
    terms = MANIFEST.workflows["ask"]
    remembers = replace(terms, remember=RememberTerms(kinds=("semantic",)))
    manifest = replace(MANIFEST, workflows={"ask": remembers})
    assert case_findings(manifest, [one, replace(one, workflow="ask")]) == []
    other = replace(one, workflow="ask", resource="episodic")
    assert case_findings(manifest, [other]) == [
        f"{place}: workflow ask declares no episodic memory"
    ]
