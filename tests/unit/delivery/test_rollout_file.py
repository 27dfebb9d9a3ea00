"""Rollout files: what a person may write, what is refused, and what is meant without one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fairlead import SLO
from fairlead.core.analysis import MetricTerms
from fairlead.core.errors import InvalidRollout
from fairlead.core.release import Manifest
from fairlead.core.rollout import RolloutTerms, Step
from fairlead.delivery.rollout_file import read_rollout, usual_analysis, usual_rollout
from tests.unit.runtime.bench import manifest_of
from tests.unit.runtime.test_admission import echo


def manifest(success: float = 0.99) -> Manifest:
    """Return a manifest of a workflow with a guardrail and an objective."""
    made = manifest_of(echo)
    slo = SLO(success=success, latency_p95=timedelta(seconds=10))
    terms = replace(made.workflows["echo"], guardrails=("cites_policy",), slo=slo)
    return replace(made, workflows={"echo": terms})


def read(text: str) -> RolloutTerms:
    """Read a rollout's file."""
    return read_rollout(text, "rollout.yaml", manifest())


WHOLE = """
steps:
  - setWeight: 5
  - pause: {duration_s: 600}
  - analysis: {min_runs: 50}
  - approval: {role: operator}
  - setWeight: 100
  - pause
  - analysis
  - approval
sticky: user
in_flight: move
holdback: 10
observe_s: 3600
ready_s: 60
gone_s: 20
fix: true
analysis:
  alpha: 0.02
  max_runs: 500
  metrics:
    - {name: success, p_max: 0.05}
    - {name: cites, source: "check:cites_policy", weight: 2}
    - {name: slow, kind: latency, role: signal}
    - {name: calls, kind: cost, source: calls, role: signal}
    - {name: helpful, source: "feedback:helpful", absent: excluded, deadline_s: 86400}
    - {name: stars, kind: score, source: "feedback:stars", absent: excluded}
"""


def test_a_file_says_all_of_it() -> None:
    terms = read(WHOLE)
    assert terms.steps == (
        Step(kind="set_weight", weight=0.05),
        Step(kind="pause", duration_s=600.0),
        Step(kind="analysis", min_runs=50),
        Step(kind="approval", role="operator"),
        Step(kind="set_weight", weight=1.0),
        Step(kind="pause"),
        Step(kind="analysis"),
        Step(kind="approval"),
    )
    assert (terms.sticky, terms.in_flight, terms.holdback) == ("user", "move", 0.1)
    assert (terms.observe_s, terms.ready_s, terms.gone_s) == (3600.0, 60.0, 20.0)
    assert terms.fix
    assert (terms.analysis.alpha, terms.analysis.max_runs) == (0.02, 500)
    sources = {one.name: (one.kind, one.source) for one in terms.analysis.metrics}
    assert sources == {
        "success": ("binary", "outcome"),
        "cites": ("binary", "check:cites_policy"),
        "slow": ("latency", "latency"),
        "calls": ("cost", "calls"),
        "helpful": ("binary", "feedback:helpful"),
        "stars": ("score", "feedback:stars"),
    }


def test_a_run_that_nobody_judged_is_left_out_of_feedback_unless_the_file_says_otherwise() -> None:
    steps = "steps: [{setWeight: 10}, analysis]\nanalysis:\n  metrics:\n"
    terms = read(
        steps
        + "    - {name: success, p_max: 0.05}\n"
        + "    - {name: helpful, source: 'feedback:helpful', p_max: 0.2}\n"
        + "    - {name: kind, source: 'feedback:kind', absent: bad}\n"
    )
    assert [one.absent_as for one in terms.analysis.metrics] == ["bad", "excluded", "bad"]


def test_what_is_left_out_is_usual() -> None:
    terms = read("steps: [{setWeight: 10}, analysis]")
    usual = usual_rollout(manifest())
    assert terms == replace(usual, steps=usual.steps[:2])
    some = read("steps: [{setWeight: 10}, analysis]\nanalysis: {alpha: 0.01}")
    assert some.analysis == replace(usual.analysis, alpha=0.01)


def test_the_usual_rollout_asks_for_what_the_objective_allows() -> None:
    terms = usual_rollout(manifest())
    assert [(one.kind, one.weight) for one in terms.steps] == [
        ("set_weight", 0.1),
        ("analysis", 0.0),
        ("set_weight", 0.5),
        ("analysis", 0.0),
    ]
    success, *signals = terms.analysis.metrics
    assert success == MetricTerms(name="success", p_max=0.05)
    assert [(one.name, one.role) for one in signals] == [("latency", "signal"), ("cost", "signal")]
    assert (terms.sticky, terms.in_flight, terms.holdback) == ("run", "pinned", 0.05)
    assert not terms.fix


