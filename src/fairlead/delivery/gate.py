"""The gate: every check that a release must pass, the same in CI, at deploy and on a laptop.

A check concludes `success` or `failure`; one that shows neither is `neutral`, one that could not be
done, because an earlier one failed, is `skipped`, and one that waits for somebody or something is
`action_required`. A gate passes when every check is a success, and for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from fairlead.authoring.app import App
from fairlead.authoring.guardrail import Guardrail
from fairlead.core.context import Context
from fairlead.core.digests import Json
from fairlead.core.errors import FairleadError
from fairlead.core.guarding import Check, Sample
from fairlead.core.identity import Principal
from fairlead.core.release import Manifest, manifest_digest
from fairlead.core.request import Draft, Request
from fairlead.delivery.decisions import bundle_of, case_findings, decision_findings
from fairlead.delivery.evaluate import Evaluation
from fairlead.delivery.mutation import mutate
from fairlead.delivery.servers import pin_findings
from fairlead.guardrails.baseline import baseline_findings, unevaluable
from fairlead.guardrails.intent import intent_findings
from fairlead.guardrails.policy import policy_findings, redaction_findings
from fairlead.guardrails.shapes import SchemaCheck
from fairlead.guardrails.telemetry import PLATFORM_RULES, telemetry_findings
from fairlead.ports.authorizer import PolicyCompiler
from fairlead.ports.decisions import DecisionCase
from fairlead.ports.generator import Generator
from fairlead.runtime.check import ask
from fairlead.runtime.tools import result_of

Conclusion = Literal["success", "failure", "neutral", "skipped", "timed_out", "action_required"]

SURVIVORS_NAMED = 50
"""Mistakes that a failed check names at most."""


@dataclass(frozen=True, kw_only=True)
class CheckRun:
    """One check of a gate.

    Attributes:
        name: schema, contract, policy, decision, intent, model, guardrail, baseline (when the
            platform has one), mutation, eval, telemetry or digest; or a gate of an environment.
        conclusion: What it came to.
        summary: What was looked at, in a few words.
        findings: What is wrong; empty for a success.
        figures: What was measured, as JSON.
    """

    name: str
    conclusion: Conclusion
    summary: str
    findings: tuple[str, ...] = ()
    figures: dict[str, Json] = field(default_factory=dict)


class Progress:
    """Is told what a gate does, as it may hang and be ended from outside; it ignores it."""

    def doing(self, what: str, check: str = "") -> None:
        """Take note of what is begun.

        Args:
            what: It in a few words, such as `guardrail kind, sample 2`.
            check: The check that it is a part of; empty for what comes before all of them.
        """

    def candidate(self, release: str) -> None:
        """Take note of the digest of the release that is looked at, stored or not."""

    def ended(self, check: CheckRun) -> None:
        """Take note of a check that has ended."""


NO_PROGRESS = Progress()


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A gate on one candidate.

    Attributes:
        app: The app as imported.
        manifest: The candidate's manifest.
        compile: The policy compiler.
        generator: Knows which models can be called.
        embedder: Opens the embedding model of a name, or raises why it cannot be.
        today: For review dates.
        thresholds: Least share of passed cases (0.0 to 1.0) by workflow.
        evaluate: Runs the datasets on the candidate.
        decisions: The guardrail tests.
        mutation: Least share of small mistakes (0.0 to 1.0) that the guardrail tests must notice;
            None when it is not measured.
        changed: Says what of the candidate's files is not any more as the manifest says.
        flags: Says which flags the code asks for and no file declares, or the other way round.
        asked: The manifest as the app declares it, when a baseline narrowed it; None for the same.
        progress: Is told what is done.
    """

    app: App
    manifest: Manifest
    compile: PolicyCompiler
    generator: Generator
    today: date
    thresholds: dict[str, float]
    evaluate: Callable[[], Evaluation]
    decisions: tuple[DecisionCase, ...] = ()
    mutation: float | None = None
    changed: Callable[[], list[str]] = list
    flags: Callable[[], list[str]] = list
    asked: Manifest | None = None
    embedder: Callable[[str], object] = lambda _: None
    progress: Progress = NO_PROGRESS

    def run(self) -> tuple[CheckRun, ...]:
        """Do every check, in order."""
        static = [
            self._check("schema", self._schema),
            self._check("contract", self._contract),
            self._check("policy", self._policy),
            self._check("decision", self._decision),
            self._check("intent", self._intent),
            self._check("model", self._model),
            self._check("guardrail", self._guardrail),
        ]
        if self.manifest.baseline is not None:
            static.append(self._check("baseline", self._baseline))
        sound = all(check.conclusion == "success" for check in static)
        why = "not tried: an earlier check failed"
        asked = () if self.mutation is None else (self.mutation,)
        if sound:
            measured = tuple(self._mutation(least) for least in asked)
            run = self._run()
        else:
            measured = tuple(_skipped("mutation", why) for _ in asked)
            run = (_skipped("eval", why), _skipped("telemetry", why))
        # The last: a file may change while everything else is looked at.
        return (*static, *measured, *run, self._check("digest", self._digest))

    def _run(self) -> tuple[CheckRun, ...]:
        self.progress.doing("the datasets are run", "eval")
        try:
            evaluation = self.evaluate()
        except FairleadError as error:
            failed = CheckRun(
                name="eval", conclusion="failure", summary="could not run", findings=(str(error),)
            )
            return failed, _skipped("telemetry", "not tried: no run was made")
        return (
            self._check("eval", lambda: self._eval(evaluation)),
            self._check("telemetry", lambda: self._telemetry(evaluation)),
        )

    def _check(self, name: str, body: Callable[[], tuple[str, list[str]]]) -> CheckRun:
        self.progress.doing("it had begun", name)
        try:
            summary, findings = body()
        except FairleadError as error:
            summary, findings = "could not be decided", [str(error)]
        conclusion: Conclusion = "failure" if findings else "success"
        made = CheckRun(name=name, conclusion=conclusion, summary=summary, findings=tuple(findings))
        self.progress.ended(made)
        return made

    def _schema(self) -> tuple[str, list[str]]:
        findings = []
        for name, terms in self.manifest.workflows.items():
            for what, schema in (("input", terms.input_schema), ("output", terms.output_schema)):
                try:
                    SchemaCheck(schema)
                except ValueError as error:
                    findings.append(f"workflow {name}: the schema of its {what} is wrong: {error}")
        return _count(len(self.manifest.workflows), "workflow"), findings

    def _contract(self) -> tuple[str, list[str]]:
        findings = []
        for terms in self.manifest.workflows.values():
            missing = [tool for tool in terms.tools if tool not in self.manifest.contracts]
            findings += [f"tool {tool} has no contract" for tool in missing]
        for name, contract in self.manifest.contracts.items():
            if not contract.scope.strip():
                findings.append(f"tool {name} names no scope")
            if contract.effect != "read" and not contract.targets:
                findings.append(f"tool {name} has effect {contract.effect} and names no target")
        findings += pin_findings(self.manifest.contracts) + self.flags()
        return _count(len(self.manifest.contracts), "tool"), findings

    def _policy(self) -> tuple[str, list[str]]:
        authorizer = self.compile(self.manifest.policies)
        rules = authorizer.rules
        # What is only tried must compile, or nothing would be tried.
        tried = self.compile(self.manifest.shadow).rules
        terms = self.manifest.workflows.values()
        declared = {name for t in terms for name in (t.model, *t.fallbacks) if name}
        findings = policy_findings(
            rules,
            {
                "Tool": self.manifest.contracts,
                "Collection": {t.recall.collection for t in terms if t.recall},
                "Model": declared | {self.generator.check(agent) for agent in self._agents()},
                "Memory": {kind for t in terms if t.remember for kind in t.remember.kinds},
                "Workflow": self.manifest.workflows,
            },
        )
        findings += authorizer.findings(
            self.manifest.contracts, workflows=tuple(self.manifest.workflows)
        )
        findings += redaction_findings(rules, self._results())
        shadow = f", {len(tried)} only tried" if tried else ""
        return _count(len(rules), "rule") + shadow, findings

    def _results(self) -> dict[str, Mapping[str, Any]]:
        """Return what is known of the results of tools: the app's own, and those with a pin."""
        pins = {name: one.mcp for name, one in self.manifest.contracts.items()}
        return {name: result_of(tool).schema for name, tool in self.app.tools.items()} | {
            name: pin.definition["outputSchema"]
            for name, pin in pins.items()
            if pin is not None and pin.answers_structured
        }

    def _baseline(self) -> tuple[str, list[str]]:
        baseline = self.manifest.baseline
        assert baseline is not None, "the check is made only with a baseline"
        findings = baseline_findings(baseline, self.asked or self.manifest)
        return baseline.id, findings + unevaluable(baseline, self.manifest, self.compile)

    def _decision(self) -> tuple[str, list[str]]:
        findings = case_findings(self.manifest, self.decisions)
        if self.decisions and not findings:
            bundle = bundle_of(self.manifest, self.compile(self.manifest.policies))
            findings = list(decision_findings(bundle, self.decisions))
        return _count(len(self.decisions), "guardrail test"), findings

    def _mutation(self, least: float) -> CheckRun:
        self.progress.doing("mistakes were put into policies and contracts", "mutation")
        bundle = bundle_of(self.manifest, self.compile(self.manifest.policies))
        found = mutate(bundle, self.decisions)
        findings = []
        if not found.complete:
            findings.append(f"there was no time for more than {found.mutants} mistakes")
        if found.score < least:
            share = f"{found.score:.1%} of the mistakes are noticed"
            findings.append(f"{share}, {least:.1%} are needed")
        if not self.decisions:
            findings.append("there is no guardrail test: write one in guardrails/")
        elif findings:
            named = found.survivors[:SURVIVORS_NAMED]
            findings += [f"no test notices {one.where}: {one.change}" for one in named]
            more = len(found.survivors) - len(named)
            findings += [f"and {more} more; --json has all of them"] if more else []
        made = CheckRun(
            name="mutation",
            conclusion="failure" if findings else "success",
            summary=f"{_count(found.mutants, 'mistake')}, {found.score:.1%} noticed",
            findings=tuple(findings),
            figures=found.as_json(),
        )
        self.progress.ended(made)
        return made

    def _digest(self) -> tuple[str, list[str]]:
        return f"release {manifest_digest(self.manifest)[:12]}", self.changed()

    def _agents(self) -> list[Any]:
        """The ready agents that stand in place of a model's name."""
        workflows = self.app.workflows.values()
        return [w.model for w in workflows if not isinstance(w.model, str | None)]

    def _intent(self) -> tuple[str, list[str]]:
        findings = intent_findings(self.manifest.workflows, today=self.today)
        return _count(len(self.manifest.workflows), "page"), findings

    def _model(self) -> tuple[str, list[str]]:
        terms = self.manifest.workflows.values()
        models: list[Any] = [name for t in terms for name in (t.model, *t.fallbacks) if name]
        names = {self.generator.check(model) for model in [*models, *self._agents()]}
        self.embedder(self.manifest.memory.embedder)
        return ", ".join(sorted(names)) or "no model", []

    def _guardrail(self) -> tuple[str, list[str]]:
        findings, tried = [], 0
        for name, rail in self.app.guardrails.items():
            if {sample.passes for sample in rail.samples} != {True, False}:
                findings.append(f"guardrail {name} needs a sample that passes and one that fails")
            for number, sample in enumerate(rail.samples, 1):
                tried += 1
                self.progress.doing(f"guardrail {name}, sample {number}", "guardrail")
                verdict = _try(rail, sample)
                if verdict.passed != sample.passes:
                    said = "passes" if verdict.passed else f"fails ({verdict.reason})"
                    findings.append(f"guardrail {name}: sample {number} {said}")
        guardrails = _count(len(self.app.guardrails), "guardrail")
        return f"{guardrails}, {_count(tried, 'sample')}", findings

    def _eval(self, evaluation: Evaluation) -> tuple[str, list[str]]:
        findings, parts = [], []
        for workflow in self.manifest.workflows:
            results = [r for r in evaluation.results if r.workflow == workflow]
            if not results:
                findings.append(f"workflow {workflow} has no dataset: add [gate.{workflow}]")
                continue
            passed = sum(not result.findings for result in results)
            share, least = passed / len(results), self.thresholds[workflow]
            failed = ", ".join(result.case for result in results if result.findings)
            but = f" (not: {failed})" if failed else ""
            parts.append(f"{workflow} {passed}/{len(results)}{but}, threshold {least:.0%}")
            if share < least:
                findings.append(
                    f"{workflow}: {share:.0%} of the cases pass, {least:.0%} are needed"
                )
                findings += [
                    f"{workflow}, case {result.case}: {'; '.join(result.findings)}"
                    for result in results
                    if result.findings
                ]
        return "; ".join(parts), findings

    def _telemetry(self, evaluation: Evaluation) -> tuple[str, list[str]]:
        rules = (*PLATFORM_RULES, *self.manifest.telemetry)
        findings = telemetry_findings(rules, evaluation.calls, evaluation.signals, evaluation.runs)
        signals = _count(len(evaluation.signals), "signal")
        return f"{_count(len(rules), 'rule')}, {signals}", findings


def concludes(checks: tuple[CheckRun, ...]) -> Conclusion:
    """Return a gate's conclusion: success only when every check is one."""
    passed = bool(checks) and all(check.conclusion == "success" for check in checks)
    return "success" if passed else "failure"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _skipped(name: str, why: str) -> CheckRun:
    return CheckRun(name=name, conclusion="skipped", summary=why)


def _try(rail: Guardrail[Any], sample: Sample) -> Check:
    context = Context(run_id="sample", workflow="", release="", principal=Principal())
    subject: Any
    if rail.stage == "input":
        subject = Request(question=sample.question, input=sample.question)
    elif rail.stage == "tool":
        subject = sample.call
    else:
        subject = Draft(output=sample.output, sources=sample.sources)
    return ask(rail, context, subject)
