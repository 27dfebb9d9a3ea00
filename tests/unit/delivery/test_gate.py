"""The gate: each check can fail, and one that was not done is not a pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

import fairlead as fl
from fairlead.adapters.cedar.authorizer import compile_policies
from fairlead.bootstrap import open_embedder
from fairlead.core.baseline import Baseline
from fairlead.core.errors import InvalidConfig, ModelKeyMissing
from fairlead.core.mcp import McpPin
from fairlead.core.memory_terms import MemoryTerms, RememberTerms
from fairlead.core.policy import Rule
from fairlead.core.release import Manifest
from fairlead.delivery.evaluate import CaseResult, Evaluation
from fairlead.delivery.gate import CheckRun, Gate, Progress, concludes
from fairlead.delivery.resolve import resolve
from fairlead.testing import FakeAuthorizer
from tests.unit.delivery.test_resolve import APP, FILES, ask

PAGE = b"""
problem = "None."
expected_outcomes = ["An answer."]
non_goals = ["More"]
compliance = ["none"]
resilience = ["It comes back."]
review_date = 2030-01-02
"""
GOOD = resolve(APP, replace(FILES, bundle={**FILES.bundle, "intents/ask.toml": PAGE}), {})
TODAY = date(2029, 1, 1)


class Policies(FakeAuthorizer):
    """Policies with one rule that permits everything."""

    @property
    def rules(self) -> list[Rule]:
        return [Rule(id="all", effect="permit", actions=(), resource=None, resource_kind=None)]


class Models:
    """A generator that knows every model, or all but one, or none."""

    def __init__(self, error: Exception | None = None, *, only: str | None = None) -> None:
        self.error = error
        self.only = only

    def check(self, model: Any) -> str:
        if self.error and self.only in (None, model):
            raise self.error
        return str(model)

    async def generate(self, _: Any) -> Any:
        raise AssertionError("a gate's static checks ask no model")


def evaluation(*findings: tuple[str, ...]) -> Evaluation:
    """Return what the datasets showed: one case for each tuple of findings."""
    results = tuple(
        CaseResult(workflow="ask", case=str(number), findings=found)
        for number, found in enumerate(findings)
    )
    return Evaluation(results=results, calls=(), signals=(), runs=())


def gate_of(
    manifest: Manifest = GOOD,
    *,
    app: fl.App = APP,
    models: Models | None = None,
    authorizer: FakeAuthorizer | None = None,
    evaluate: Callable[[], Evaluation] = lambda: evaluation(()),
) -> Gate:
    """Return a gate that passes, but for what is given."""
    return Gate(
        app=app,
        manifest=manifest,
        compile=lambda _: authorizer or Policies(),
        generator=models or Models(),
        today=TODAY,
        thresholds={"ask": 0.8},
        evaluate=evaluate,
    )


def conclusions(gate: Gate) -> dict[str, str]:
    """Return each check's conclusion."""
    return {check.name: check.conclusion for check in gate.run()}


def test_a_good_release_passes_every_check() -> None:
    found = conclusions(gate_of())
    assert list(found) == [
        "schema", "contract", "policy", "decision", "intent", "model", "guardrail", "eval",
        "telemetry", "digest",
    ]  # fmt: skip
    assert set(found.values()) == {"success"}
    assert concludes(gate_of().run()) == "success"


def test_an_embedding_model_that_is_not_there_fails_the_model_check() -> None:
    memory = MemoryTerms(embedder="nosuch")
    gate = replace(gate_of(replace(GOOD, memory=memory)), embedder=open_embedder)
    (found,) = [check for check in gate.run() if check.name == "model"]
    assert found.conclusion == "failure"
    assert "nosuch" in found.findings[0]


def test_policies_that_permit_the_model_alone_pass_without_fallbacks() -> None:
    assert concludes(gate_of(authorizer=Narrow()).run()) == "success"


def contracts(**values: Any) -> Manifest:
    return replace(GOOD, contracts={"pay": replace(GOOD.contracts["pay"], **values)})


def terms(**values: Any) -> Manifest:
    return replace(GOOD, workflows={"ask": replace(GOOD.workflows["ask"], **values)})


