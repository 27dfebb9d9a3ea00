"""Terms say in words what does not fit, and come back from JSON as they were."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.analysis import Observation, admit, begin, expected, learn, verdict
from fairlead.core.analysis.terms import (
    METRICS_MAX,
    AnalysisTerms,
    MetricTerms,
    terms_from_json,
    terms_to_json,
)

ERRORS = MetricTerms(name="errors", p_max=0.05)
TERMS = AnalysisTerms(metrics=(ERRORS,))


@pytest.mark.parametrize(
    ("given_terms", "said"),
    [
        ({"name": "Not a name"}, "short word"),
        ({"name": 3}, "short word"),
        ({"kind": "speed"}, "kind is binary, latency, cost or score, not 'speed'"),
        ({"kind": []}, "kind is"),
        ({"role": "judge"}, "role is guardrail or signal"),
        ({"against": "x"}, "against is baseline or bound"),
        ({"absent": "x"}, "absent is bad, good or excluded"),
        ({"kind": "cost", "direction": "up"}, "direction is higher_is_worse or lower_is_worse"),
        ({"source": ""}, "source"),
        ({"weight": 0}, "weight"),
        ({"weight": math.inf}, "weight"),
        ({"weight": "1"}, "weight"),
        ({"weight": True}, "weight"),
        ({"deadline_s": 0}, "deadline_s"),
        ({"deadline_s": 1e9}, "deadline_s"),
        ({"p_max": 0}, "p_max"),
        ({"p_max": 1}, "p_max"),
        ({"p_max": math.nan}, "p_max"),
        # Nothing of this can be reckoned with: each look would end in an error.
        ({"p_max": 5e-324}, "p_max"),
        ({"p_max": 1.0 - 2**-53}, "p_max"),
        ({"weight": 1e-320}, "weight"),
        ({"margin": 0.9}, "margin"),
        ({"margin": 1000}, "margin"),
        ({"against": "bound"}, "against = bound needs p_max"),
        ({"direction": "higher_is_worse"}, "this metric is binary"),
        ({"limit": 3.0, "p_max": 0.1}, "this metric is binary"),
        ({"kind": "latency", "margin": 2.0}, "margin is for binary metrics"),
        ({"kind": "latency", "p_max": 0.1}, "p_max and limit belong together"),
        ({"kind": "latency", "limit": 9.0}, "p_max and limit belong together"),
        ({"kind": "latency", "limit": "9", "p_max": 0.1}, "limit must be a number"),
    ],
)
def test_a_metric_that_does_not_fit_is_refused(given_terms: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MetricTerms(**{"name": "errors", **given_terms})


@pytest.mark.parametrize(
    ("given_terms", "said"),
    [
        ({"metrics": ()}, f"from 1 to {METRICS_MAX} metrics"),
        ({"metrics": (ERRORS,) * (METRICS_MAX + 1)}, f"from 1 to {METRICS_MAX} metrics"),
        ({"metrics": (ERRORS, ERRORS)}, "two metrics have the name errors"),
        ({"metrics": (replace(ERRORS, p_max=None),)}, "nothing could show"),
        ({"metrics": (replace(ERRORS, role="signal"),)}, "nothing could show"),
        ({"alpha": 0}, "alpha"),
        ({"alpha": 0.6}, "alpha"),
        ({"alpha": 5e-324}, "alpha"),
        ({"promote_alpha": "x"}, "promote_alpha"),
        ({"ratio_alpha": -1}, "ratio_alpha"),
        ({"min_runs": 0}, "min_runs"),
        ({"max_runs": 1e3}, "max_runs"),
        ({"max_runs": 10**6}, "max_runs"),
        ({"min_runs": 50, "max_runs": 40}, "min_runs is 50 and above max_runs, which is 40"),
        ({"errors_max": True}, "errors_max"),
        ({"invariants": ["good_manners"]}, "no invariant 'good_manners'"),
        ({"max_time_s": math.inf}, "max_time_s"),
    ],
)
def test_an_analysis_that_does_not_fit_is_refused(given_terms: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        AnalysisTerms(**{"metrics": (ERRORS,), **given_terms})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "an analysis must be an object"),
        ({}, "an analysis needs metrics"),
        ({"metrics": "errors"}, "metrics must be a list"),
        ({"metrics": ["errors"]}, "a metric must be an object with name, not str"),
        ({"metrics": [{}]}, "a metric needs name"),
        ({"metrics": [{"name": "errors", "pmax": 0.1}]}, "a metric has no 'pmax'; there are: name"),
        ({"metrics": [], "invariants": "policy_bypass"}, "invariants must be a list of names"),
        ({"metrics": [], "beta": 1}, "an analysis has no 'beta'; there are: metrics"),
    ],
)
def test_json_that_does_not_fit_is_refused(data: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        terms_from_json(data)


metrics = st.builds(
    MetricTerms,
    name=st.from_regex(r"[a-z][a-z0-9_.-]{0,20}", fullmatch=True),
    kind=st.just("binary"),
    p_max=st.floats(0.001, 0.9),
    margin=st.floats(1.0, 10.0),
    weight=st.floats(0.01, 100.0),
    against=st.sampled_from(["baseline", "bound"]),
    absent=st.sampled_from([None, "bad", "good", "excluded"]),
) | st.builds(
    MetricTerms,
    name=st.from_regex(r"[a-z][a-z0-9_.-]{0,20}", fullmatch=True),
    kind=st.sampled_from(["latency", "cost", "score"]),
    direction=st.sampled_from([None, "higher_is_worse", "lower_is_worse"]),
    role=st.sampled_from(["guardrail", "signal"]),
    weight=st.floats(0.01, 100.0),
)


@given(
    st.lists(metrics, max_size=METRICS_MAX - 1, unique_by=lambda one: one.name),
    st.floats(0.001, 0.5),
    st.integers(20, 10_000),
)
def test_terms_come_back_from_json(more: list[MetricTerms], alpha: float, runs: int) -> None:
    mine = [one for one in more if one.name != ERRORS.name]
    terms = AnalysisTerms(metrics=(ERRORS, *mine), alpha=alpha, max_runs=runs)
    assert terms_from_json(json.loads(json.dumps(terms_to_json(terms)))) == terms
    guardrails = [one for one in terms.metrics if one.role == "guardrail"]
    assert math.fsum(map(terms.alpha_of, guardrails)) == pytest.approx(alpha)


def test_what_is_left_out_has_its_default() -> None:
    assert terms_from_json({"metrics": [{"name": "errors", "p_max": 0.05}]}) == TERMS


@pytest.mark.parametrize("against", ["baseline", "bound"])
@pytest.mark.parametrize("p_max", [1e-6, 1.0 - 1e-6])
def test_the_outermost_terms_can_be_reckoned_with(against: Any, p_max: float) -> None:
    far = MetricTerms(name="far", against=against, p_max=p_max, weight=0.001)
    near = MetricTerms(name="near", p_max=0.1, weight=1000.0)
    terms = AnalysisTerms(metrics=(far, near), alpha=1e-9, promote_alpha=1e-9, ratio_alpha=1e-9)
    known = begin(terms)
    for result in ("good", "bad", "good"):
        known, assigned = admit(known, "canary", 0.5)
        for metric in ("far", "near"):
            seen = Observation(assigned=assigned, result=result)  # type: ignore[arg-type]
            known = learn(terms, known, metric, [seen])
    said = verdict(terms, known, elapsed_s=1.0)
    assert all(math.isfinite(one.harm_needed) for one in said.metrics)
    assert expected(terms, known, runs_per_hour=1.0, weight=0.5).words


def test_alpha_is_split_by_weight_among_guardrails() -> None:
    cost = MetricTerms(name="cost", kind="cost", weight=3.0)
    tone = MetricTerms(name="tone", kind="score", role="signal", weight=5.0)
    terms = AnalysisTerms(metrics=(ERRORS, cost, tone))
    shares = [terms.alpha_of(one) for one in terms.metrics]
    assert shares == pytest.approx([0.0125, 0.0375, 0.05])


def test_an_unknown_metric_is_refused() -> None:
    assert TERMS.metric("errors") is ERRORS
    with pytest.raises(ValueError, match="no metric 'cost'; there are: errors"):
        TERMS.metric("cost")


def test_without_a_baseline_only_bounds_are_left() -> None:
    cost = MetricTerms(name="cost", kind="cost")
    alone = replace(TERMS, metrics=(ERRORS, cost)).without_baseline()
    assert alone.metrics == (replace(ERRORS, against="bound"),)
