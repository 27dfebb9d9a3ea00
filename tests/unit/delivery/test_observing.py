"""What runs say of a release: each unit once for each metric, whatever comes, and whenever."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.analysis import MetricTerms
from tests.unit.delivery.watch import HELPFUL, LATENCY, STARS, SUCCESS, T0, Watch


def test_a_run_is_admitted_once_and_its_end_counts_once() -> None:
    watch = Watch()
    good, bad, beside = watch.run(), watch.run(), watch.run("baseline")
    first = watch.look()
    assert first.places == {good: 0, bad: 1, beside: -1}
    assert (watch.analysis.canary, watch.analysis.baseline, watch.known()) == (2, 1, (0, 0, 0, 0))
    watch.end(good)
    watch.end(bad, "failed")
    watch.end(beside)
    assert watch.look().ended == (good, bad, beside)
    assert watch.known() == (2, 1, 1, 0)
    before = watch.analysis
    again = watch.look()
    assert (again.places, again.ended, again.counted) == ({}, (), ())
    assert watch.analysis is before
    assert watch.rollout is again.rollout


def test_a_second_report_of_an_end_counts_nothing() -> None:
    """As when whoever counted died, and somebody ticks nothing off."""
    watch = Watch()
    number = watch.run()
    watch.end(number, "failed")
    watch.look()
    watch.runs[number] = replace(watch.runs[number], was_counted=False)
    watch.look()
    assert watch.known() == (1, 1, 0, 0)


@pytest.mark.parametrize("state", ["failed", "denied", "escalated"])
def test_whatever_is_not_success_is_bad(state: str) -> None:
    watch = Watch((SUCCESS, replace(SUCCESS, name="denied", source="denied", p_max=None)))
    watch.end(watch.run(), state)
    watch.look()
    assert watch.known() == (1, 1, 0, 0)
    assert watch.known("denied") == (1, int(state == "denied"), 0, 0)


def test_what_a_person_stopped_says_nothing() -> None:
    watch = Watch((SUCCESS, LATENCY))
    watch.end(watch.run(), "cancelled")
    watch.look()
    assert (watch.known(), watch.known("latency")) == ((0, 0, 0, 0), (0, 0, 0, 0))
    assert watch.counted["success", "r1"].counted == "excluded"
    assert watch.look(T0 + 10**6).counted == ()
    assert watch.known() == (0, 0, 0, 0)


def test_a_check_that_failed_is_bad_by_its_name() -> None:
    check = replace(SUCCESS, name="cites", source="check:cites")
    watch = Watch((check,))
    watch.end(watch.run(), failed_checks=("cites", "other"))
    watch.end(watch.run(), failed_checks=("other",))
    watch.end(watch.run(), "failed")
    watch.look()
    assert watch.known("cites") == (3, 1, 0, 0)


CITES = MetricTerms(name="cites", source="check:cites", p_max=0.5, deadline_s=60.0)
MONEY = MetricTerms(name="money", kind="cost", source="cost", p_max=0.5, limit=1.0)


@pytest.mark.parametrize(
    ("metric", "broken", "said"),
    [
        (CITES, {"unread": "the payload abc was changed"}, "the payload abc was changed"),
        (MONEY, {"cost_usd": math.inf}, "its cost is inf, which is no number"),
        (MONEY, {"cost_usd": math.nan}, "its cost is nan, which is no number"),
    ],
)
def test_what_cannot_be_read_is_an_error_of_the_metrics_that_need_it(
    metric: MetricTerms, broken: dict[str, Any], said: str
) -> None:
    watch = Watch((SUCCESS, metric, LATENCY))
    for _ in range(4):
        watch.end(watch.run(), **broken)
        watch.look()
    # Somebody stopped it: it has nothing that could be measured.
    watch.end(watch.run(), "cancelled", **broken)
    watch.look()
    assert watch.rollout.phase == "progressing"
    assert (watch.known(), watch.known(metric.name)) == ((4, 0, 0, 0), (0, 0, 0, 0))
    assert len(watch.evidence("latency").window) == 4
    watch.end(watch.run(), **broken)
    watch.look()
    assert (watch.rollout.phase, watch.rollout.waits) == ("paused", "analysis")
    assert watch.rollout.reason == (
        f"metric {metric.name} could not be measured 5 times in a row by its source, "
        f"{metric.source}; the last time: run r6: {said}"
    )
    # It is not read again and again, and a run without an outcome counts as such when it is late.
    assert watch.look().ended == ()
    watch.look(T0 + 10**6)
    assert watch.known(metric.name) == (5, 5, 0, 0)
    assert watch.evidence(metric.name).errors == 5


def test_numbers_of_a_run_are_ranked() -> None:
    sources = ("latency", "cost", "calls")
    metrics = tuple(MetricTerms(name=one, kind="cost", source=one) for one in sources)
    watch = Watch((SUCCESS, *metrics))
    watch.end(watch.run(), duration_s=4.0, cost_usd=0.5, calls=7)
    watch.look()
    assert [watch.analysis.metrics[one].window for one in sources] == [(4.0,), (0.5,), (7.0,)]


# What is said later.


def test_a_run_that_succeeded_and_was_wrong_counts_when_the_word_arrives() -> None:
    watch = Watch()
    number = watch.run()
    watch.end(number)
    watch.look()
    assert watch.known() == (1, 0, 0, 0)
    watch.say(number, "outcome", "bad")
    assert watch.look(T0 + 5000).said == (1,)
    assert watch.known() == (1, 1, 0, 0)
    for word in ("bad", "good"):
        watch.say(number, "outcome", word)
        watch.look(T0 + 6000)
    assert watch.known() == (1, 1, 0, 0)
    assert watch.told == [1, 2, 3]


def test_a_word_before_the_end_counts_and_the_end_may_correct_it() -> None:
    watch = Watch()
    number = watch.run()
    watch.say(number, "outcome", "good")
    watch.look()
    assert watch.known() == (1, 0, 0, 0)
    watch.end(number, "failed")
    watch.look()
    assert watch.known() == (1, 1, 0, 0)


def test_feedback_has_metrics_of_its_own() -> None:
    watch = Watch((SUCCESS, HELPFUL, STARS))
    number = watch.run()
    watch.end(number)
    watch.look()
    assert (watch.known("helpful"), watch.known("stars")) == ((0, 0, 0, 0), (0, 0, 0, 0))
    watch.say(number, "helpful", "bad")
    watch.say(number, "stars", 2)
    watch.say(number, "stars", 5)
    watch.say(number, "unheard", "bad")
    assert watch.look().said == (1, 2, 3, 4)
    assert (watch.known("helpful"), watch.known()) == ((1, 1, 0, 0), (1, 0, 0, 0))
    assert watch.analysis.metrics["stars"].window == (-2.0,)


ODD = ["maybe", None, True, [1], {"a": 1}, float("inf"), float("nan"), 10**400, "bad"]


@pytest.mark.parametrize("value", ODD, ids=lambda one: repr(one)[:8])
def test_a_word_that_does_not_fit_stops_nothing(value: Any) -> None:
    """One odd word must not keep a rollout from being looked at for ever."""
    watch = Watch((SUCCESS, STARS))
    number = watch.run()
    watch.say(number, "stars", value)
    assert watch.look().said == (1,)
    assert watch.known("stars") == (0, 0, 0, 0)


def test_a_number_is_no_word_of_a_binary_metric() -> None:
    watch = Watch((SUCCESS, HELPFUL))
    watch.say(watch.run(), "helpful", 1)
    assert watch.look().said == (1,)
    assert watch.known("helpful") == (0, 0, 0, 0)


# What never comes.


@pytest.mark.parametrize(
    ("absent", "known", "then"),
    [
        ("bad", (1, 1, 0, 0), (1, 1, 0, 0)),
        ("good", (1, 0, 0, 0), (1, 1, 0, 0)),
        ("excluded", (0, 0, 0, 0), (1, 1, 0, 0)),
    ],
)
def test_what_never_comes_is_counted_at_its_deadline(
    absent: Any, known: tuple[int, ...], then: tuple[int, ...]
) -> None:
    watch = Watch((replace(SUCCESS, absent=absent),))
    number = watch.run()
    assert watch.look().due == {number: T0 + 60.0}
    watch.look(T0 + 59.9)
    assert watch.known() == (0, 0, 0, 0)
    assert watch.look(T0 + 60.0).due == {number: None}
    assert watch.known() == known
    # It comes all the same: only what was good, or left out, can become bad.
    watch.end(number, "failed")
    watch.look(T0 + 70.0)
    assert watch.known() == then


def test_a_guardrail_of_feedback_promotes_by_those_who_were_judged() -> None:
    helpful = MetricTerms(name="helpful", source="feedback:helpful", p_max=0.2, deadline_s=60.0)
    watch = Watch((SUCCESS, helpful))
    for place in range(120):
        number = watch.run()
        watch.end(number)
        watch.end(watch.run("baseline"))
        if place % 3 == 0:
            watch.say(number, "helpful", "good")
    watch.look()
    assert watch.rollout.promoted_at is None
    watch.look(T0 + 60.0)
    assert watch.known("helpful") == (40, 0, 0, 0)
    assert watch.rollout.promoted_at is not None


def test_the_next_deadline_is_the_earliest_of_what_is_missing() -> None:
    watch = Watch((SUCCESS, HELPFUL))
    number = watch.run()
    assert watch.look().due == {number: T0 + 60.0}
    watch.end(number)
    assert watch.look().due == {number: T0 + 600.0}
    assert watch.look(T0 + 600.0).due == {number: None}
    assert watch.counted["helpful", "r1"].counted == "excluded"


# What must never happen.


@pytest.mark.parametrize("invariant", ["secret_leaked", "policy_bypass", "effect_duplicated"])
def test_a_breach_rolls_back_at_once(invariant: str) -> None:
    watch = Watch()
    watch.say(watch.run(), f"breach:{invariant}", "bad")
    rollout = watch.look().rollout
    assert (rollout.phase, rollout.bad, rollout.weight) == ("aborting", True, 0.0)
    assert f"{invariant} by run r1" in rollout.reason


def test_a_breach_on_record_rolls_back_at_once_and_counts_once() -> None:
    watch = Watch()
    watch.run(breaches=("policy_bypass",))
    rollout = watch.look().rollout
    assert (rollout.phase, rollout.bad) == ("aborting", True)
    assert "policy_bypass by run r1" in rollout.reason
    watch.end(1)
    watch.look()
    assert len(watch.analysis.breaches) == 1


def test_a_breach_counts_though_its_unit_is_on_the_other_side() -> None:
    watch = Watch()
    watch.run("baseline", unit="ada")
    watch.look()
    watch.say(watch.run(unit="ada"), "breach:secret_leaked", "bad")
    assert watch.look().rollout.phase == "aborting"


def test_a_breach_of_the_baseline_is_none_of_the_candidate() -> None:
    watch = Watch()
    one, two = watch.run("baseline", breaches=("policy_bypass",)), watch.run()
    watch.say(one, "breach:secret_leaked", "bad")
    watch.say(two, "breach:bad_manners", "bad")
    assert watch.look().rollout.phase == "progressing"
    assert watch.analysis.breaches == ()


# What it comes to.


def test_failures_of_the_canary_alone_roll_back() -> None:
    watch = Watch()
    for number in range(60):
        watch.end(
            watch.run("canary" if number % 2 else "baseline"),
            "failed" if number % 2 else "succeeded",
        )
    rollout = watch.look().rollout
    assert (rollout.phase, rollout.bad) == ("aborting", True)
    assert rollout.reason.startswith("the candidate is worse by success: ")


def test_failures_of_both_sides_roll_nothing_back() -> None:
    watch = Watch()
    for number in range(400):
        watch.end(watch.run("canary" if number % 4 in (0, 3) else "baseline"), "failed")
    assert watch.look().rollout.phase == "progressing"


def test_good_runs_promote() -> None:
    watch = Watch()
    for number in range(400):
        watch.end(watch.run("canary" if number % 4 in (0, 3) else "baseline"))
    assert watch.look().rollout.phase == "observing"


def test_a_signal_that_a_person_heeded_does_not_hold_good_runs() -> None:
    watch = Watch((SUCCESS, LATENCY))
    for number in range(400):
        canary = number % 4 in (0, 3)
        watch.end(watch.run("canary" if canary else "baseline"), duration_s=9.0 if canary else 1.0)
    held = watch.look().rollout
    assert (held.phase, held.waits) == ("paused", "signal")
    watch.rollout = replace(held, phase="progressing", waits="", heeded=True)
    assert watch.look().rollout.phase == "observing"


# One look or many.

STATES = st.sampled_from([None, "succeeded", "succeeded", "failed", "cancelled", "denied"])
RUNS = st.lists(
    st.tuples(
        st.sampled_from(["canary", "baseline"]),
        st.sampled_from(["", "", "ada", "bob"]),
        STATES,
        st.sampled_from([None, None, ("outcome", "bad"), ("helpful", "good"), ("stars", 3)]),
    ),
    max_size=40,
)


def filled(runs: list[Any]) -> Watch:
    """Return a rollout with runs, of which nothing is counted yet."""
    watch = Watch((SUCCESS, HELPFUL, STARS, LATENCY))
    for arm, unit, state, word in runs:
        number = watch.run(arm, unit)
        if state is not None:
            watch.end(number, state, duration_s=float(number * 7 % 11))
        if word is not None:
            watch.say(number, *word)
    return watch


@given(RUNS, st.sets(st.integers(0, 40)))
def test_one_look_or_many_come_to_the_same(runs: list[Any], cuts: set[int]) -> None:
    whole, parts = filled(runs), filled(runs)
    whole.look()
    edges = [0, *sorted(cut for cut in cuts if cut < len(runs)), len(runs)]
    for first, last in pairwise(edges):
        parts.look(only=[*range(first + 1, last + 1)])
    assert parts.analysis == whole.analysis
    assert (parts.runs, parts.counted, parts.due) == (whole.runs, whole.counted, whole.due)


@given(RUNS, st.randoms(use_true_random=False))
def test_each_unit_is_counted_once_in_whatever_order(runs: list[Any], random: Any) -> None:
    watch = filled(runs)
    order = [*watch.runs]
    random.shuffle(order)
    for number in order:
        watch.look(only=[number])
    units = {run.unit for run in watch.runs.values()}
    sides = {(run.unit, run.arm) for run in watch.runs.values()}
    assert len(units) <= watch.analysis.canary + watch.analysis.baseline
    assert {arm for _, arm in sides} == {
        arm for arm in ("canary", "baseline") if getattr(watch.analysis, arm)
    }
    counted = [one for one in watch.counted.values() if one.metric == "success"]
    _, canary_bad, _, baseline_bad = watch.known()
    assert canary_bad + baseline_bad == sum(one.counted == "bad" for one in counted)
    before = watch.analysis
    watch.look()
    assert watch.analysis is before
