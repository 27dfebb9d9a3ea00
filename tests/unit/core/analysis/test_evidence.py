"""What outcomes do to the evidence of a metric, in any order and in any number of sessions."""

import json
import math
import random
from dataclasses import asdict, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.analysis.bets import above, below, log_sum, safe_start, times
from fairlead.core.analysis.evidence import (
    WINDOW,
    WORST,
    Assigned,
    Evidence,
    Observation,
    Result,
    log_harm,
    log_safety,
    no_evidence,
    observe,
)
from fairlead.core.analysis.terms import RUNS_MAX, MetricTerms
from fairlead.core.analysis.units import action_for, overdue

ERRORS = MetricTerms(name="errors", p_max=0.05)
BOUND = replace(ERRORS, against="bound")
LATENCY = MetricTerms(name="latency", kind="latency", p_max=0.1, limit=20.0)
SCORE = MetricTerms(name="score", kind="score")
EVERY = (ERRORS, BOUND, LATENCY, SCORE)


def canary(place: int, result: Result, *, corrects: bool = False) -> Observation:
    assigned = Assigned(arm="canary", probability=0.1, place=place)
    return Observation(assigned=assigned, result=result, corrects=corrects)


def baseline(result: Result, *, corrects: bool = False) -> Observation:
    assigned = Assigned(arm="baseline", probability=0.1)
    return Observation(assigned=assigned, result=result, corrects=corrects)


def after(terms: MetricTerms, *observations: Observation) -> Evidence:
    return observe(terms, no_evidence(terms), observations)


def history(terms: MetricTerms, seed: int, runs: int) -> list[Observation]:
    """Outcomes of runs that were admitted in turn and ended in any order."""
    chance, place, found = random.Random(seed), 0, []
    for _ in range(runs):
        bad = chance.random() < 0.2
        result: Result = "bad" if bad else "good"
        if terms.kind != "binary" and not bad:
            result = chance.choice((chance.uniform(-40, 40), 20.0))
        if chance.random() < 0.05:
            result = "excluded"
        if chance.random() < 0.3:
            found.append(canary(place, result))
            place += 1
        else:
            found.append(baseline(result))
    chance.shuffle(found)
    return found


def near(one: Evidence, other: Evidence) -> bool:
    """Whether two states are the same but for the last digits of their stakes."""
    ours, theirs = asdict(one), asdict(other)
    for name in ("harm", "safe", "harm_peak", "safe_peak"):
        if ours.pop(name) != pytest.approx(theirs.pop(name), abs=1e-9):
            return False
    return ours == theirs


# ------------------------------------------------------------------------------------------ harm


def test_failures_of_the_canary_are_evidence_and_those_of_the_baseline_against_it() -> None:
    alone = after(ERRORS, canary(0, "bad"))
    assert alone.harm_peak == pytest.approx(1.20, abs=0.01)
    both = after(ERRORS, canary(0, "bad"), baseline("bad"))
    assert log_sum(both.harm) < log_sum(alone.harm)
    assert both.harm_peak == alone.harm_peak  # what was reached was reached


def test_good_runs_say_nothing_of_harm_beside_a_baseline() -> None:
    good = after(ERRORS, canary(0, "good"), baseline("good"))
    assert good.harm == no_evidence(ERRORS).harm
    assert (good.canary, good.canary_bad, good.baseline, good.baseline_bad) == (1, 0, 1, 0)


def test_a_margin_asks_for_more() -> None:
    failures = [canary(place, "bad") for place in range(5)]
    assert (
        after(replace(ERRORS, margin=2.0), *failures).harm_peak < after(ERRORS, *failures).harm_peak
    )


@pytest.mark.parametrize(
    ("terms", "usual", "worse"),
    [
        (LATENCY, 10.0, 30.0),
        (SCORE, 0.9, 0.2),
        (replace(SCORE, direction="higher_is_worse"), 0.2, 0.9),
    ],
)
def test_worse_numbers_of_the_canary_are_evidence(
    terms: MetricTerms, usual: float, worse: float
) -> None:
    before = after(terms, *[baseline(usual + number * 37 % 50 / 1000) for number in range(50)])
    for result, sign in ((worse, 1.0), (usual - (worse - usual), -1.0)):
        then = observe(terms, before, [canary(0, result)])
        assert sign * (log_sum(then.harm) - log_sum(before.harm)) > 0.1


def test_a_number_that_never_came_is_the_worst() -> None:
    before = [baseline(float(number)) for number in range(50)]
    never = after(LATENCY, *before, canary(0, "bad"))
    assert never.harm == after(LATENCY, *before, canary(0, 1e9)).harm
    assert never.canary_bad == 1 and never.window[-1] == WORST
    json.loads(json.dumps(asdict(never), allow_nan=False))


def test_a_rank_is_among_the_last_numbers_of_both_arms() -> None:
    old = [baseline(1000.0)] * WINDOW
    recent = [baseline(1.0)] * WINDOW
    evidence = after(LATENCY, *old, *recent)
    assert evidence.window == (1.0,) * WINDOW
    assert observe(LATENCY, evidence, [canary(0, 2.0)]).harm_peak > 0.5


