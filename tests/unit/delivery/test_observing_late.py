"""What cannot be read, what comes late, and time that is not the release's: no look is stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fairlead.core.analysis import MetricTerms, verdict
from fairlead.ports.rollouts import Said
from tests.unit.delivery.watch import HELPFUL, LATENCY, STARS, SUCCESS, T0, Watch

# Words that cannot be read.


def damage(watch: Watch, number: int, name: str, value: Any = None, unread: str = "") -> None:
    """Say something that is not what it was any more."""
    watch.say(number, name, value)
    *before, word = watch.runs[number].said
    damaged = Said(number=word.number, name=name, value=value, unread=unread)
    watch.runs[number] = replace(watch.runs[number], said=(*before, damaged))


@pytest.mark.parametrize("value", ["maybe", None, True, [1], {"a": 1}, float("inf"), 10**400])
def test_a_word_that_nobody_can_have_said_is_named_with_its_run(value: Any) -> None:
    watch = Watch((SUCCESS, HELPFUL, STARS))
    number = watch.run()
    damage(watch, number, "stars", value)
    watch.say(number, "helpful", "bad")
    watch.end(number)
    assert watch.look().said == (1, 2)
    assert (watch.known(), watch.known("helpful")) == ((1, 0, 0, 0), (1, 1, 0, 0))
    stars = watch.evidence("stars")
    why = "run r1: word 1 on it cannot be read: it is neither good nor bad nor a number"
    assert (stars.errors, stars.unread, stars.unread_why) == (1, 1, why)
    # It stays known when the next one can be read.
    watch.say(number, "stars", 4)
    watch.look()
    stars = watch.evidence("stars")
    assert (stars.errors, stars.unread, stars.unread_why) == (0, 1, why)
    assert (watch.evidence().unread, watch.evidence("helpful").unread) == (0, 0)


def test_a_word_of_the_other_kind_is_no_damage() -> None:
    """Two metrics may share a source, and each takes what is of its kind."""
    watch = Watch((SUCCESS, HELPFUL, replace(STARS, source=HELPFUL.source)))
    number = watch.run()
    watch.say(number, "helpful", "bad")
    watch.say(number, "helpful", 2)
    watch.look()
    assert (watch.known("helpful"), watch.known("stars")) == ((1, 1, 0, 0), (1, 0, 0, 0))
    assert (watch.evidence("helpful").unread, watch.evidence("stars").unread) == (0, 0)


def test_a_source_of_words_that_fails_again_and_again_is_an_error_of_its_metric() -> None:
    watch = Watch((SUCCESS, HELPFUL))
    for _ in range(5):
        damage(watch, watch.run(), "helpful", unread="it is no JSON")
    watch.look()
    assert (watch.rollout.phase, watch.rollout.waits) == ("paused", "analysis")
    assert "helpful could not be measured 5 times in a row" in watch.rollout.reason
    assert "run r5: word 5 on it cannot be read: it is no JSON" in watch.rollout.reason
    # What must never happen is looked for all the same, and so it is if its own word is damaged.
    damage(watch, watch.run(), "breach:secret_leaked", unread="it is no JSON")
    assert watch.look().rollout.phase == "aborting"


def test_a_word_on_a_run_that_was_stopped_does_not_count_where_its_unit_has_another_run() -> None:
    for arm in ("canary", "baseline"):
        watch = Watch()
        first = watch.run(arm, unit="ada")
        watch.end(first, "cancelled")
        watch.look()
        second = watch.run(arm, unit="ada")
        watch.look()
        watch.say(first, "outcome", "bad")
        assert watch.look().said == (1,)
        assert watch.known() == (0, 0, 0, 0)
        watch.end(second)
        watch.look()
        assert watch.known() == ((1, 0, 0, 0) if arm == "canary" else (0, 0, 1, 0))


# Words that come when their unit was left out.

SAFE = replace(HELPFUL, p_max=0.2)
LATE = T0 + 600.0


def test_a_late_failure_is_harm_and_no_place_is_opened_again() -> None:
    watch = Watch((SUCCESS, SAFE))
    numbers = [watch.run(), watch.run("baseline"), watch.run()]
    for number in numbers:
        watch.end(number)
    watch.say(numbers[2], "helpful", "good")
    watch.look()
    watch.look(LATE)
    before = watch.evidence("helpful")
    assert (watch.known("helpful"), before.settled, before.late) == ((1, 0, 0, 0), 2, 0)
    for number in numbers[:2]:
        watch.say(number, "helpful", "bad")
    watch.look(LATE + 1)
    after = watch.evidence("helpful")
    assert (watch.known("helpful"), after.late) == ((2, 1, 1, 1), 2)
    assert after.harm != before.harm
    assert (after.safe, after.safe_peak, after.settled) == (
        before.safe,
        before.safe_peak,
        before.settled,
    )
    # Once: what is said again changes nothing.
    watch.say(numbers[0], "helpful", "bad")
    watch.look(LATE + 2)
    assert watch.evidence("helpful") == after


def test_a_late_failure_says_as_much_as_one_of_a_run_that_counted_as_good() -> None:
    stakes = []
    for absent in ("good", "excluded"):
        watch = Watch((SUCCESS, replace(HELPFUL, absent=absent)))
        numbers = [watch.run(arm, probability=0.1) for arm in ("canary", "baseline", "canary")]
        watch.look(LATE)
        for number in numbers:
            watch.say(number, "helpful", "bad")
        watch.look(LATE + 1)
        stakes.append(watch.evidence("helpful").harm)
    assert stakes[0] == stakes[1]


def test_a_late_number_is_ranked_and_a_late_good_word_is_only_told() -> None:
    watch = Watch((SUCCESS, SAFE, STARS))
    number = watch.run()
    watch.look(LATE)
    watch.say(number, "helpful", "good")
    watch.say(number, "stars", 3)
    before = watch.evidence("helpful")
    watch.look(LATE + 1)
    assert watch.evidence("helpful") == replace(before, late=1)
    assert (watch.evidence("stars").window, watch.evidence("stars").late) == ((-3.0,), 1)
    said = verdict(watch.rollout.terms.analysis, watch.analysis, elapsed_s=1.0)
    assert {one.name: one.late for one in said.metrics} == {"success": 0, "helpful": 1, "stars": 1}


def test_where_nothing_runs_beside_it_a_late_failure_is_only_told() -> None:
    """Who speaks late would choose by what is said: nothing was drawn that could be bet on."""
    watch = Watch((SUCCESS, replace(SAFE, against="bound")))
    number = watch.run()
    watch.look(LATE)
    before = watch.evidence("helpful")
    watch.say(number, "helpful", "bad")
    watch.look(LATE + 1)
    assert watch.evidence("helpful") == replace(before, late=1)


def test_a_unit_that_was_left_out_counts_by_the_failure_of_a_later_run() -> None:
    """On the side and with the chance of that run, also when it changed sides meanwhile."""
    for arm, known in (("canary", (1, 1, 0, 0)), ("baseline", (0, 0, 1, 1))):
        watch = Watch((SUCCESS, HELPFUL))
        watch.run(unit="ada")
        watch.look(LATE)
        later = watch.run(arm, unit="ada", admitted_at=LATE)
        watch.look(LATE + 1)
        watch.say(later, "helpful", "bad")
        watch.look(LATE + 2)
        assert watch.known("helpful") == known
        assert watch.counted["helpful", "ada"].arm == arm


def test_a_word_on_a_run_that_a_person_stopped_is_not_late() -> None:
    watch = Watch()
    number = watch.run()
    watch.end(number, "cancelled")
    watch.look()
    watch.say(number, "outcome", "bad")
    watch.look()
    assert (watch.known(), watch.evidence().late) == ((0, 0, 0, 0), 0)


# Time that is not the release's.


def waits(watch: Watch, number: int, waited_s: float, *, now: bool) -> None:
    watch.runs[number] = replace(watch.runs[number], waited_s=waited_s, waits=now)


def test_time_in_which_a_run_waits_for_people_is_no_part_of_its_deadline() -> None:
    watch = Watch((SUCCESS, replace(LATENCY, deadline_s=1e6)))
    number = watch.run()
    waits(watch, number, 0.0, now=True)
    assert watch.look().due == {number: T0 + 60.0}
    # It is looked at again by and by, and not all the time.
    waits(watch, number, 55.0, now=True)
    assert watch.look(T0 + 60.0).due == {number: T0 + 115.0}
    waits(watch, number, 58.0, now=True)
    assert watch.look(T0 + 115.0).due == {number: T0 + 145.0}
    waits(watch, number, 88.0, now=False)
    assert watch.look(T0 + 145.0).due == {number: T0 + 148.0}
    assert watch.known() == (0, 0, 0, 0)
    watch.look(T0 + 148.0)
    assert watch.known() == (1, 1, 0, 0)


def test_latency_is_what_passed_until_the_answer() -> None:
    latency = replace(LATENCY, deadline_s=60.0)
    for source, known in (("latency", (1, 1, 0, 0)), ("cost", (0, 0, 0, 0))):
        watch = Watch((replace(SUCCESS, deadline_s=1e6), replace(latency, source=source)))
        number = watch.run()
        waits(watch, number, 55.0, now=True)
        watch.look()
        watch.look(T0 + 60.0)
        assert watch.known("latency") == known


def test_the_time_of_people_who_judge_begins_when_they_can() -> None:
    watch = Watch((SUCCESS, MetricTerms(name="kind", source="feedback:kind", deadline_s=100.0)))
    number = watch.run()
    waits(watch, number, 1000.0, now=False)
    watch.end(number)
    assert watch.look(T0 + 1001.0).due == {number: T0 + 1100.0}
    watch.say(number, "kind", "bad")
    watch.look(T0 + 1099.0)
    assert (watch.known("kind"), watch.evidence("kind").late) == ((1, 1, 0, 0), 0)
