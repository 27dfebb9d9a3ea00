"""The state of an analysis: what was admitted, what was observed, what must never happen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, cast

from fairlead.core.analysis.bets import RATIO_CHECK, Logs, attribution, even, log_sum, times
from fairlead.core.analysis.evidence import (
    Arm,
    Assigned,
    Evidence,
    Observation,
    known_since,
    no_evidence,
    observe,
)
from fairlead.core.analysis.terms import INVARIANTS, RUNS_MAX, AnalysisTerms, Invariant
from fairlead.core.digests import Json

BREACHES_MAX = 10
"""So many breaches are kept; one is enough for the verdict."""

ERROR_CHARS_MAX = 200
"""So much is kept of why a measurement failed."""


@dataclass(frozen=True, kw_only=True)
class Breach:
    """Something that must never happen, and did.

    Attributes:
        invariant: What it was.
        run: Id of the canary's run that did it.
    """

    invariant: Invariant
    run: str


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What an analysis knows.

    Attributes:
        metrics: The evidence of each metric, by name.
        canary: Runs that were given to the canary.
        baseline: Runs that were given to the baseline.
        ratio: The stake on "the router does not do what it records"; natural logarithms.
        ratio_peak: The most that it ever was.
        breaches: What must never happen and did, the first ones.
    """

    metrics: Mapping[str, Evidence]
    ratio: Logs
    canary: int = 0
    baseline: int = 0
    ratio_peak: float = 0.0
    breaches: tuple[Breach, ...] = ()


def begin(terms: AnalysisTerms) -> Analysis:
    """Return the state of an analysis before its first run."""
    metrics = {one.name: no_evidence(one) for one in terms.metrics}
    return Analysis(metrics=metrics, ratio=even(RATIO_CHECK))


def admit(analysis: Analysis, arm: Arm, probability: float) -> tuple[Analysis, Assigned]:
    """Take the admission of a run into account.

    Every run that the router assigns is admitted here, also one that never starts. What comes back
    is recorded with the run: its outcomes are observed with it.

    Args:
        analysis: The state.
        arm: The release that the run was given to.
        probability: The chance, from 0.0 to 1.0, with which it was given to the canary.
    """
    place = analysis.canary if arm == "canary" else None
    assigned = Assigned(arm=arm, probability=probability, place=place)
    canary, baseline = attribution(probability, RATIO_CHECK)
    ratio = times(analysis.ratio, canary if arm == "canary" else baseline)
    after = replace(
        analysis,
        canary=analysis.canary + (arm == "canary"),
        baseline=analysis.baseline + (arm == "baseline"),
        ratio=ratio,
        ratio_peak=max(analysis.ratio_peak, log_sum(ratio)),
    )
    return after, assigned


def learn(
    terms: AnalysisTerms, analysis: Analysis, name: str, observations: Iterable[Observation]
) -> Analysis:
    """Take outcomes of one metric into account.

    Args:
        terms: The terms.
        analysis: The state.
        name: The metric's name.
        observations: Its outcomes, in the order in which they became known.

    Raises:
        ValueError: there is no such metric, or an outcome does not fit it.
    """
    metric = terms.metric(name)
    evidence = observe(metric, analysis.metrics[name], observations)
    return replace(analysis, metrics={**analysis.metrics, name: evidence})


def unmeasured(terms: AnalysisTerms, analysis: Analysis, name: str, why: str) -> Analysis:
    """Take into account that the source of a metric gave an error instead of an outcome.

    The unit stays without an outcome, and counts as such at its deadline.

    Args:
        terms: The terms.
        analysis: The state.
        name: The metric's name.
        why: What is wrong, and with which run.

    Raises:
        ValueError: there is no such metric.
    """
    terms.metric(name)
    before = analysis.metrics[name]
    after = replace(before, errors=before.errors + 1, error=why[:ERROR_CHARS_MAX])
    return replace(analysis, metrics={**analysis.metrics, name: after})


def unread(terms: AnalysisTerms, analysis: Analysis, name: str, why: str) -> Analysis:
    """Take into account that somebody said something of a run, and that it cannot be read.

    It is an error of the metric's source, and stays known when the next word can be read.

    Args:
        terms: The terms.
        analysis: The state.
        name: The metric's name.
        why: What is wrong, and with which run.

    Raises:
        ValueError: there is no such metric.
    """
    analysis = unmeasured(terms, analysis, name, why)
    before = analysis.metrics[name]
    after = replace(before, unread=before.unread + 1, unread_why=why[:ERROR_CHARS_MAX])
    return replace(analysis, metrics={**analysis.metrics, name: after})


def came_late(terms: AnalysisTerms, analysis: Analysis, name: str) -> Analysis:
    """Take into account that an outcome came when its unit was left out already.

    Args:
        terms: The terms.
        analysis: The state.
        name: The metric's name.

    Raises:
        ValueError: there is no such metric.
    """
    terms.metric(name)
    after = replace(analysis.metrics[name], late=analysis.metrics[name].late + 1)
    return replace(analysis, metrics={**analysis.metrics, name: after})


def outcomes_since(terms: AnalysisTerms, analysis: Analysis, place: int) -> int:
    """Return of how many of the canary's runs from a place on every guardrail knows the outcome.

    Args:
        terms: The terms.
        analysis: The state.
        place: Place of the first of these runs, from 0.
    """
    # Places behind the last one that is looked at are admitted, and nothing more is known of them.
    unseen = max(analysis.canary - max(place, RUNS_MAX), 0)
    rails = (one.name for one in terms.metrics if one.role == "guardrail")
    return unseen + min(known_since(analysis.metrics[name], place) for name in rails)


def breach(analysis: Analysis, invariant: Invariant, run: str) -> Analysis:
    """Take into account that a run of the canary did what must never happen.

    Args:
        analysis: The state.
        invariant: What it was.
        run: Id of the run. A breach by the baseline is none of the candidate's: leave it out.
    """
    if invariant not in INVARIANTS:
        raise ValueError(f"there is no invariant {invariant!r}")
    one = Breach(invariant=invariant, run=run)
    if one in analysis.breaches or len(analysis.breaches) >= BREACHES_MAX:
        return analysis
    return replace(analysis, breaches=(*analysis.breaches, one))


def state_to_json(analysis: Analysis) -> dict[str, Json]:
    """Return a state as JSON."""
    return asdict(analysis)


def state_from_json(data: Json) -> Analysis:
    """Read a state that `state_to_json` wrote.

    Raises:
        ValueError: it is not such a state.
    """
    try:
        given = dict(cast(Mapping[str, Json], data))
        metrics = cast(Mapping[str, Mapping[str, Json]], given.pop("metrics"))
        breaches = cast(list[Mapping[str, str]], given.pop("breaches"))
        return Analysis(
            metrics={name: Evidence(**_tuples(one)) for name, one in metrics.items()},
            breaches=tuple(Breach(**cast(dict[str, Invariant], one)) for one in breaches),
            **_tuples(given),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        known = ", ".join(one.name for one in fields(Analysis))
        raise ValueError(f"this is no state of an analysis, which has {known}: {error}") from error


def _tuples(data: Mapping[str, Json]) -> dict[str, Any]:
    return {name: tuple(one) if isinstance(one, list) else one for name, one in data.items()}
