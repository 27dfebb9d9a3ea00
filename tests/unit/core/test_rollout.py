"""A rollout as pure rules: what each look and each order make of it, and what never happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fairlead.core.analysis import (
    Analysis,
    AnalysisTerms,
    MetricTerms,
    Observation,
    Status,
    admit,
    begin,
    learn,
)
from fairlead.core.rollout import (
    Finding,
    Rollout,
    RolloutTerms,
    Step,
    abort,
    advance,
    go_on,
    pause,
    promote,
)

ANALYSIS = AnalysisTerms(metrics=(MetricTerms(name="success", p_max=0.05),))
TEN, HALF = (Step(kind="set_weight", weight=weight) for weight in (0.1, 0.5))
LOOK = Step(kind="analysis", min_runs=0)
STEPS = (TEN, LOOK, HALF, LOOK)
T0 = 1000.0


def terms(*steps: Step, **values: Any) -> RolloutTerms:
    """Return terms with these steps, or the usual ones."""
    return RolloutTerms(steps=steps or STEPS, analysis=ANALYSIS, **values)


def rollout(*steps: Step, baseline: str = "a", **values: Any) -> Rollout:
    """Return a rollout that begins."""
    return Rollout(
        id="ro-1",
        environment="default",
        app="shop",
        candidate="b",
        baseline=baseline,
        terms=terms(*steps, **values),
        by="ann",
        began_at=T0,
        analysis=begin(ANALYSIS),
    )


def at(seconds: float = 0.0, status: Status = "Running", **values: Any) -> Finding:
    """Return what is known so many seconds after the beginning."""
    return Finding(now=T0 + seconds, status=status, **values)


def looks(one: Rollout, *seen: Finding) -> Rollout:
    """Return where a rollout stands after some looks."""
    for finding in seen:
        one = advance(one, finding)
    return one


def served(runs: int, known: Analysis | None = None, *, ended: int | None = None) -> Analysis:
    """Return what is known after so many more runs of the candidate, of which some have ended."""
    known = known or begin(ANALYSIS)
    for number in range(runs):
        known, assigned = admit(known, "canary", 0.5)
        if number >= runs - (runs if ended is None else ended):
            seen = Observation(assigned=assigned, result="good")
            known = learn(ANALYSIS, known, "success", [seen])
    return known


def ramping(*steps: Step, **values: Any) -> Rollout:
    """Return a rollout whose candidate has its workers, and traffic."""
    return looks(rollout(*steps, **values), at(1), at(2))


def test_it_begins_without_traffic_and_waits_for_workers() -> None:
    one = rollout()
    assert (one.phase, one.waits, one.weight, one.routes.weight) == ("progressing", "workers", 0, 0)
    assert (one.routes.baseline, one.routes.candidate, one.routes.rollout) == ("a", "b", "ro-1")
    waiting = looks(one, at(1, served=False), at(100, served=False))
    assert (waiting.waits, waiting.weight, waiting.phase) == ("workers", 0.0, "progressing")
    assert looks(waiting, at(110)).waits == ""
    # The share is raised by the look that comes after.
    assert looks(waiting, at(110), at(111)).weight == 0.1


def test_good_evidence_takes_it_through_all_steps_to_health() -> None:
    one = ramping()
    assert (one.weight, one.step) == (0.1, 1)
    assert advance(one, at(3)) is one
    one = looks(one, at(4, "Successful"))
    # The second analysis asks for no further runs, so it is promoted at once.
    assert (one.phase, one.weight, one.promoted_at) == ("observing", 0.95, T0 + 4)
    assert advance(one, at(4 + 86_399)) is one
    done = advance(one, at(4 + 86_400))
    assert (done.phase, done.weight, done.ended_at) == ("healthy", 1.0, T0 + 4 + 86_400)


def test_an_analysis_waits_for_runs_of_its_own_step() -> None:
    wanting = Step(kind="analysis", min_runs=20)
    one = ramping(TEN, wanting)
    good = at(3, "Successful")
    for runs, phase in ((19, "progressing"), (20, "observing")):
        assert advance(replace(one, analysis=served(runs)), good).phase == phase
    second = advance(replace(ramping(TEN, LOOK, HALF, wanting), analysis=served(30)), good)
    assert (second.weight, second.canary_before, second.phase) == (0.5, 30, "progressing")


def test_runs_that_hang_at_a_new_weight_are_waited_for() -> None:
    """What was shown at the weight before says nothing of them."""
    wanting = Step(kind="analysis", min_runs=20)
    second = advance(
        replace(ramping(TEN, LOOK, HALF, wanting), analysis=served(30)), at(3, "Successful")
    )
    for ended, phase in ((0, "progressing"), (19, "progressing"), (20, "observing")):
        seen = replace(second, analysis=served(60, second.analysis, ended=ended))
        assert advance(seen, at(4, "Successful")).phase == phase
    # Behind the last place that is looked at, admissions are all that is known.
    full = replace(second, canary_before=10_000, analysis=replace(served(30), canary=10_020))
    assert advance(full, at(4, "Successful")).phase == "observing"


def test_a_pause_lasts_as_long_as_it_says() -> None:
    one = ramping(TEN, Step(kind="pause", duration_s=60.0), LOOK)
    assert one.step_began_at == T0 + 2
    assert advance(one, at(61, "Successful")) is one
    assert advance(one, at(62)).step == 2


def test_a_pause_without_an_end_waits_for_a_person() -> None:
    one = ramping(TEN, Step(kind="pause"), LOOK)
    assert (one.phase, one.waits) == ("paused", "step")
    assert advance(one, at(10**6, "Successful")) is one
    assert go_on(one, T0 + 3).step == 2


def test_an_approval_waits_for_a_person_of_its_role() -> None:
    one = ramping(TEN, Step(kind="approval", role="admin"), LOOK)
    assert (one.phase, one.waits) == ("paused", "approval")
    assert "admin" in one.reason
    went_on = go_on(one, T0 + 3)
    assert (went_on.phase, went_on.step, went_on.waits, went_on.reason) == (
        "progressing",
        2,
        "",
        "",
    )


@pytest.mark.parametrize("waits", ["step", "approval"])
def test_what_is_held_by_a_person_waits_again_where_it_waited(waits: str) -> None:
    step = Step(kind="pause") if waits == "step" else Step(kind="approval")
    held = pause(ramping(TEN, step, LOOK), "lunch")
    assert (held.waits, held.reason) == ("operator", "lunch")
    assert advance(go_on(held, T0 + 9), at(9)).waits == waits


UNDECIDED: tuple[Status, ...] = ("Inconclusive", "NoData", "Error")


@pytest.mark.parametrize("status", UNDECIDED)
def test_invariant_08_no_verdict_waits_for_a_person(status: Status) -> None:
    one = advance(ramping(), at(3, status, reason="why"))
    assert (one.phase, one.waits, one.weight, one.reason) == ("paused", "analysis", 0.1, "why")
    assert advance(one, at(4, "Successful")) is one
    # Who lets it go on lets it be judged anew, where it was.
    assert advance(go_on(one, T0 + 4), at(4, status, reason="why")) == one
    assert advance(go_on(one, T0 + 4), at(4, "Running")).step == one.step
    assert advance(ramping(), at(3, status)).reason == f"the analysis is {status}"


@pytest.mark.parametrize("status", [*UNDECIDED, "Running"])
def test_invariant_08_what_was_shown_once_must_hold_at_the_promotion(status: Status) -> None:
    """A word that comes late takes the evidence back, behind the last analysis."""
    one = ramping(TEN, LOOK, Step(kind="pause", duration_s=60.0))
    one = advance(one, at(3, "Successful"))
    assert one.step == 2
    later = advance(one, at(100, status))
    assert (later.promoted_at, later.weight) == (None, 0.1)
    if status == "Running":
        assert advance(later, at(101, "Successful")).phase == "observing"
    else:
        assert (later.phase, later.waits) == ("paused", "analysis")


@pytest.mark.parametrize("status", UNDECIDED)
def test_invariant_08_no_share_grows_without_a_verdict(status: Status) -> None:
    one = advance(
        ramping(TEN, LOOK, Step(kind="pause", duration_s=60.0), HALF), at(3, "Successful")
    )
    later = advance(one, at(100, status))
    assert (later.phase, later.waits, later.weight) == ("paused", "analysis", 0.1)


def test_a_signal_holds_it_until_a_person_heeds_it() -> None:
    one = advance(ramping(), at(3, "Running", pause=True, reason="cost"))
    assert (one.phase, one.waits, one.reason, one.weight) == ("paused", "signal", "cost", 0.1)
    again = pause(one, "lunch")
    assert advance(go_on(again, T0 + 4), at(4, pause=True)).waits == "signal"
    heeded = go_on(one, T0 + 4)
    assert (heeded.heeded, heeded.phase, heeded.step) == (True, "progressing", 1)
    assert advance(heeded, at(5, "Running", pause=True)) is heeded
    assert advance(heeded, at(6, "Successful", pause=True)).phase == "observing"


HOLDBACKS = [(0.0, 1.0), (0.2, 0.8)]


@pytest.mark.parametrize(("holdback", "weight"), HOLDBACKS)
def test_a_share_stays_behind_while_it_is_observed(holdback: float, weight: float) -> None:
    one = advance(ramping(holdback=holdback), at(3, "Successful"))
    assert (one.phase, one.weight) == ("observing", weight)


def test_without_observation_it_is_healthy_at_once() -> None:
    one = advance(ramping(observe_s=0.0), at(3, "Successful"))
    assert (one.phase, one.weight, one.promoted_at, one.ended_at) == ("healthy", 1, 1003, 1003)


def test_a_first_release_has_nothing_to_hold_back_for() -> None:
    one = ramping(baseline="")
    assert one.routes.baseline == ""
    assert advance(one, at(3, "Successful")).phase == "healthy"
    given_up = abort(one, T0 + 3, "bad", bad=True)
    assert (given_up.weight, given_up.routes.candidate) == (0.0, "b")


# What harms is given up, wherever it stands.


def places() -> dict[str, Rollout]:
    """Return a rollout at each place that is not final."""
    going = ramping()
    return {
        "workers": rollout(),
        "progressing": going,
        "paused by a person": pause(going, "lunch"),
        "paused by no verdict": advance(going, at(3, "NoData")),
        "paused by a signal": advance(going, at(3, pause=True)),
        "observing": advance(going, at(3, "Successful")),
        "aborting": abort(going, T0 + 3, "why", bad=False),
        "rolled back": abort(going, T0 + 3, "why", bad=True),
    }


@pytest.mark.parametrize("place", places())
def test_invariant_08_abort_is_legal_everywhere_and_wins(place: str) -> None:
    one = abort(places()[place], T0 + 5, "enough", bad=True)
    assert (one.phase, one.weight, one.bad, one.waits) == ("aborting", 0.0, True, "")
    assert one.decided_at in (T0 + 3, T0 + 5)
    for order in (lambda r: promote(r, T0 + 6), lambda r: go_on(r, T0 + 6), lambda r: pause(r, "")):
        assert order(one) is one
    assert advance(one, at(7, "Successful", in_flight=3)) is one
    ended = advance(one, at(8, "Successful"))
    assert (ended.phase, ended.ended_at) == ("rolled_back", T0 + 8)


@pytest.mark.parametrize(
    "place", [one for one in places() if "back" not in one and "abort" not in one]
)
def test_harm_is_given_up_everywhere(place: str) -> None:
    one = advance(places()[place], at(9, "Failed", reason="worse"))
    assert (one.phase, one.bad, one.reason, one.weight) == ("aborting", True, "worse", 0.0)
    assert (one.decided_at, one.traffic_safe_at) == (T0 + 9, T0 + 9)


def test_what_is_aborted_can_become_worse_and_not_better() -> None:
    mild = abort(ramping(), T0 + 3, "mild", bad=False)
    worse = abort(mild, T0 + 4, "it leaked", bad=True)
    assert (worse.bad, worse.reason, worse.decided_at) == (True, "it leaked", T0 + 3)
    assert abort(worse, T0 + 5, "mild", bad=False) is worse
    assert abort(mild, T0 + 5, "again", bad=False) is mild
    assert advance(mild, at(5)).phase == "aborted"


def test_a_candidate_that_never_has_a_worker_is_given_up_and_is_not_bad() -> None:
    one = looks(rollout(ready_s=60.0), at(0, served=False), at(60, served=False))
    assert one.phase == "progressing"
    one = advance(one, at(61, served=False))
    assert (one.phase, one.bad) == ("aborting", False)
    assert "ready within 60 s" in one.reason


def test_what_was_held_before_it_had_a_worker_waits_for_one_again() -> None:
    held = pause(advance(rollout(), at(1, served=False)), "lunch")
    assert advance(held, at(5000, served=False)) is held
    on = go_on(held, T0 + 5000)
    assert (on.phase, on.waits) == ("progressing", "workers")
    assert looks(on, at(5001, served=False)).weight == 0.0
    assert looks(on, at(5001), at(5002)).weight == 0.1
    assert looks(on, at(5121, served=False)).phase == "aborting"


@pytest.mark.parametrize("place", ["progressing", "paused by a person", "observing"])
def test_a_candidate_whose_workers_vanish_is_given_up(place: str) -> None:
    one = advance(places()[place], at(10, served=False))
    assert one.unserved_at == T0 + 10
    assert advance(one, at(40, served=False)) is one
    back = advance(one, at(41))
    assert back.unserved_at is None
    assert advance(back, at(50, served=False)).phase != "aborting"
    gone = advance(one, at(41, served=False))
    assert (gone.phase, gone.bad) == ("aborting", True)
    assert "for 31 s" in gone.reason


def test_without_traffic_nobody_misses_a_worker() -> None:
    held = pause(rollout(), "lunch")
    assert looks(held, at(10, served=False), at(1000, served=False)).phase == "paused"


# What is no rollout.


WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: Step(kind="set_weight", weight=0.0), "setWeight"),
    (lambda: Step(kind="set_weight", weight=1.01), "setWeight"),
    (lambda: Step(kind="set_weight", weight=float("nan")), "setWeight"),
    (lambda: Step(kind="pause", duration_s=0.0), "a pause lasts"),
    (lambda: Step(kind="pause", duration_s=float("nan")), "a pause lasts"),
    (lambda: Step(kind="analysis", min_runs=-1), "min_runs"),
    (lambda: RolloutTerms(steps=(), analysis=ANALYSIS), "from 1 to 50"),
    (lambda: terms(*(TEN, LOOK) * 26), "from 1 to 50"),
    (lambda: terms(LOOK, TEN), "first step"),
    (lambda: terms(TEN, Step(kind="pause")), "no step is an analysis"),
    (lambda: terms(HALF, LOOK, TEN), "must not fall"),
    (lambda: terms(holdback=0.51), "holdback"),
    (lambda: terms(holdback=float("nan")), "holdback"),
    (lambda: terms(observe_s=-1.0), "observe_s"),
    (lambda: terms(ready_s=0.5), "ready_s"),
    (lambda: terms(gone_s=float("nan")), "gone_s"),
]


@pytest.mark.parametrize(("make", "said"), WRONG)
def test_what_could_not_be_carried_out_is_no_rollout(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()