def test_old_numbers_are_forgotten_within_one_session_too() -> None:
    found = [baseline(float(number * 37 % 101 + number)) for number in range(2 * WINDOW)]
    one_by_one = no_evidence(LATENCY)
    for observation in found:
        one_by_one = observe(LATENCY, one_by_one, [observation])
    assert after(LATENCY, *found) == one_by_one


# ---------------------------------------------------------------------------------- order of word


@given(st.integers(0, 10_000), st.sampled_from(EVERY), st.integers(0, 60))
def test_sessions_do_not_matter(seed: int, terms: MetricTerms, cut: int) -> None:
    found = history(terms, seed, 60)
    first = observe(terms, no_evidence(terms), found[:cut])
    kept = json.loads(json.dumps(asdict(first), allow_nan=False))
    tuples = {name: tuple(one) if isinstance(one, list) else one for name, one in kept.items()}
    assert observe(terms, Evidence(**tuples), found[cut:]) == observe(
        terms, no_evidence(terms), found
    )
    one_by_one = no_evidence(terms)
    for observation in found:
        one_by_one = observe(terms, one_by_one, [observation])
    assert one_by_one == observe(terms, no_evidence(terms), found)


@given(st.integers(0, 10_000), st.sampled_from((ERRORS, BOUND)), st.randoms())
def test_where_all_is_known_the_order_of_word_does_not_matter(
    seed: int, terms: MetricTerms, chance: random.Random
) -> None:
    found = history(terms, seed, 60)
    one = observe(terms, no_evidence(terms), found)
    chance.shuffle(found)
    other = observe(terms, no_evidence(terms), found)
    assert other.harm == pytest.approx(one.harm, abs=1e-9)
    assert (other.safe, other.safe_peak, other.settled, other.ahead) == (
        one.safe,
        one.safe_peak,
        one.settled,
        "",
    )


@given(st.lists(st.sampled_from(["good", "bad", "excluded"]), min_size=1, max_size=40), st.data())
def test_what_is_open_never_makes_evidence(results: list[Result], data: st.DataObject) -> None:
    """However the open runs end, what was shown before them is shown after them too."""
    order = data.draw(st.permutations(range(len(results))))
    found = [canary(place, results[place]) for place in order]
    whole_safety = _highest(below(0.05), results, safe_start())
    whole_harm = _highest(above(0.05), results, no_evidence(BOUND).harm)
    evidence = no_evidence(BOUND)
    for one in found:
        evidence = observe(BOUND, evidence, [one])
        assert log_safety(BOUND, evidence) <= whole_safety + 1e-9
        assert log_harm(BOUND, evidence) <= whole_harm + 1e-9
    assert log_safety(BOUND, evidence) == pytest.approx(whole_safety)


def _highest(
    factors: tuple[tuple[float, ...], tuple[float, ...]],
    results: list[Result],
    stake: tuple[float, ...],
) -> float:
    highest = 0.0
    for result in results:
        if result != "excluded":
            stake = times(stake, factors[0 if result == "bad" else 1])
        highest = max(highest, log_sum(stake))
    return highest


def test_an_open_run_does_not_block_those_behind_it() -> None:
    evidence = after(ERRORS, *[canary(place, "good") for place in range(1, 200)])
    assert evidence.settled == 0 and evidence.safe_peak == 0.0
    assert log_safety(ERRORS, evidence) > math.log(20)
    few = after(ERRORS, *[canary(place, "good") for place in range(1, 70)])
    closed = observe(ERRORS, few, [canary(0, "good")])
    assert log_safety(ERRORS, few) < math.log(20) < log_safety(ERRORS, closed)
    assert (closed.settled, closed.ahead) == (70, "")


# ------------------------------------------------------------------------------------ corrections


@given(st.integers(0, 10_000), st.sampled_from((ERRORS, BOUND)), st.data())
def test_a_correction_is_as_if_the_run_had_been_bad(
    seed: int, terms: MetricTerms, data: st.DataObject
) -> None:
    found = history(terms, seed, 40)
    good = [at for at, one in enumerate(found) if one.result == "good"]
    wrong = data.draw(st.lists(st.sampled_from(good), unique=True, max_size=5)) if good else []
    late = [replace(found[at], result="bad", corrects=True) for at in wrong]
    corrected = observe(terms, no_evidence(terms), [*found, *late])
    known = [replace(one, result="bad") if at in wrong else one for at, one in enumerate(found)]
    at_once = observe(terms, no_evidence(terms), known)
    peaks = {"harm_peak": 0.0, "safe_peak": 0.0}
    assert near(replace(corrected, **peaks), replace(at_once, **peaks))
    assert log_safety(terms, corrected) <= log_safety(terms, at_once) + 1e-9 or not late


