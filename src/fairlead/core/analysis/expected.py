"""How long until a verdict, and what would shorten it. An estimate for people; nothing rests on it.

If outcomes go on as they are, each part of a stake grows by the same amount with each run. The
number of runs after which the whole stake is large enough follows from that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from fairlead.core.analysis.bets import RATIOS, Logs, above, attribution, below, log_sum, tilted
from fairlead.core.analysis.evidence import Evidence
from fairlead.core.analysis.state import Analysis
from fairlead.core.analysis.terms import AnalysisTerms, MetricTerms

HEALTHY = 0.2
"""Before anything is known, a good candidate is taken to have so large a part of `p_max`."""

HEALTHY_RUNS = 20
"""That counts as much as so many runs."""

FASTER = 0.5
"""The weight with which a rollout is compared: evidence on users comes hardly faster than so."""

SOON_H = 0.25
"""A verdict within so many hours needs no shortening."""

_RUNS_MAX = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What is to be expected of an analysis from now on; None stands for never.

    Attributes:
        runs_least: Canary runs until a promotion if all of them are good.
        runs_likely: Canary runs until a promotion if they go on as they are.
        harm_runs: Canary runs until the candidate is failed if they go on as they are.
        hours_least: Hours for `runs_least` at the present traffic.
        hours_likely: Hours until the likely verdict at the present traffic.
        words: The same for a person, and whether the analysis ends before that.
        shorter: What would shorten it, in words; empty when nothing needs to.
    """

    runs_least: int | None
    runs_likely: int | None
    harm_runs: int | None
    hours_least: float | None
    hours_likely: float | None
    words: str
    shorter: tuple[str, ...]


def expected(
    terms: AnalysisTerms, analysis: Analysis, *, runs_per_hour: float, weight: float
) -> Expected:
    """Estimate how long it takes until a verdict, and what would shorten it.

    Args:
        terms: The terms.
        analysis: The state.
        runs_per_hour: Runs of both arms that start in an hour.
        weight: The share of them that goes to the canary, from 0.0 to 1.0.

    Raises:
        ValueError: a number is out of its range.
    """
    if not 0.0 <= runs_per_hour < math.inf:
        raise ValueError("runs_per_hour must be a number of at least 0")
    if not 0.0 <= weight <= 1.0:
        raise ValueError("weight must be from 0.0 to 1.0")
    guardrails = [one for one in terms.metrics if one.role == "guardrail"]
    proving = [one for one in guardrails if one.p_max is not None]
    few = max(terms.min_runs - analysis.metrics[one.name].canary for one in guardrails)
    least = _all_of([_runs_to_safety(terms, analysis, one, bad=0.0) for one in proving], few)
    likely = _all_of(
        [
            _runs_to_safety(terms, analysis, one, bad=_share(one, analysis, "canary"))
            for one in proving
        ],
        few,
    )
    harms = [_runs_to_harm(terms, analysis, one, weight) for one in guardrails]
    harm = min((one for one in harms if one is not None), default=None)
    per_hour = runs_per_hour * weight
    verdict = min((one for one in (likely, harm) if one is not None), default=None)
    worst = max(proving, key=lambda one: _share(one, analysis, "canary") / (one.p_max or 1.0))
    good = 1.0 - _share(worst, analysis, "canary")
    return Expected(
        runs_least=least,
        runs_likely=likely,
        harm_runs=harm,
        hours_least=_hours(least, per_hour),
        hours_likely=_hours(verdict, per_hour),
        words=_words((least, likely, harm), good, runs_per_hour, weight)
        + _before_that(terms, verdict, _hours(verdict, per_hour)),
        shorter=_shorter(terms, verdict, runs_per_hour, weight),
    )


def _share(metric: MetricTerms, analysis: Analysis, arm: str) -> float:
    """Return the share of an arm's runs that are bad, drawn towards what is healthy."""
    evidence = analysis.metrics[metric.name]
    bad, whole = evidence.canary_bad, evidence.canary
    if arm == "baseline":
        bad, whole = evidence.baseline_bad, evidence.baseline
    healthy = HEALTHY * (metric.p_max or 0.05)
    return (bad + healthy * HEALTHY_RUNS) / (whole + HEALTHY_RUNS)


def _runs_to_safety(
    terms: AnalysisTerms, analysis: Analysis, metric: MetricTerms, *, bad: float
) -> int | None:
    evidence = analysis.metrics[metric.name]
    needed = -math.log(terms.promote_alpha)
    if metric.p_max is None or evidence.safe_peak >= needed:
        return 0
    return _runs(evidence.safe, _mean(bad, below(metric.p_max)), needed)


