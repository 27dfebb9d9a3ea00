"""The gate asks for the telemetry contract, and knows the models of ready agents."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

import fairlead as fl
from fairlead.adapters.cedar.authorizer import compile_policies
from fairlead.adapters.pydantic_ai.generator import PydanticGenerator
from fairlead.bootstrap import make_gate
from fairlead.core.errors import ModelUnknown
from fairlead.core.release import SignalRule
from fairlead.delivery.evaluate import Evaluation
from fairlead.delivery.gate import CheckRun, Gate, concludes
from fairlead.delivery.resolve import read_config, resolve
from fairlead.operations import check_app, load_settings, open_platform
from fairlead.ports.app_files import AppFiles
from fairlead.ports.telemetry import Signal
from tests.unit.delivery.test_gate import GOOD, PAGE, Models, evaluation, gate_of
from tests.unit.delivery.test_resolve import APP, FILES, ask
from tests.unit.guardrails.test_telemetry import SPANS, record, signal

OWN = b"""
[[telemetry.must_emit]]
span = "audit"
attributes = ["app.region", "app.shift"]
when = "tool"
"""
AUDIT = SignalRule(span="audit", attributes=("app.region", "app.shift"), when="tool")
FAREWELL = SignalRule(span="farewell", attributes=(), when="run")


def showed(
    calls: tuple[str, ...], signals: tuple[Signal, ...], *, runs: bool = False
) -> Evaluation:
    """Return what an evaluation showed whose cases all pass."""
    return replace(
        evaluation(()),
        calls=tuple(record(kind) for kind in calls),
        signals=signals,
        runs=("12ab",) if runs else (),
    )


def checks_of(gate: Gate) -> dict[str, CheckRun]:
    """Return the gate's checks by name."""
    return {check.name: check for check in gate.run()}


def telemetry_of(shown: Evaluation, *, manifest: Any = GOOD) -> CheckRun:
    """Return the check of the telemetry contract, when everything else passes."""
    checks = gate_of(manifest, evaluate=lambda: shown).run()
    assert {check.conclusion for check in checks if check.name != "telemetry"} == {"success"}
    found = checks[-2]
    assert found.name == "telemetry"
    assert concludes(checks) == found.conclusion
    return found


@pytest.mark.parametrize("kind", ["model", "tool", "retrieval"])
def test_a_call_without_its_signal_fails_the_gate(kind: str) -> None:
    found = telemetry_of(showed((kind,), ()))
    assert found.conclusion == "failure"
    assert found.findings == (f"run 12ab made a {kind} call and emitted no `{SPANS[kind]}` span",)
    kept = telemetry_of(showed((kind,), (signal(SPANS[kind]),)))
    assert (kept.conclusion, kept.findings) == ("success", ())


def test_a_run_without_its_signal_fails_the_gate() -> None:
    found = telemetry_of(showed((), (), runs=True))
    assert found.findings == ("run 12ab ended and emitted no `invoke_workflow` span",)
    assert telemetry_of(showed((), (signal("invoke_workflow"),), runs=True)).findings == ()


def test_a_signal_without_an_attribute_fails_the_gate() -> None:
    bare = signal("chat", without="gen_ai.request.model")
    found = telemetry_of(showed(("model",), (bare,)))
    assert found.findings == ("span `chat` lacks gen_ai.request.model",)


# ---------------------------------------------------------------------------------- the app's rules


def with_own_rule() -> Any:
    bundle = {**FILES.bundle, "intents/ask.toml": PAGE, "fairlead.toml": OWN}
    files = AppFiles(code=FILES.code, bundle=bundle)
    return resolve(APP, files, read_config(files))


def test_a_rule_in_the_configuration_is_part_of_the_manifest() -> None:
    assert with_own_rule().telemetry == (AUDIT,)
    assert GOOD.telemetry == ()


OWN_RULE = [
    pytest.param(None, "run 12ab made a tool call and emitted no `audit` span", id="no span"),
    pytest.param(("app.region",), "span `audit` lacks app.shift", id="no attribute"),
    pytest.param(("app.region", "app.shift"), None, id="kept"),
]


@pytest.mark.parametrize(("attributes", "finding"), OWN_RULE)
def test_the_apps_own_rule_is_checked_beside_the_platforms(
    attributes: tuple[str, ...] | None, finding: str | None
) -> None:
    signals = [signal("execute_tool")]
    if attributes is not None:
        signals.append(Signal(operation="audit", run_id="12ab", attributes=frozenset(attributes)))
    shown = showed(("tool",), tuple(signals))
    found = telemetry_of(shown, manifest=with_own_rule())
    assert found.findings == (() if finding is None else (finding,))
    assert telemetry_of(shown).findings == ()
    nothing = telemetry_of(showed(("tool",), ()), manifest=with_own_rule())
    assert len(nothing.findings) == 2


# ------------------------------------------------------------------------------------ the evidence

_APP = '''\
"""An app that looks at an item."""

from datetime import timedelta

import fairlead as fl


@fl.tool(effect="read", scope="items:read")
async def look(_: fl.Context) -> str:
    """Look at an item."""
    return "seen"


@fl.workflow(
    intent="Look",
    owner="group:default/tests",
    input=str,
    output=str,
    tools=[look],
    slo=fl.SLO(success=0.9, latency_p95=timedelta(seconds=10)),
)
async def ask(run: fl.Run[str], _: str) -> str:
    """Look."""
    return await run.call(look)


app = fl.App("asks", workflows=[ask])
'''
_AT_THE_END = '[[telemetry.must_emit]]\nspan = "farewell"\nattributes = []\nwhen = "run"\n'
_GATE = '[gate.ask]\ndataset = "evals/ask.yaml"\nthreshold = 1.0\n'
_CASES = "cases:\n  - {name: one, inputs: item, evaluators: [{State: succeeded}]}\n"


