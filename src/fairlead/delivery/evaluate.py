"""Asks a release the cases of its datasets, and judges the outcomes."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.core.digests import Json, canonical_json
from fairlead.core.identity import Principal
from fairlead.core.release import Release
from fairlead.delivery.datasets import Dataset
from fairlead.ports.datasets import Case, Expectation
from fairlead.ports.journal import CallRecord, Journal
from fairlead.ports.runs import RunRecord
from fairlead.ports.telemetry import Signal
from fairlead.runtime.admission import Admission, StartOptions


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """How a case came out.

    Attributes:
        workflow: The workflow that was asked.
        case: The case's name.
        findings: What did not hold; empty when the case passed.
    """

    workflow: str
    case: str
    findings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What the gate's own runs showed.

    Attributes:
        results: Every case.
        calls: Every call of these runs.
        signals: Every span of these runs.
        runs: Ids of the runs that ended.
    """

    results: tuple[CaseResult, ...]
    calls: tuple[CallRecord, ...]
    signals: tuple[Signal, ...]
    runs: tuple[str, ...]


def judge(case: Case, run: RunRecord) -> CaseResult:
    """Hold a run against its case."""
    findings = tuple(
        finding
        for expectation in case.expectations
        if (finding := _finding(expectation, run)) is not None
    )
    return CaseResult(workflow=run.workflow, case=case.name, findings=findings)


async def ask(
    admission: Admission, journal: Journal, release: Release, datasets: tuple[Dataset, ...]
) -> Evaluation:
    """Ask a release every case, wait for the answers, and judge them.

    Args:
        admission: The way in; a worker of the release's code must live.
        journal: Where calls are kept.
        release: The candidate.
        datasets: The cases.
    """
    results: list[CaseResult] = []
    calls: list[CallRecord] = []
    ended: list[str] = []
    for dataset in datasets:
        started = []
        for case in dataset.cases:
            run = admission.start(
                release,
                dataset.workflow,
                case.inputs,
                principal=Principal(),
                options=StartOptions(purpose="gate"),
            )
            started.append((case, run.id))
        for case, run_id in started:
            limits = release.manifest.workflows[dataset.workflow].limits
            done = await admission.wait(run_id, limits.wall_time.total_seconds() + 5.0)
            results.append(judge(case, done))
            calls += journal.of_run(run_id)
            ended.append(run_id)
    return Evaluation(
        results=tuple(results),
        calls=tuple(calls),
        signals=(),
        runs=tuple(ended),
    )


def _finding(expectation: Expectation, run: RunRecord) -> str | None:
    wanted, outcome = expectation.value, run.outcome or {}
    answer = outcome.get("answer")
    if expectation.name == "State":
        because = f" ({run.reason})" if run.reason else ""
        return None if run.state == wanted else f"{run.state}, not {wanted}{because}"
    if expectation.name == "Contains":
        text = _text(answer)
        return None if str(wanted).lower() in text.lower() else f"the answer lacks {wanted!r}"
    if expectation.name == "Cites":
        cited = {source["document"] for source in outcome.get("grounded_sources", ())}
        return None if wanted in cited else f"cites {sorted(cited) or 'nothing'}, not {wanted!r}"
    return None if answer == wanted else f"answered {_text(answer)[:100]!r}"


def _text(answer: Json) -> str:
    if isinstance(answer, dict):
        answer = answer.get("text", answer.get("answer", answer))
    return answer if isinstance(answer, str) else canonical_json(answer)