def rails(*samples: fl.Sample, verdict: fl.Verdict = fl.PASS) -> fl.App:
    """Return the app with one more guardrail."""

    @fl.guardrail(stage="input", on_fail="block", samples=samples)
    def extra(_: fl.Context, __: fl.Request) -> fl.Verdict:
        return verdict

    return fl.App("asks", workflows=[replace(ask, guardrails=(extra,))])


class Narrow(FakeAuthorizer):
    """Policies that permit everything but any model that is no `fairlead:extractive`."""

    @property
    def rules(self) -> list[Rule]:
        own = {"actions": ("generate",), "resource": "fairlead:extractive"}
        return [
            Rule(id="own", effect="permit", resource_kind="Model", **own),  # type: ignore[arg-type]
            *(
                Rule(id=a, effect="permit", actions=(a,), resource=None, resource_kind=None)
                for a in ("call", "retrieve")
            ),
        ]


BACKED = terms(fallbacks=("openai:gpt-5-mini",))


def broken_policies(_: Any) -> Any:
    raise InvalidConfig("policies/p.cedar is no policy")


PASSING, FAILING = fl.Sample(passes=True), fl.Sample(passes=False)
BAD_SCHEMA = {"type": "nonsense"}
FORGED = McpPin(server="bank", tool="pay", digest="0" * 64, definition={"name": "pay"})

STATIC = [
    pytest.param("schema", gate_of(terms(input_schema=BAD_SCHEMA)), id="schema"),
    pytest.param("contract", gate_of(replace(GOOD, contracts={})), id="no contract"),
    pytest.param("contract", gate_of(contracts(scope=" ")), id="no scope"),
    pytest.param("contract", gate_of(contracts(targets=())), id="an effect without a target"),
    pytest.param("contract", gate_of(contracts(mcp=FORGED)), id="a pin that was changed"),
    pytest.param("policy", gate_of(authorizer=FakeAuthorizer()), id="no rule"),
    pytest.param("policy", replace(gate_of(), compile=broken_policies), id="no policy at all"),
    pytest.param("intent", gate_of(resolve(APP, FILES, {})), id="half an intent page"),
    pytest.param("intent", replace(gate_of(), today=date(2031, 1, 1)), id="review is due"),
    pytest.param("model", gate_of(models=Models(ModelKeyMissing("no key"))), id="no key"),
    pytest.param("policy", gate_of(BACKED, authorizer=Narrow()), id="no rule permits a fallback"),
    pytest.param(
        "model",
        gate_of(BACKED, models=Models(ModelKeyMissing("no key"), only="openai:gpt-5-mini")),
        id="no key for a fallback",
    ),
    pytest.param("guardrail", gate_of(app=rails()), id="no sample"),
    pytest.param("guardrail", gate_of(app=rails(PASSING)), id="no sample that fails"),
    pytest.param("guardrail", gate_of(app=rails(PASSING, FAILING)), id="a check that never fails"),
    pytest.param(
        "guardrail",
        gate_of(app=rails(PASSING, FAILING, verdict=fl.fail("no"))),
        id="a check that always fails",
    ),
]


@pytest.mark.parametrize(("check", "gate"), STATIC)
def test_invariant_12_a_gate_with_a_skipped_check_does_not_pass(check: str, gate: Gate) -> None:
    """One failed check, and what needs it is skipped; neither of them passes."""
    ran = []

    def evaluate() -> Evaluation:
        ran.append(True)
        return evaluation(())

    found = replace(gate, evaluate=evaluate).run()
    assert {run.name for run in found if run.conclusion == "failure"} == {check}
    assert {run.name for run in found if run.conclusion == "skipped"} == {"eval", "telemetry"}
    assert all(bool(run.findings) == (run.conclusion == "failure") for run in found)
    assert concludes(found) == "failure"
    assert ran == []


def broken_evaluation() -> Evaluation:
    raise InvalidConfig("the dataset cannot be run")


def test_invariant_12_an_evaluation_that_cannot_run_does_not_pass() -> None:
    found = gate_of(evaluate=broken_evaluation).run()
    assert [run.conclusion for run in found[-3:-1]] == ["failure", "skipped"]
    assert concludes(found) == "failure"


EVALS = [
    pytest.param([()] * 4 + [("wrong",)], "success", id="just enough"),
    pytest.param([()] * 3 + [("wrong",)], "failure", id="one too few"),
    pytest.param([], "failure", id="no dataset"),
]