def _runs_to_harm(
    terms: AnalysisTerms, analysis: Analysis, metric: MetricTerms, weight: float
) -> int | None:
    """Return the canary runs until harm is shown; None for never, and for ranks."""
    evidence: Evidence = analysis.metrics[metric.name]
    needed = -math.log(terms.alpha_of(metric))
    if evidence.harm_peak >= needed:
        return 0
    bad = _share(metric, analysis, "canary")
    if metric.against == "bound" and metric.p_max is not None:
        return _runs(evidence.harm, _mean(bad, above(metric.p_max)), needed)
    if metric.kind != "binary" or not 0.0 < weight < 1.0:
        return None
    canary, baseline = attribution(tilted(weight, metric.margin), RATIOS)
    beside = _share(metric, analysis, "baseline") * (1.0 - weight) / weight
    growth = tuple(bad * c + beside * b for c, b in zip(canary, baseline, strict=True))
    return _runs(evidence.harm, growth, needed)


def _mean(bad: float, factors: tuple[Logs, Logs]) -> Logs:
    return tuple(bad * b + (1.0 - bad) * g for b, g in zip(*factors, strict=True))


def _runs(stake: Logs, growth: Logs, needed: float) -> int | None:
    """Return after how many runs a stake is large enough; None for never."""

    def enough(runs: int) -> bool:
        whole = [one + runs * more for one, more in zip(stake, growth, strict=True)]
        return log_sum(whole) >= needed

    if not enough(_RUNS_MAX):
        return None
    return _first(enough)


def _first(enough: Callable[[int], bool]) -> int:
    # The logarithm of a sum of such parts is convex, so it gets to a height above it only once.
    low, high = 0, _RUNS_MAX
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def _all_of(needed: list[int | None], few: int) -> int | None:
    """Return when all metrics are done; None when one never is."""
    counted = [one for one in needed if one is not None]
    return max(*counted, few, 0) if len(counted) == len(needed) else None


def _hours(runs: int | None, per_hour: float) -> float | None:
    if runs is None or (runs and not per_hour):
        return None
    return runs / per_hour if runs else 0.0


def _words(
    runs: tuple[int | None, int | None, int | None],
    good: float,
    runs_per_hour: float,
    weight: float,
) -> str:
    least, likely, harm = runs
    if 0 in (likely, harm):
        return "the evidence is there"
    if likely is None and harm is None:
        return f"with {good:.1%} of the canary's runs good no verdict is to be expected"
    if harm is not None and (likely is None or harm < likely):
        said = f"if it goes on like this, the candidate fails after about {harm:,} canary runs"
        count = harm
    else:
        count = likely or 0
        said = f"about {count:,} canary runs are needed with {good:.1%} of them good"
        if least is not None and least < count:
            said += f", and {least:,} if all are"
    if not runs_per_hour * weight:
        return f"{said}; but there is no traffic"
    rate = f"{runs_per_hour:,.0f} runs an hour"
    if runs_per_hour < 10.0:
        rate = f"{runs_per_hour * 24.0:,.3g} runs a day"
    said += (
        f"; at {rate} and a weight of {weight:.0%} that is {_span(count, runs_per_hour * weight)}"
    )
    if weight < FASTER:
        said += f", with {FASTER:.0%} it is {_span(count, runs_per_hour * FASTER)}"
    return said


def _span(runs: int, per_hour: float) -> str:
    hours = runs / per_hour
    if hours >= 48.0:
        return f"{hours / 24.0:,.0f} days"
    if hours >= 2.0:
        return f"{hours:,.0f} hours"
    return f"{hours * 60.0:,.0f} minutes" if hours * 60.0 >= 1.5 else "about a minute"


def _before_that(terms: AnalysisTerms, verdict: int | None, hours: float | None) -> str:
    """Return what ends the analysis before there is a verdict, in words; empty for nothing."""
    if verdict is None:
        return f"; it ends without one after {terms.max_runs:,} canary runs"
    if verdict > terms.max_runs:
        return f"; but it ends without a verdict after {terms.max_runs:,}"
    if hours is not None and hours * 3600.0 > terms.max_time_s:
        return f"; but {terms.max_time_s / 3600.0:.4g} hours are over before that"
    return ""


def _shorter(
    terms: AnalysisTerms, verdict: int | None, runs_per_hour: float, weight: float
) -> tuple[str, ...]:
    if verdict == 0:
        return ()
    said = []
    hours = _hours(verdict, runs_per_hour * weight)
    if hours is not None and hours < SOON_H and verdict is not None and verdict <= terms.max_runs:
        return ()
    if weight < FASTER:
        said.append(f"a weight of {FASTER:.0%}")
    said.append("replay of recorded runs before the rollout, which costs no user anything")
    said.append("a larger p_max, if users can live with it")
    return tuple(said)
