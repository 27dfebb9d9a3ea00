"""The whole state: admissions, outcomes, breaches, and its form as JSON."""

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.analysis import (
    Analysis,
    AnalysisTerms,
    Assigned,
    MetricTerms,
    Observation,
    admit,
    begin,
    breach,
    learn,
    state_from_json,
    state_to_json,
    unmeasured,
)
from fairlead.core.analysis.state import BREACHES_MAX, ERROR_CHARS_MAX
from fairlead.core.digests import canonical_json

TERMS = AnalysisTerms(
    metrics=(
        MetricTerms(name="errors", p_max=0.05),
        MetricTerms(name="latency", kind="latency"),
    )
)


def kept(analysis: Analysis) -> Analysis:
    """A state as another process reads it."""
    return state_from_json(json.loads(canonical_json(state_to_json(analysis))))


def test_canary_runs_have_places_in_their_order() -> None:
    analysis, first = admit(begin(TERMS), "canary", 0.1)
    analysis, beside = admit(analysis, "baseline", 0.1)
    analysis, second = admit(analysis, "canary", 0.5)
    assert first == Assigned(arm="canary", probability=0.1, place=0)
    assert beside == Assigned(arm="baseline", probability=0.1)
    assert second == Assigned(arm="canary", probability=0.5, place=1)
    assert (analysis.canary, analysis.baseline) == (2, 1)


@given(st.integers(0, 10_000), st.integers(0, 40))
def test_a_state_goes_on_from_json(seed: int, cut: int) -> None:
    one = other = begin(TERMS)
    chance, waiting = random.Random(seed), list[Assigned]()
    for number in range(60):
        arm = "canary" if chance.random() < 0.3 else "baseline"
        one, assigned = admit(one, arm, 0.3)  # type: ignore[arg-type]
        other, same = admit(other, arm, 0.3)  # type: ignore[arg-type]
        assert assigned == same
        waiting.append(assigned)
        chance.shuffle(waiting)
        if len(waiting) > 5:
            ended = waiting.pop()
            errors = [Observation(assigned=ended, result=chance.choice(("good", "bad")))]
            times = [Observation(assigned=ended, result=chance.uniform(0, 9))]
            one = learn(TERMS, learn(TERMS, one, "errors", errors), "latency", times)
            other = learn(TERMS, learn(TERMS, other, "errors", errors), "latency", times)
        if number == cut:
            other = kept(other)
    assert one == other == kept(one)


def test_other_json_is_refused() -> None:
    good = state_to_json(begin(TERMS))
    bad_metric = {**good, "metrics": {"errors": {"harm": [0.0]}}}
    for data in ([], {}, {**good, "more": 1}, {**good, "metrics": 3}, bad_metric):
        with pytest.raises(ValueError, match="no state of an analysis"):
            state_from_json(data)  # type: ignore[arg-type]


def test_a_router_that_does_what_it_records_is_believed() -> None:
    chance, analysis = random.Random(7), begin(TERMS)
    for _ in range(5000):
        weight = chance.choice((0.01, 0.1, 0.5))
        arm = "canary" if chance.random() < weight else "baseline"
        analysis, _ = admit(analysis, arm, weight)  # type: ignore[arg-type]
    assert analysis.ratio_peak < math.log(1000)


@pytest.mark.parametrize("real", [0.05, 0.2])
def test_a_router_that_does_something_else_is_found(real: float) -> None:
    chance, analysis = random.Random(7), begin(TERMS)
    for _ in range(1000):
        arm = "canary" if chance.random() < real else "baseline"
        analysis, _ = admit(analysis, arm, 0.1)  # type: ignore[arg-type]
    assert analysis.ratio_peak > math.log(1000)


def test_breaches_are_kept_up_to_a_bound() -> None:
    analysis = begin(TERMS)
    for number in range(BREACHES_MAX + 5):
        analysis = breach(analysis, "secret_leaked", f"run-{number}")
    assert len(analysis.breaches) == BREACHES_MAX and analysis.breaches[0].run == "run-0"
    assert kept(analysis) == analysis
    with pytest.raises(ValueError, match="no invariant 'rudeness'"):
        breach(analysis, "rudeness", "run-1")  # type: ignore[arg-type]


def test_an_outcome_ends_a_row_of_errors() -> None:
    analysis = unmeasured(TERMS, begin(TERMS), "errors", "run r1: gone")
    analysis = kept(unmeasured(TERMS, analysis, "errors", "run r2: " + 1000 * "x"))
    failed = analysis.metrics["errors"]
    assert (failed.errors, failed.error[:8], len(failed.error)) == (2, "run r2: ", ERROR_CHARS_MAX)
    analysis, assigned = admit(analysis, "baseline", 0.1)
    # Neither a deadline that is over nor what a person stopped says that the source works again.
    late = Observation(assigned=assigned, result="bad", measured=False)
    stopped = Observation(assigned=assigned, result="excluded")
    analysis = learn(TERMS, analysis, "errors", [late, stopped])
    assert analysis.metrics["errors"].errors == 2
    analysis = learn(TERMS, analysis, "errors", [Observation(assigned=assigned, result="good")])
    assert (analysis.metrics["errors"].errors, analysis.metrics["errors"].error) == (0, "")


def test_an_unknown_metric_is_refused() -> None:
    for change in (learn(TERMS, begin(TERMS), "latency", []),):
        assert change == begin(TERMS)
    with pytest.raises(ValueError, match="no metric 'tone'"):
        learn(TERMS, begin(TERMS), "tone", [])
    with pytest.raises(ValueError, match="no metric 'tone'"):
        unmeasured(TERMS, begin(TERMS), "tone", "gone")
