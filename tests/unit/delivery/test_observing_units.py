"""What keeps its arm counts once, on whichever side it fails first, and whoever stops it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.delivery.watch import HELPFUL, LATENCY, SUCCESS, T0, Watch


def test_a_unit_is_admitted_once_and_its_first_failure_counts() -> None:
    watch = Watch()
    first, second, third = (watch.run(unit="ada") for _ in range(3))
    assert watch.look().places == {first: 0, second: 0, third: 0}
    assert watch.analysis.canary == 1
    watch.end(first)
    watch.look()
    assert watch.known() == (1, 0, 0, 0)
    watch.end(second, "failed")
    watch.end(third, "failed")
    watch.look()
    assert watch.known() == (1, 1, 0, 0)
    later = watch.run(unit="ada", admitted_at=T0 + 50)
    watch.end(later, "failed")
    assert watch.look(T0 + 51).places == {later: 0}
    assert (watch.analysis.canary, watch.known()) == (1, (1, 1, 0, 0))


def test_a_unit_that_changes_sides_counts_where_it_fails_first() -> None:
    """The share grew, and the unit came with it: what it does there is drawn by the new share."""
    watch = Watch()
    before = watch.run("baseline", unit="ada", probability=0.1)
    watch.end(before)
    watch.look()
    after = watch.run(unit="ada", probability=0.5)
    watch.end(after, "failed")
    watch.look()
    assert (watch.analysis.canary, watch.analysis.baseline) == (1, 1)
    assert watch.known() == (1, 1, 1, 0)
    # A failure by one time in two says less than one by one time in ten would.
    assert 0.0 < watch.evidence().harm_peak < 1.0
    again = watch.run(unit="ada", probability=0.5)
    watch.end(again, "failed")
    late = watch.run("baseline", unit="ada", probability=0.5)
    watch.end(late, "failed")
    watch.look()
    assert watch.known() == (1, 1, 1, 0)


def test_a_unit_that_failed_before_leaves_no_place_open_on_the_other_side() -> None:
    watch = Watch()
    watch.end(watch.run("baseline", unit="ada"), "failed")
    watch.look()
    watch.end(watch.run(unit="ada"))
    watch.end(watch.run(unit="bob"))
    watch.look()
    assert watch.known() == (1, 0, 1, 1)
    assert (watch.evidence().settled, watch.evidence().ahead) == (2, "")


@pytest.mark.parametrize("arm", ["canary", "baseline"])
def test_a_unit_whose_run_was_stopped_counts_by_its_next_one(arm: Any) -> None:
    watch = Watch((SUCCESS, LATENCY, HELPFUL))
    watch.end(watch.run(arm, unit="ada"), "cancelled")
    watch.look()
    watch.end(watch.run(arm, unit="ada"), "cancelled")
    watch.look()
    for state in ("succeeded", "failed", "failed"):
        number = watch.run(arm, unit="ada")
        watch.end(number, state)
        watch.say(number, "helpful", "bad")
        watch.look()
    canary = arm == "canary"
    assert watch.known() == ((1, 1, 0, 0) if canary else (0, 0, 1, 1))
    assert watch.known("latency")[0 if canary else 2] == 1
    assert watch.known("helpful")[1 if canary else 3] == 1
    assert watch.evidence().ahead == watch.evidence("latency").ahead == ""
    # Its second coming says nothing of the router.
    assert watch.analysis.ratio_peak < 0.7
    watch.look(T0 + 10**6)
    assert watch.evidence("helpful").ahead == ""
    assert watch.known() == ((1, 1, 0, 0) if canary else (0, 0, 1, 1))


def test_a_stopped_run_takes_nothing_back_and_its_late_word_counts_on_neither_side() -> None:
    for arm in ("canary", "baseline"):
        watch = Watch()
        watch.end(watch.run(arm, unit="ada"))
        watch.look()
        watch.end(watch.run(arm, unit="ada"), "cancelled")
        stopped = watch.run(arm, unit="bob")
        watch.end(stopped, "cancelled")
        watch.look()
        before = watch.known()
        watch.say(stopped, "outcome", "bad")
        watch.look()
        assert watch.known() == before
        watch.end(watch.run(arm, unit="ada"), "failed")
        watch.look()
        assert watch.known() in ((1, 1, 0, 0), (0, 0, 1, 1))


def test_where_a_unit_goes_says_nothing_of_the_router() -> None:
    moved, plain = Watch(), Watch()
    for watch in (moved, plain):
        watch.run("baseline", unit="ada", probability=0.1)
    moved.run(unit="ada", probability=0.5)
    moved.look()
    plain.look()
    assert moved.analysis.ratio == plain.analysis.ratio


@pytest.mark.parametrize("at_once", [True, False])
def test_a_failure_behind_a_stopped_run_of_a_unit_that_moved_is_harm(at_once: bool) -> None:
    """Its place was left out for the run that a person stopped, and cannot be corrected."""
    watch = Watch()
    watch.end(watch.run("baseline", "ada"))
    watch.look()
    stopped = watch.run("canary", "ada")
    watch.end(stopped, "cancelled")
    if not at_once:
        watch.look()
    watch.end(watch.run("canary", "ada"), "failed")
    watch.look()
    evidence = watch.analysis.metrics["success"]
    assert (evidence.canary, evidence.canary_bad) == (1, 1)
    assert evidence.harm_peak > 0.0
    assert [one.counted for one in watch.counted.values() if one.metric == "success"] == ["bad"]