def write_app(folder: Path, toml: str) -> Path:
    """Write an app that passes the gate, but for what its configuration adds."""
    year = datetime.now(tz=UTC).year + 1
    files = {
        "app.py": _APP,
        "fairlead.toml": _GATE + toml,
        "evals/ask.yaml": _CASES,
        "intents/ask.toml": PAGE.decode().replace("2030", str(year)),
        "policies/all.cedar": '@id("all")\npermit (principal, action, resource);\n',
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


RULES = [
    pytest.param("", "success", (), id="no rule of its own"),
    pytest.param(OWN.decode(), "failure", (AUDIT,), id="a rule for calls"),
    pytest.param(_AT_THE_END, "failure", (FAREWELL,), id="a rule for runs"),
]


@pytest.mark.parametrize(("toml", "conclusion", "rules"), RULES)
def test_the_evidence_on_record_holds_each_check(
    tmp_path: Path, toml: str, conclusion: str, rules: tuple[SignalRule, ...]
) -> None:
    """A real evaluation: its spans keep the platform's rules, and nobody emits the app's own."""
    with open_platform(load_settings(write_app(tmp_path / "app", toml))) as platform:
        report = check_app(platform)
        evidence = platform.release_store.gate(report.release.digest)
        stored = platform.release_store.get(report.release.digest).manifest.telemetry
    assert evidence is not None
    assert (evidence.conclusion, report.passed) == (conclusion, conclusion == "success")
    assert [check["name"] for check in evidence.checks] == [
        "schema", "contract", "policy", "decision", "intent", "model", "guardrail", "eval",
        "telemetry", "digest",
    ]  # fmt: skip
    kept = [
        (c["name"], c["conclusion"], c["summary"], tuple(c["findings"])) for c in evidence.checks
    ]
    assert kept == [(c.name, c.conclusion, c.summary, c.findings) for c in report.checks]
    *others, telemetry, digests = kept
    others.append(digests)
    assert {check[1] for check in others} == {"success"}, others
    assert telemetry[1] == conclusion
    assert stored == rules
    assert len(telemetry[3]) == len(rules)
    assert all(f"no `{rule.span}` span" in telemetry[3][0] for rule in rules)


def test_the_gate_of_a_folder_reads_its_guardrail_tests_and_sees_what_changes(
    tmp_path: Path,
) -> None:
    folder = write_app(tmp_path / "app", "")
    tests = folder / "guardrails" / "look.yaml"
    tests.parent.mkdir()
    tests.write_text("cases: [{call: {tool: look, arguments: {}}, expect: allow}]")
    gate = make_gate(load_settings(folder))[0]
    assert [case.resource for case in gate.decisions] == ["look"]
    assert gate.changed() == []
    policy = folder / "policies" / "all.cedar"
    policy.write_text(policy.read_text() + "\n// changed\n")
    assert [finding.split(" is ")[0] for finding in gate.changed()] == [
        "the digest of the bundle",
        "the digest of the policies",
    ]


# ------------------------------------------------------------------------------------ ready agents

AGENT: Agent[None, str] = Agent(TestModel(model_name="ready"), name="ready")
MODEL = "test:ready"


def agent_gate(policies: str, *, generator: Any = None, agent: Any = AGENT) -> Gate:
    """Return a gate on an app whose model is a ready agent, with real policies."""
    app = fl.App("asks", workflows=[replace(ask, model=agent)])
    bundle = {**FILES.bundle, "intents/ask.toml": PAGE, "policies/p.cedar": policies.encode()}
    manifest = resolve(app, replace(FILES, bundle=bundle), {})
    assert manifest.workflows["ask"].model == ""
    gate = gate_of(manifest, app=app)
    return replace(gate, compile=compile_policies, generator=generator or PydanticGenerator())


OTHERS = """
permit (principal, action == Action::"call", resource);
permit (principal, action == Action::"retrieve", resource);
"""


def generates(model: str) -> str:
    return (
        f'@id("generates")\npermit (principal, action == Action::"generate", '
        f'resource == Model::"{model}");'
    )


def test_a_ready_agents_model_is_covered_by_the_policy_check() -> None:
    uncovered = checks_of(agent_gate(OTHERS))["policy"]
    assert uncovered.findings == (f"model {MODEL} is covered by no rule",)
    covered = checks_of(agent_gate(OTHERS + generates(MODEL)))["policy"]
    assert (covered.conclusion, covered.findings) == ("success", ())
    other = checks_of(agent_gate(OTHERS + generates("test:other")))["policy"]
    assert other.findings == (
        f"model {MODEL} is covered by no rule",
        "rule generates matches nothing: there is no model named test:other",
    )


def test_a_ready_agents_model_is_covered_by_the_model_check() -> None:
    found = checks_of(agent_gate(OTHERS + generates(MODEL)))["model"]
    assert (found.conclusion, found.summary) == ("success", MODEL)


def test_a_ready_agent_without_a_model_fails_the_model_check() -> None:
    checks = checks_of(agent_gate(OTHERS, agent=Agent(name="bare")))
    assert checks["model"].conclusion == "failure"
    assert "bare" in checks["model"].findings[0]


def test_a_ready_agent_is_what_the_generator_is_asked_about() -> None:
    class Asked(Models):
        def check(self, model: Any) -> str:
            asked.append(model)
            return super().check(model)

    asked: list[Any] = []
    error = ModelUnknown("nobody knows it")
    checks = checks_of(agent_gate(OTHERS, generator=Asked(error)))
    assert asked
    assert all(model is AGENT for model in asked)
    assert [checks[name].conclusion for name in ("policy", "model")] == ["failure"] * 2
    assert checks["model"].findings == (str(error),)