@pytest.mark.parametrize(("success", "p_max"), [(0.9999, 0.0327), (0.95, 0.12), (0.5, 0.5)])
def test_the_usual_bound_stays_within_reason(success: float, p_max: float) -> None:
    assert usual_analysis(manifest(success)).metrics[0].p_max == p_max
    nothing = replace(manifest(), workflows={})
    assert usual_analysis(nothing).metrics[0].p_max == 0.05


GOOD = "steps: [{setWeight: 10}, analysis]\n"


def metric(**values: Any) -> str:
    """Return a file with one more metric."""
    said = ", ".join(f"{name}: {value}" for name, value in values.items())
    return f"{GOOD}analysis: {{metrics: [{{name: ok, p_max: 0.1}}, {{name: m, {said}}}]}}"


BAD = [
    # What stands in the issue.
    ("steps: [{setWeight: 101}, analysis]", "from 0 to 100 percent, not 101"),
    ("steps: [{setWeight: -1}, analysis]", "from 0 to 100 percent"),
    ("steps: [{setWeight: 0}, analysis]", "above 0"),
    ("steps: [{setWeight: 50}, analysis, {setWeight: 10}]", "must not fall"),
    ("steps: [{setWeight: 10}, pause]", "no step is an analysis"),
    ("steps: [analysis, {setWeight: 10}]", "first step must be setWeight"),
    ("steps: []", "from 1 to 50"),
    (f"steps: [{'{setWeight: 10}, analysis, ' * 26}]", "from 1 to 50"),
    (metric(source="vibes"), "unknown source 'vibes'"),
    (metric(source="'feedback:'"), "unknown source 'feedback:'"),
    (metric(source="check:absent"), "no workflow has the guardrail 'absent'"),
    (metric(source="check:cites_policy", kind="score"), "is good or bad, and kind is score"),
    (metric(source="outcome", kind="cost"), "is good or bad, and kind is cost"),
    (metric(source="latency"), "gives a number, and kind is binary"),
    (metric(source="7"), "source must name"),
    (metric(colour="red"), "has no 'colour'"),
    # What is no table, or no table of ours.
    ("", "must be a table"),
    ("[]", "must be a table"),
    ("just words", "must be a table"),
    ("holdback: 5", "needs steps"),
    (GOOD + "stepz: 1", "has no 'stepz'"),
    ("steps: {setWeight: 10}", "steps must be a list"),
    ("steps: [7, analysis]", "a step must be a table"),
    ("steps: [setweight, analysis]", "a step has no 'setweight'"),
    ("steps: [{}, analysis]", "a step is one of"),
    ("steps: [{setWeight: 10, pause: null}, analysis]", "a step is one of"),
    ("steps: [setWeight, analysis]", "a number of percent, not None"),
    # What is of a wrong type, or no number.
    ("steps: [{setWeight: ten}, analysis]", "a number of percent, not 'ten'"),
    ("steps: [{setWeight: true}, analysis]", "a number of percent, not True"),
    ("steps: [{setWeight: .nan}, analysis]", "not nan"),
    ("steps: [{setWeight: .inf}, analysis]", "not inf"),
    (f"steps: [{{setWeight: 1{'0' * 400}}}, analysis]", "too large"),
    ("steps: [{setWeight: 10}, {pause: 60}, analysis]", "a pause must be a table"),
    ("steps: [{setWeight: 10}, {pause: false}, analysis]", "a pause must be a table"),
    ("steps: [{setWeight: 10}, {pause: {duration_s: .nan}}, analysis]", "a pause lasts"),
    ("steps: [{setWeight: 10}, {pause: {duration_s: 1h}}, analysis]", "a number of seconds"),
    ("steps: [{setWeight: 10}, {pause: {minutes: 1}}, analysis]", "has no 'minutes'"),
    ("steps: [{setWeight: 10}, {approval: {role: boss}}, analysis]", "role is viewer, approver"),
    ("steps: [{setWeight: 10}, {approval: {role: [admin]}}, analysis]", "role is viewer"),
    ("steps: [{setWeight: 10}, {analysis: {min_runs: 2.5}}]", "whole number"),
    ("steps: [{setWeight: 10}, {analysis: {min_runs: true}}]", "whole number"),
    ("steps: [{setWeight: 10}, {analysis: {min_runs: 10001}}]", "from 0 to 10000"),
    (GOOD + "sticky: device", "sticky is run, conversation, user or tenant, not 'device'"),
    (GOOD + "fix: perhaps", "fix must be true or false"),
    (GOOD + "in_flight: kill", "in_flight is pinned, move or stop"),
    (GOOD + "holdback: 51", "from 0 to 50 percent"),
    (GOOD + "observe_s: .inf", "observe_s must be at most"),
    (GOOD + "observe_s: -1", "observe_s must be at most"),
    (GOOD + "ready_s: 0", "ready_s must be at most"),
    (GOOD + "gone_s: .nan", "gone_s must be at most"),
    (GOOD + f"gone_s: 1{'0' * 400}", "too large"),
    (GOOD + "analysis: [success]", "analysis must be a table"),
    (GOOD + "analysis: {metrics: success}", "metrics must be a list"),
    (GOOD + "analysis: {metrics: [success]}", "a metric must be an object"),
    (GOOD + "analysis: {metrics: []}", "from 1 to 20 metrics"),
    (GOOD + "analysis: {metrics: [{name: a}]}", "no guardrail has p_max"),
    (GOOD + "analysis: {metrics: [{p_max: 0.1}]}", "a metric needs name"),
    (GOOD + "analysis: {metrics: [{name: a, p_max: .nan}]}", "p_max is a share"),
    (GOOD + f"analysis: {{metrics: [{{name: a, p_max: 1{'0' * 400}}}]}}", "too large"),
    (GOOD + "analysis: {metrics: [{name: a, p_max: 0.1}, {name: a}]}", "two metrics"),
    (GOOD + "analysis: {alpha: often}", "alpha must be"),
    (GOOD + "analysis: {speed: 1}", "has no 'speed'"),
    # What is no YAML of ours.
    ("steps: [", "is not understood"),
    ("steps: \x00", "is not understood"),
    (GOOD + "steps: []", "stands twice"),
    (GOOD + "sticky: !!python/name:os.system", "is not understood"),
    ("a: &a [1]\nb: *a", "an alias is not allowed"),
    ("---\na: 1\n---\nb: 1", "is not understood"),
    ("#" * 200_001, "more than 200000 characters"),
    ("[" * 5000, "is not understood"),
]