@pytest.mark.parametrize(("findings", "conclusion"), EVALS)
def test_the_share_of_passed_cases_decides(
    findings: list[tuple[str, ...]], conclusion: str
) -> None:
    found = gate_of(evaluate=lambda: evaluation(*findings)).run()
    assert {run.name: run.conclusion for run in found}["eval"] == conclusion
    assert concludes(found) == conclusion


def test_invariant_12_only_success_counts_as_success() -> None:
    passed = CheckRun(name="schema", conclusion="success", summary="")
    assert concludes((passed, passed)) == "success"
    for other in ("failure", "skipped"):
        assert concludes((passed, replace(passed, conclusion=other))) == "failure"


def test_a_rule_of_the_baseline_that_cannot_be_evaluated_here_fails_the_gate() -> None:
    rule = (
        'forbid (principal, action == Action::"call", resource) when { context.arguments.x == 3 };'
    )
    baseline = Baseline(name="b", version="1", policies={"b.cedar": rule})
    for manifest, conclusion in (
        (replace(GOOD, baseline=replace(baseline, policies={})), "success"),
        (replace(GOOD, baseline=baseline), "failure"),
    ):
        gate = replace(gate_of(manifest), compile=compile_policies)
        assert conclusions(gate)["baseline"] == conclusion


def test_a_redaction_of_what_no_result_has_fails_the_gate() -> None:
    schema = {"type": "object", "properties": {"iban": {"type": "string"}}}
    pin = McpPin(server="bank", tool="pay", digest="d", definition={"outputSchema": schema})
    manifest = contracts(mcp=pin)
    for field, conclusion in (("iban", "success"), ("ibna", "failure")):
        rule = (
            f'@redact("{field}") permit (principal, action, resource == Tool::"pay");'
            "permit (principal, action, resource);"
        )
        text = {"p.cedar": rule}
        gate = replace(gate_of(manifest), compile=lambda _, text=text: compile_policies(text))
        policy = next(check for check in gate.run() if check.name == "policy")
        assert policy.conclusion == conclusion, policy.findings


def test_a_kind_of_memory_that_no_rule_covers_fails() -> None:
    rules = """
    @id("rest") permit(principal, action in [Action::"call", Action::"generate"], resource);
    @id("docs") permit(principal, action == Action::"retrieve", resource);
    @id("one") permit(principal, action == Action::"recall", resource == Memory::"semantic");
    @id("old") permit(principal, action == Action::"recall", resource == Memory::"procedural");
    """
    authorizer: Any = compile_policies({"policies/p.cedar": rules})
    manifest = terms(remember=RememberTerms(kinds=("semantic", "episodic")))
    checks = gate_of(manifest, authorizer=authorizer).run()
    (policy,) = [check for check in checks if check.name == "policy"]
    assert list(policy.findings) == [
        "memory episodic is covered by no rule",
        "rule old matches nothing: there is no declared kind of memory named procedural",
    ]


class Noted(Progress):
    """Notes all that it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def doing(self, what: str, check: str = "") -> None:
        self.said.append(f"{check}: {what}")

    def ended(self, check: CheckRun) -> None:
        self.said.append(f"{check.name} ended: {check.conclusion}")


def test_a_gate_tells_what_it_does_before_it_does_it() -> None:
    noted = Noted()

    def never() -> Evaluation:
        # Whoever waits outside knows by now where this hangs.
        assert noted.said[-1] == "eval: the datasets are run"
        return evaluation(())

    @fl.guardrail(
        stage="input",
        on_fail="block",
        samples=[fl.Sample(question="hello", passes=True), FAILING],
    )
    def kind(_: fl.Context, request: fl.Request) -> fl.Verdict:
        return fl.PASS if request.question else fl.fail("it asks nothing")

    app = fl.App("asks", workflows=[replace(ask, guardrails=(kind,))])
    gate = gate_of(app=app, evaluate=never)
    replace(gate, progress=noted, mutation=0.0).run()
    begun = noted.said.index("guardrail: it had begun")
    assert noted.said[begun : begun + 4] == [
        "guardrail: it had begun",
        "guardrail: guardrail kind, sample 1",
        "guardrail: guardrail kind, sample 2",
        "guardrail ended: success",
    ]
    assert "mutation: mistakes were put into policies and contracts" in noted.said
    assert any(one.startswith("mutation ended") for one in noted.said)
    assert noted.said[-1] == "digest ended: success"
