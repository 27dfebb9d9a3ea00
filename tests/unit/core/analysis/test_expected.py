"""How long it takes until a verdict, from the state and the traffic."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.analysis import (
    Analysis,
    AnalysisTerms,
    Expected,
    MetricTerms,
    Observation,
    admit,
    begin,
    expected,
    learn,
    verdict,
)

TERMS = AnalysisTerms(metrics=(MetricTerms(name="errors", p_max=0.05),))
A_DAY = 1 / 24


def run(terms: AnalysisTerms, canary: str, baseline: str = "", *, chance: float = 0.1) -> Analysis:
    """The outcomes of both arms, a letter each: g or b."""
    analysis, words = begin(terms), {"g": "good", "b": "bad"}
    for arm, letters in (("baseline", baseline), ("canary", canary)):
        for letter in letters:
            analysis, assigned = admit(analysis, arm, chance)  # type: ignore[arg-type]
            ended = [Observation(assigned=assigned, result=words[letter])]  # type: ignore[arg-type]
            analysis = learn(terms, analysis, terms.metrics[0].name, ended)
    return analysis


def asked(
    analysis: Analysis, terms: AnalysisTerms = TERMS, *, per_day: float = 40, weight: float = 0.1
) -> Expected:
    return expected(terms, analysis, runs_per_hour=per_day * A_DAY, weight=weight)


def test_before_the_first_run_it_says_what_a_good_candidate_needs() -> None:
    found = asked(begin(TERMS))
    assert found.words == (
        "about 149 canary runs are needed with 99.0% of them good, and 68 if all are; at 40 runs"
        " a day and a weight of 10% that is 37 days, with 50% it is 7 days;"
        " but 168 hours are over before that"
    )
    assert found.hours_least == pytest.approx(68 / 4 * 24)
    # What only says that it takes too long shortens nothing.
    assert [one.split()[:2] for one in found.shorter] == [
        ["a", "weight"],
        ["replay", "of"],
        ["a", "larger"],
    ]
    fast = asked(begin(TERMS), per_day=24_000)
    assert (fast.shorter, fast.words[-18:]) == (found.shorter, "% it is 18 minutes")


@given(st.integers(0, 67))
def test_if_all_runs_are_good_it_takes_as_many_as_it_says(before: int) -> None:
    least = asked(run(TERMS, "g" * before, chance=0.9)).runs_least
    assert least is not None
    for more, status in ((least - 1, "Running"), (least, "Successful")):
        said = verdict(TERMS, run(TERMS, "g" * (before + more), chance=0.9), elapsed_s=0.0)
        assert said.status == status


def test_a_bad_candidate_is_expected_to_fail() -> None:
    found = asked(run(TERMS, "gggbggggbg", "g" * 90))
    assert found.runs_likely is None
    assert found.harm_runs is not None and 0 < found.harm_runs < 20
    assert found.words.startswith("if it goes on like this, the candidate fails after about")


def test_as_bad_as_the_bound_no_verdict_is_expected() -> None:
    letters = ("g" * 18 + "bg") * 20
    found = asked(run(TERMS, letters, letters * 9))
    assert (found.runs_likely, found.harm_runs) == (None, None)
    assert "no verdict is to be expected" in found.words
    assert found.words.endswith("; it ends without one after 1,000 canary runs")
    few = AnalysisTerms(metrics=TERMS.metrics, max_runs=100)
    assert asked(begin(few), few).words.endswith("; but it ends without a verdict after 100")


def test_once_the_evidence_is_there_nothing_is_left() -> None:
    for analysis in (run(TERMS, "g" * 80), run(TERMS, "bbbb")):
        found = asked(analysis)
        assert (found.hours_likely, found.words, found.shorter) == (
            0.0,
            "the evidence is there",
            (),
        )


def test_the_fewest_runs_count_too() -> None:
    terms = AnalysisTerms(metrics=TERMS.metrics, min_runs=500)
    assert asked(begin(terms), terms).runs_least == 500


def test_without_traffic_there_is_no_time() -> None:
    for weight, per_day in ((0.0, 40), (0.1, 0)):
        found = asked(begin(TERMS), per_day=per_day, weight=weight)
        assert found.hours_likely is None
        assert found.words.endswith("but there is no traffic")


def test_spans_are_in_words() -> None:
    for per_day, said in ((240_000, "9 minutes"), (24_000, "89 minutes"), (2_400, "15 hours")):
        assert f"that is {said}" in asked(begin(TERMS), per_day=per_day).words
    assert "at 1,000 runs an hour" in asked(begin(TERMS), per_day=24_000).words


def test_without_a_baseline_harm_is_expected_too() -> None:
    terms = TERMS.without_baseline()
    found = asked(run(terms, "bgbgggggbg"), terms, weight=1.0)
    assert found.harm_runs is not None and found.harm_runs < 60


def test_numbers_alone_promise_no_time_for_harm() -> None:
    latency = MetricTerms(name="latency", kind="latency", limit=9.0, p_max=0.1)
    terms = AnalysisTerms(metrics=(latency,))
    found = asked(begin(terms), terms)
    assert found.harm_runs is None and found.runs_likely is not None


@pytest.mark.parametrize(("per_hour", "weight"), [(-1.0, 0.1), (math.inf, 0.1), (1.0, 1.5)])
def test_numbers_out_of_range_are_refused(per_hour: float, weight: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        expected(TERMS, begin(TERMS), runs_per_hour=per_hour, weight=weight)