@pytest.mark.parametrize(("text", "said"), BAD, ids=[text[:60] for text, _ in BAD])
def test_bad_input_is_refused_with_what_is_wrong_and_where(text: str, said: str) -> None:
    with pytest.raises(InvalidRollout, match=r"rollout\.yaml") as error:
        read(text)
    assert said in error.value.message
    assert error.value.code == "FL-934"
    assert error.value.ids["file"] == "rollout.yaml"


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)
KEYS = ("setWeight", "pause", "analysis", "approval", "duration_s", "min_runs", "role")
STEPS = st.lists(
    st.dictionaries(
        st.sampled_from(KEYS), VALUES | st.dictionaries(st.sampled_from(KEYS), VALUES), max_size=2
    )
    | VALUES,
    max_size=3,
)
NAMES = ("sticky", "in_flight", "holdback", "observe_s", "ready_s", "gone_s", "fix", "analysis")


@given(STEPS, st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3))
def test_whatever_a_person_writes_is_a_rollout_or_refused(
    steps: list[Any], more: dict[str, Any]
) -> None:
    try:
        terms = read(yaml.safe_dump({"steps": [{"setWeight": 10}, *steps, "analysis"], **more}))
    except InvalidRollout:
        return
    assert all(0.0 <= one.weight <= 1.0 for one in terms.steps)


@pytest.mark.parametrize("weight", ["010", "1:30", "-010", "1:30.5", "0_7"])
def test_a_number_that_can_be_read_in_two_ways_is_refused(weight: str) -> None:
    with pytest.raises(InvalidRollout, match="two ways"):
        read(f"steps: [setWeight: {weight}, analysis]")


@pytest.mark.parametrize(("weight", "share"), [("10", 0.1), ("0.5", 0.005), ("0x19", 0.25)])
def test_a_plain_number_is_read_as_it_stands(weight: str, share: float) -> None:
    text = f"steps: [setWeight: {weight}, analysis]"
    assert read(text).steps[0].weight == share
