"""The verdict of an analysis, at any time and as often as one likes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fairlead.core.analysis.evidence import Evidence, log_harm, log_safety
from fairlead.core.analysis.state import Analysis
from fairlead.core.analysis.terms import AnalysisTerms, MetricTerms, Role

Status: TypeAlias = Literal["Running", "Successful", "Failed", "Inconclusive", "NoData", "Error"]

_ODDS_MAX = 1_000_000.0


@dataclass(frozen=True, kw_only=True)
class MetricVerdict:
    """What is known by one metric; evidence and thresholds are natural logarithms.

    Attributes:
        name: The metric's name.
        role: Its role.
        harm: Evidence that the candidate is worse.
        harm_needed: So much is enough.
        safety: Evidence that few enough of the canary's runs are bad.
        safety_needed: So much is enough; None when the metric promotes nothing.
        words: Both, for a person.
        unread: Words of people that cannot be read, and so were left aside.
        unread_why: Why the last of them cannot, and of which run; empty for none.
        late: Outcomes that came when their unit was left out already.
    """

    name: str
    role: Role
    harm: float
    harm_needed: float
    safety: float
    safety_needed: float | None
    words: str
    unread: int = 0
    unread_why: str = ""
    late: int = 0

    @property
    def harmful(self) -> bool:
        """Whether the candidate was shown to be worse."""
        return self.harm >= self.harm_needed

    @property
    def safe(self) -> bool:
        """Whether nothing is left to show before a promotion."""
        return self.safety_needed is None or self.safety >= self.safety_needed


@dataclass(frozen=True, kw_only=True)
class AnalysisVerdict:
    """What an analysis says.

    Attributes:
        status: `Failed` rolls back, `Successful` goes on, and all others hold: `Running` waits for
            more; `Inconclusive`, `NoData` and `Error` are for the owner to decide.
        reasons: Why, in words; the first one decided.
        pause: Whether the weight must not be raised while it is `Running`: a signal has fired.
        metrics: What is known by each metric.
    """

    status: Status
    reasons: tuple[str, ...]
    pause: bool
    metrics: tuple[MetricVerdict, ...]


def verdict(
    terms: AnalysisTerms, analysis: Analysis, *, elapsed_s: float, heeded: bool = False
) -> AnalysisVerdict:
    """Return what the evidence says now.

    It may be asked after each outcome and at any time between: the chance of a wrong verdict is
    bounded over all looks together.

    Args:
        terms: The terms.
        analysis: The state.
        elapsed_s: Seconds since the analysis began.
        heeded: Whether a person knows of the signals, and lets it go on.
    """
    metrics = tuple(metric_verdict(terms, analysis, one) for one in terms.metrics)
    signals = tuple(
        f"signal {one.words}" for one in metrics if one.harmful and one.role == "signal"
    )
    status, reasons = _status(terms, analysis, metrics, elapsed_s)
    if signals and status == "Successful" and not heeded:
        # Nobody looks at a signal after the promotion.
        ended = _end(terms, analysis, elapsed_s)
        status, reasons = ("Inconclusive", (ended,)) if ended else ("Running", ())
    return AnalysisVerdict(
        status=status, reasons=(*reasons, *signals), pause=bool(signals), metrics=metrics
    )


def metric_verdict(terms: AnalysisTerms, analysis: Analysis, metric: MetricTerms) -> MetricVerdict:
    """Return what is known by one metric.

    Args:
        terms: The terms.
        analysis: The state.
        metric: One of the terms' metrics.
    """
    evidence = analysis.metrics[metric.name]
    promotes = metric.role == "guardrail" and metric.p_max is not None
    harm, harm_needed = log_harm(metric, evidence), -math.log(terms.alpha_of(metric))
    safety = log_safety(metric, evidence)
    # All guardrails must show it, so each may use the whole of alpha.
    safety_needed = -math.log(terms.promote_alpha) if promotes else None
    words = f"{metric.name}: {_counts(metric, evidence)}; harm {_odds(harm, harm_needed)}"
    if safety_needed is not None:
        words += f", below {metric.p_max:.4g} {_odds(safety, safety_needed)}"
    return MetricVerdict(
        name=metric.name,
        role=metric.role,
        harm=harm,
        harm_needed=harm_needed,
        safety=safety,
        safety_needed=safety_needed,
        words=words,
        unread=evidence.unread,
        unread_why=evidence.unread_why,
        late=evidence.late,
    )


def _status(
    terms: AnalysisTerms,
    analysis: Analysis,
    metrics: tuple[MetricVerdict, ...],
    elapsed_s: float,
) -> tuple[Status, tuple[str, ...]]:
    if analysis.breaches:
        return "Failed", tuple(
            f"{one.invariant} by run {one.run}: this must never happen" for one in analysis.breaches
        )
    if error := _router_error(terms, analysis):
        return "Error", (error,)
    guardrails = [one for one in metrics if one.role == "guardrail"]
    if harmful := [one for one in guardrails if one.harmful]:
        return "Failed", tuple(f"the candidate is worse by {one.words}" for one in harmful)
    # Harm that was shown stays shown: a source that fails must not keep a rollback up.
    if errors := _source_errors(terms, analysis):
        return "Error", errors
    few = [
        one
        for one in terms.metrics
        if one.role == "guardrail" and analysis.metrics[one.name].canary < terms.min_runs
    ]
    if not few and all(one.safe for one in guardrails):
        shown = [one for one in guardrails if one.safety_needed is not None]
        return "Successful", tuple(f"the candidate is good by {one.words}" for one in shown)
    ended = _end(terms, analysis, elapsed_s)
    if ended and few:
        said = ", ".join(f"{one.name} has {analysis.metrics[one.name].canary}" for one in few)
        return "NoData", (
            f"{ended}, and {terms.min_runs} outcomes of the canary are needed: {said}",
        )
    if ended:
        missing = [one for one in guardrails if not one.safe]
        return "Inconclusive", (ended, *(f"not shown by {one.words}" for one in missing))
    return "Running", tuple(one.words for one in guardrails)


def _router_error(terms: AnalysisTerms, analysis: Analysis) -> str | None:
    """Return why nothing that was measured can be relied on; None when it can."""
    if analysis.ratio_peak >= -math.log(terms.ratio_alpha):
        whole = analysis.canary + analysis.baseline
        return (
            f"the router gave {analysis.canary:,} of {whole:,} runs to the canary, which does not"
            " fit the probabilities that it recorded; find out why before anything is compared"
        )
    return None


def _source_errors(terms: AnalysisTerms, analysis: Analysis) -> tuple[str, ...]:
    """Return which guardrails cannot be measured any more, and why."""
    found = [(one, analysis.metrics[one.name]) for one in terms.metrics if one.role == "guardrail"]
    return tuple(
        f"metric {one.name} could not be measured {evidence.errors} times in a row by its source,"
        f" {one.source}; the last time: {evidence.error}"
        for one, evidence in found
        if evidence.errors > terms.errors_max
    )


def _end(terms: AnalysisTerms, analysis: Analysis, elapsed_s: float) -> str:
    """Return why the analysis is over; empty while it is not."""
    if elapsed_s >= terms.max_time_s:
        return f"{terms.max_time_s / 3600:.4g} hours are over"
    # One that is still open may yet decide it, and is bad when its deadline is over.
    slowest = min(
        analysis.metrics[one.name].settled for one in terms.metrics if one.role == "guardrail"
    )
    if slowest >= terms.max_runs:
        return f"{terms.max_runs:,} canary runs were looked at"
    return ""


def _counts(metric: MetricTerms, evidence: Evidence) -> str:
    if metric.kind != "binary" and metric.limit is None:
        return f"{evidence.canary:,} canary and {evidence.baseline:,} baseline runs compared"
    bad = f"{evidence.canary_bad:,} of {evidence.canary:,} canary runs bad"
    if metric.against == "bound":
        return f"{bad}, and at most {metric.p_max:.4g} of them may be"
    return f"{bad}, {evidence.baseline_bad:,} of {evidence.baseline:,} of the baseline"


def _odds(log: float, needed: float) -> str:
    most = math.log(_ODDS_MAX)
    said = f"over {_ODDS_MAX:,.0f}" if log > most else f"{math.exp(log):,.3g}"
    return f"{said} to 1 ({math.exp(needed):,.3g} needed)"
