"""Each verdict, what it says, and which one wins."""

import math
from dataclasses import replace

import pytest

from fairlead.core.analysis import (
    Analysis,
    AnalysisTerms,
    AnalysisVerdict,
    MetricTerms,
    Observation,
    admit,
    begin,
    breach,
    learn,
    unmeasured,
    verdict,
)

ERRORS = MetricTerms(name="errors", p_max=0.05)
TONE = MetricTerms(name="tone", role="signal")
COST = MetricTerms(name="cost", kind="cost")
ONE = AnalysisTerms(metrics=(ERRORS,))
BOTH = AnalysisTerms(metrics=(ERRORS, TONE))


def seen(
    terms: AnalysisTerms, analysis: Analysis, *, good: int = 0, bad: int = 0, tone_bad: int = 0
) -> Analysis:
    """Canary runs that went well or badly, with nine of the baseline beside each, all good."""
    for number in range(good + bad):
        analysis, assigned = admit(analysis, "canary", 0.1)
        results = {"errors": "good" if number < good else "bad"}
        results["tone"] = "bad" if number < tone_bad else "good"
        for _ in range(9):
            analysis, beside = admit(analysis, "baseline", 0.1)
            ended = [Observation(assigned=beside, result="good")]
            analysis = learn(terms, analysis, "errors", ended)
        for metric in terms.metrics:
            if metric.name in results:
                ended = [Observation(assigned=assigned, result=results[metric.name])]  # type: ignore[arg-type]
                analysis = learn(terms, analysis, metric.name, ended)
    return analysis


def judged(terms: AnalysisTerms, analysis: Analysis, elapsed_s: float = 1.0) -> AnalysisVerdict:
    return verdict(terms, analysis, elapsed_s=elapsed_s)


def test_it_begins_running() -> None:
    said = judged(ONE, begin(ONE))
    assert (said.status, said.pause) == ("Running", False)
    assert said.reasons == (
        "errors: 0 of 0 canary runs bad, 0 of 0 of the baseline;"
        " harm 1 to 1 (20 needed), below 0.05 1 to 1 (20 needed)",
    )


def test_good_runs_succeed() -> None:
    assert judged(ONE, seen(ONE, begin(ONE), good=60)).status == "Running"
    said = judged(ONE, seen(ONE, begin(ONE), good=75))
    assert said.status == "Successful"
    assert "good by errors: 0 of 75 canary runs bad, 0 of 675" in said.reasons[0]


def test_not_before_the_fewest_runs() -> None:
    terms = replace(ONE, min_runs=90)
    assert judged(terms, seen(terms, begin(terms), good=89)).status == "Running"
    assert judged(terms, seen(terms, begin(terms), good=90)).status == "Successful"


def test_bad_runs_fail() -> None:
    said = judged(ONE, seen(ONE, begin(ONE), good=2, bad=4))
    assert said.status == "Failed"
    assert "worse by errors: 4 of 6 canary runs bad" in said.reasons[0]


def test_harm_wins_over_safety() -> None:
    good = seen(ONE, begin(ONE), good=200)
    assert judged(ONE, good).status == "Successful"
    assert judged(ONE, seen(ONE, good, bad=4)).status == "Failed"


def test_every_guardrail_must_have_been_looked_at() -> None:
    terms = AnalysisTerms(metrics=(ERRORS, COST))
    good = seen(terms, begin(terms), good=75)
    assert judged(terms, good).status == "Running"
    late = judged(terms, good, terms.max_time_s)
    assert late.status == "NoData"
    assert late.reasons == (
        "168 hours are over, and 20 outcomes of the canary are needed: cost has 0",
    )


def test_every_bound_must_be_shown() -> None:
    polite = MetricTerms(name="polite", p_max=0.01)
    terms = AnalysisTerms(metrics=(ERRORS, polite))
    analysis = seen(terms, begin(terms), good=75)
    for place in range(75):
        assigned = replace(admit(begin(terms), "canary", 0.1)[1], place=place)
        ended = [Observation(assigned=assigned, result="good")]
        analysis = learn(terms, analysis, "polite", ended)
    assert judged(terms, analysis).status == "Running"


def test_invariant_8_without_data_there_is_no_success() -> None:
    for elapsed_s, status in ((0.0, "Running"), (1e12, "NoData")):
        assert judged(ONE, begin(ONE), elapsed_s).status == status


def test_invariant_8_without_evidence_it_is_inconclusive() -> None:
    some = seen(ONE, begin(ONE), good=30)
    said = judged(ONE, some, ONE.max_time_s)
    assert said.status == "Inconclusive"
    assert said.reasons[0] == "168 hours are over"
    assert said.reasons[1].startswith("not shown by errors: 0 of 30")
    terms = replace(ONE, max_runs=30)
    said = judged(terms, some)
    assert (said.status, said.reasons[0]) == ("Inconclusive", "30 canary runs were looked at")