def test_a_correction_takes_back_what_safety_had_reached() -> None:
    shown = after(ERRORS, *[canary(place, "good") for place in range(70)])
    assert shown.safe_peak > math.log(20)
    corrected = observe(ERRORS, shown, [canary(3, "bad", corrects=True)])
    assert log_safety(ERRORS, corrected) < math.log(20)
    assert (corrected.canary, corrected.canary_bad) == (70, 1)
    assert corrected.harm_peak > 1.0


@pytest.mark.parametrize("terms", [ERRORS, BOUND])
def test_a_run_is_counted_once(terms: MetricTerms) -> None:
    for places in ((0, 0), (5, 5)):
        with pytest.raises(ValueError, match=f"place {places[0]} was counted before"):
            after(terms, *[canary(place, "good") for place in places])
    for place in (0, 5):
        with pytest.raises(ValueError, match="was not counted before"):
            after(terms, canary(place, "bad", corrects=True))
    twice = (canary(5, "good"), *[canary(5, "bad", corrects=True)] * 2)
    with pytest.raises(ValueError, match="place 5"):
        after(terms, *twice)


def test_only_good_can_be_corrected() -> None:
    for terms, result in ((ERRORS, "good"), (LATENCY, 3.0), (LATENCY, "bad")):
        with pytest.raises(ValueError, match="can be corrected"):
            after(terms, baseline(result, corrects=True))


def test_what_a_second_word_of_a_unit_means() -> None:
    assert action_for(ERRORS, None, "good") == "count"
    assert action_for(ERRORS, "good", "bad") == "correct"
    assert action_for(ERRORS, "good", "good") == "skip"
    assert action_for(ERRORS, "bad", "good") == "skip"
    assert action_for(LATENCY, "number", "bad") == "skip"
    assert action_for(LATENCY, "good", "bad") == "skip"


def test_a_unit_that_was_left_out_still_bets_on_whose_it_is_and_does_nothing_else() -> None:
    bound = replace(ERRORS, against="bound", p_max=0.1)
    assert action_for(ERRORS, "excluded", "bad") == "harm"
    assert action_for(LATENCY, "excluded", 2.0) == "harm"
    assert action_for(ERRORS, "excluded", "good") == "late"
    assert action_for(bound, "excluded", "bad") == "late"
    assert action_for(ERRORS, "excluded", "excluded") == "skip"


# ----------------------------------------------------------------------------------- what is amiss


def test_a_missing_outcome_counts_as_declared() -> None:
    assert overdue(ERRORS, 3599.0) is None
    assert overdue(ERRORS, 3600.0) == "bad"
    assert overdue(replace(ERRORS, absent="good", deadline_s=60.0), 60.0) == "good"


@pytest.mark.parametrize(
    ("terms", "result"),
    [
        (ERRORS, 1.0),
        (ERRORS, "fine"),
        (LATENCY, math.nan),
        (LATENCY, math.inf),
        (LATENCY, "good"),
        (LATENCY, True),
    ],
)
def test_a_result_of_another_kind_is_refused(terms: MetricTerms, result: Result) -> None:
    with pytest.raises(ValueError, match=f"metric {terms.name}: a result is"):
        after(terms, baseline(result))


@pytest.mark.parametrize(
    ("arm", "probability", "place"),
    [
        ("canary", 0.0, 0),
        ("canary", 0.1, None),
        ("canary", 0.1, -1),
        ("canary", 1.1, 0),
        ("canary", math.nan, 0),
        ("baseline", 1.0, None),
        ("baseline", 0.1, 0),
    ],
)
def test_an_assignment_that_cannot_be_is_refused(
    arm: str, probability: float, place: int | None
) -> None:
    with pytest.raises(ValueError, match=r"probability|place"):
        Assigned(arm=arm, probability=probability, place=place)  # type: ignore[arg-type]


def test_invariant_11_what_is_kept_has_a_bound() -> None:
    far = after(LATENCY, canary(RUNS_MAX - 1, 1.0), canary(RUNS_MAX, 1.0), canary(10**9, 1.0))
    assert len(far.ahead) == RUNS_MAX and far.canary == 3
    many = after(LATENCY, *[baseline(float(number)) for number in range(3 * WINDOW)])
    assert len(many.window) == WINDOW


def test_a_million_failures_overflow_nothing() -> None:
    evidence = after(ERRORS, *[canary(place, "bad") for place in range(1000)])
    for _ in range(1000):
        evidence = observe(ERRORS, evidence, [baseline("bad")] * 1000)
    assert all(math.isfinite(one) for one in (*evidence.harm, *evidence.safe, evidence.harm_peak))
    assert evidence.baseline_bad == 1_000_000


@given(st.integers(0, 10_000), st.sampled_from(EVERY))
def test_peaks_never_fall(seed: int, terms: MetricTerms) -> None:
    states = [no_evidence(terms)]
    for one in history(terms, seed, 40):
        states.append(observe(terms, states[-1], [one]))
    for before, then in pairwise(states):
        assert then.harm_peak >= before.harm_peak >= 0.0
        assert then.safe_peak >= before.safe_peak >= 0.0
        assert not any(map(math.isnan, (*then.harm, *then.safe)))