def test_a_run_that_is_open_may_still_decide() -> None:
    terms = replace(ONE, max_runs=30)
    analysis, first = admit(begin(terms), "canary", 0.1)
    analysis = seen(terms, analysis, good=29)
    assert judged(terms, analysis).status == "Running"
    analysis = learn(terms, analysis, "errors", [Observation(assigned=first, result="good")])
    assert judged(terms, analysis).status == "Inconclusive"


def test_runs_that_say_nothing_count_towards_the_end() -> None:
    terms = replace(ONE, max_runs=30)
    analysis, first = admit(begin(terms), "canary", 0.1)
    excluded = [Observation(assigned=first, result="excluded")]
    analysis = learn(terms, seen(terms, analysis, good=29), "errors", excluded)
    assert judged(terms, analysis).status == "Inconclusive"


def test_each_guardrail_has_its_part_of_alpha() -> None:
    three = AnalysisTerms(metrics=(ERRORS, COST, replace(COST, name="fees", weight=2.0)))
    needed = [one.harm_needed for one in judged(three, begin(three)).metrics]
    assert [math.exp(one) for one in needed] == pytest.approx([80.0, 80.0, 40.0])
    odds = judged(ONE, seen(ONE, begin(ONE), good=10, bad=3)).metrics[0].harm
    assert math.log(20) < odds < math.log(80)
    assert judged(three, seen(three, begin(three), good=10, bad=3)).status == "Running"


def test_a_signal_pauses_and_holds_the_success_back() -> None:
    odd = seen(BOTH, begin(BOTH), good=75, tone_bad=10)
    said = judged(BOTH, odd)
    assert (said.status, said.pause) == ("Running", True)
    assert said.reasons[-1].startswith("signal tone: 10 of 75 canary runs bad")
    late = judged(BOTH, odd, BOTH.max_time_s)
    assert (late.status, late.pause) == ("Inconclusive", True)
    heeded = verdict(BOTH, odd, elapsed_s=1.0, heeded=True)
    assert (heeded.status, heeded.pause) == ("Successful", True)
    assert judged(BOTH, seen(BOTH, begin(BOTH), good=75)).status == "Successful"


def test_what_must_never_happen_fails_at_once() -> None:
    analysis = breach(seen(ONE, begin(ONE), good=75), "effect_duplicated", "run-7")
    said = judged(ONE, analysis)
    assert said.status == "Failed"
    assert said.reasons == ("effect_duplicated by run run-7: this must never happen",)


def test_a_broken_router_is_an_error() -> None:
    analysis = begin(ONE)
    for _ in range(60):
        analysis, _ = admit(analysis, "canary", 0.5)
    said = judged(ONE, analysis)
    assert said.status == "Error"
    assert "gave 60 of 60 runs to the canary" in said.reasons[0]
    # What must never happen is known without comparing anything.
    assert judged(ONE, breach(analysis, "secret_leaked", "run-1")).status == "Failed"


@pytest.mark.parametrize(("name", "status"), [("errors", "Error"), ("tone", "Running")])
def test_a_guardrail_that_cannot_be_measured_is_an_error(name: str, status: str) -> None:
    analysis = begin(BOTH)
    for _ in range(BOTH.errors_max):
        analysis = unmeasured(BOTH, analysis, name, "run r1: gone")
    assert judged(BOTH, analysis).status == "Running"
    analysis = unmeasured(BOTH, analysis, name, "run r2: gone")
    said = judged(BOTH, analysis)
    assert said.status == status
    if status == "Error":
        assert said.reasons[0] == (
            "metric errors could not be measured 5 times in a row by its source, outcome; "
            "the last time: run r2: gone"
        )


def test_a_source_that_fails_does_not_hide_harm_that_was_shown() -> None:
    analysis = seen(BOTH, begin(BOTH), bad=30)
    for _ in range(BOTH.errors_max + 1):
        analysis = unmeasured(BOTH, analysis, "errors", "run r1: gone")
    assert judged(BOTH, analysis).status == "Failed"


def test_without_a_baseline_the_bound_decides() -> None:
    terms = ONE.without_baseline()
    analysis = begin(terms)
    for result in ("bad", "good", "bad", "bad"):
        analysis, assigned = admit(analysis, "canary", 1.0)
        ended = [Observation(assigned=assigned, result=result)]  # type: ignore[arg-type]
        analysis = learn(terms, analysis, "errors", ended)
    said = judged(terms, analysis)
    assert said.status == "Failed"
    assert "3 of 4 canary runs bad, and at most 0.05 of them may be" in said.reasons[0]


def test_large_odds_have_an_end() -> None:
    said = judged(ONE, seen(ONE, begin(ONE), bad=100))
    assert "harm over 1,000,000 to 1" in said.reasons[0]
