"""Rollouts on SQL: each change with its events, the deployments and the pointer."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import Mock

import pytest
import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.memory import SqlMemoryStore
from fairlead.adapters.sql.schema_delivery import observed
from fairlead.core.errors import (
    GateRefused,
    PromotionRefused,
    ReasonMissing,
    ReleaseActive,
    RolloutEnded,
    RolloutOpen,
    RouteClosed,
    RunPinned,
    UnknownRelease,
    UnknownRollout,
)
from fairlead.core.rollout import Rollout, Step
from fairlead.core.routing import Routes
from fairlead.ports.rollouts import Feedback
from fairlead.ports.runs import Order
from tests.unit.adapters.sql.rolling import HELD, ORDER, TERMS, Rolling
from tests.unit.adapters.sql.test_releases import COFFEE, READER, TEA, known

OVERRIDE = Order(by="ann", reason="we know better")


@pytest.fixture
def stage(database: Database) -> Rolling:
    return Rolling(database)


def test_a_good_release_goes_all_the_way(stage: Rolling) -> None:
    begun = stage.start()
    assert stage.standing() == {"a": ("current", 1.0), "b": ("ramping", 0.0)}
    # Nothing executes it yet.
    assert stage.tick(begun).waits == "workers"
    assert stage.begin(0.0).release == stage.a.digest
    stage.serve(stage.b)
    half = stage.tick(begun)
    assert (half.weight, half.step, half.waits) == (0.5, 1, "")
    assert stage.standing() == {"a": ("current", 0.5), "b": ("ramping", 0.5)}
    stage.play(30)
    more = stage.tick(half)
    assert (more.weight, more.step, more.phase) == (0.8, 3, "progressing")
    assert stage.pointer() == stage.a
    stage.play(5)
    seen = stage.tick(more)
    assert (seen.phase, seen.weight) == ("observing", 0.95)
    assert stage.standing() == {"a": ("draining", pytest.approx(0.05)), "b": ("current", 0.95)}
    assert stage.pointer() == stage.b
    assert stage.begin(0.96).release == stage.a.digest
    stage.time.time += 100.0
    done = stage.tick(seen)
    assert (done.phase, done.weight, done.analysis.canary) == ("healthy", 1.0, 35)
    # A run of it is still in flight there.
    assert stage.standing() == {"a": ("draining", 0.0), "b": ("current", 1.0)}
    assert stage.rollouts.routes("default") == Routes(
        environment="default", baseline=stage.b.digest
    )
    assert stage.rollouts.open("default") is None
    assert stage.said(f"rollout:{begun.id}") == [
        "rollout.started",
        "rollout.resumed",
        "rollout.stepped",
        "rollout.stepped",
        "rollout.promoted",
        "rollout.ended",
    ]
    assert stage.said("environment:default") == ["release.activated"] * 2
    assert stage.verified()


PLACES = ["workers", "ramping", "held", "observing"]


def reach(stage: Rolling, place: str) -> Rollout:
    """Return a rollout at a place, with a run of the candidate in flight where it has traffic."""
    if place == "workers":
        return stage.start()
    rollout = stage.ramp(HELD if place == "held" else TERMS)
    stage.begin()
    if place == "observing":
        return stage.verbs.promote(OVERRIDE, override=True)
    return rollout


def test_what_cannot_be_moved_is_tried_once_however_many_are_aborted(stage: Rolling) -> None:
    tried: list[str] = []

    def move(run_id: str, *_: object) -> None:
        tried.append(run_id)
        raise RunPinned("it has children", run=run_id)

    stage.controller.control = Mock(move=move)
    terms = replace(TERMS, in_flight="move")
    stage.serve(stage.b, stage.c)
    runs = []
    for release in (stage.b, stage.c):
        begun = stage.start(terms, release)
        stage.tick(begun)
        runs.append(stage.begin())
        assert runs[-1].release == release.digest
        stage.verbs.abort(ORDER, bad=False)
    for _ in range(3):
        assert stage.tick(begun).phase == "aborting"
    assert tried == [run.id for run in runs]


@pytest.mark.parametrize("bad", [True, False])
@pytest.mark.parametrize("place", PLACES)
def test_invariant_08_it_can_be_given_up_everywhere(stage: Rolling, place: str, bad: bool) -> None:
    rollout = reach(stage, place)
    given_up = stage.verbs.abort(ORDER, bad=bad)
    assert (given_up.phase, given_up.weight, given_up.bad) == ("aborting", 0.0, bad)
    assert stage.pointer() == stage.a
    assert stage.releases.get(stage.b.digest).bad is bad
    assert stage.releases.get(stage.a.digest).bad is False
    assert stage.standing() == {"a": ("current", 1.0), "b": ("draining", 0.0)}
    assert stage.begin(0.0).release == stage.a.digest
    for order in (
        lambda: stage.verbs.promote(OVERRIDE, override=True),
        lambda: stage.verbs.pause(ORDER),
    ):
        with pytest.raises(RolloutEnded):
            order()
    if place != "workers":
        assert stage.tick(rollout).phase == "aborting"
        (run_id,) = stage.rollouts.in_flight(given_up, 10)
        stage.end(stage.runs.get(run_id))
    ended = stage.tick(rollout)
    assert ended.phase == ("rolled_back" if bad else "aborted")
    assert stage.standing()["b"] == ("drained", 0.0)
    assert stage.rollouts.routes("default") == Routes(
        environment="default", baseline=stage.a.digest
    )
    types = stage.said(f"rollout:{rollout.id}")
    assert types[-2:] == ["rollout.rolled_back", "rollout.ended"]
    (last,) = stage.events.list(chain=f"rollout:{rollout.id}", limit=1000)[-1:]
    waited = 0.0 if place == "workers" else 1.0
    assert (last.data["new_traffic_safe_s"], last.data["in_flight_safe_s"]) == (0.0, waited + 1.0)
    assert stage.verified()
    with pytest.raises(RolloutEnded):
        stage.rollouts.change(rollout.id, lambda one, _: one, ORDER, "abort")


def test_harm_rolls_back_by_itself_and_a_bad_release_needs_an_override(stage: Rolling) -> None:
    rollout = stage.ramp()
    stage.play(20, "failed")
    ended = stage.tick(rollout)
    assert (ended.phase, ended.bad) == ("rolled_back", True)
    (event,) = [
        one
        for one in stage.events.list(chain=f"rollout:{rollout.id}", limit=1000)
        if one.type == "rollout.rolled_back"
    ]
    assert event.data["by"] == "me"
    assert str(event.data["reason"]).startswith("the candidate is worse by success")
    assert event.data["evidence"]["metrics"]["success"]["canary_bad"] == 20  # type: ignore[index, call-overload]
    with pytest.raises(GateRefused, match="bad"):
        stage.verbs.start(stage.b.digest, TERMS, by="ann")
    # What it knew of the runs is not needed any more; on which side they were is.
    with stage.database.reading() as connection:
        count = sa.select(sa.func.count()).select_from(observed)
        assert connection.execute(count).scalar() == 0
    assert stage.taken() == 20


def test_a_late_word_rolls_back_what_is_promoted(stage: Rolling) -> None:
    rollout = stage.ramp()
    runs = [(stage.begin(0.99), stage.begin(0.0)) for _ in range(30)]
    for pair in runs:
        for run in pair:
            stage.end(run)
    assert stage.tick(rollout).weight == 0.8
    stage.play(5)
    assert stage.tick(rollout).phase == "observing"
    for number, (_, run) in enumerate(runs):
        word = Feedback(run_id=run.id, name="outcome", value="bad", order=ORDER, id=f"f{number}")
        assert stage.rollouts.say(word).new
        assert not stage.rollouts.say(word).new
    ended = stage.tick(rollout)
    assert (ended.phase, stage.pointer()) == ("rolled_back", stage.a)
    assert ended.analysis.metrics["success"].canary_bad == 30
    assert stage.said("environment:default")[-1] == "release.rolled_back"
    assert stage.said(f"run:{runs[0][1].id}").count("feedback.given") == 1
    assert stage.verified()


@pytest.mark.parametrize("promoted", [False, True])
def test_what_it_remembered_in_its_trial_goes_with_it(stage: Rolling, promoted: bool) -> None:
    stage.ramp(HELD)
    memory = SqlMemoryStore(stage.database, stage.clock)
    memory.write(READER, [TEA])
    memory.write(replace(READER, overlay=stage.b.digest), [COFFEE])
    if promoted:
        stage.verbs.promote(OVERRIDE, override=True)
        assert known(memory) == ["Ada drinks coffee"]
    else:
        run = stage.begin()
        stage.verbs.abort(ORDER, bad=True)
        assert known(memory, stage.b.digest) == known(memory) == ["Ada drinks tea"]
        # A run that is still in flight remembers something more.
        memory.write(replace(READER, overlay=stage.b.digest), [COFFEE])
        stage.end(run)
        stage.controller.tick()
        assert known(memory, stage.b.digest) == ["Ada drinks tea"]


def test_a_person_lets_it_go_on_where_it_waits_for_one(stage: Rolling) -> None:
    rollout = stage.ramp(HELD)
    assert (rollout.phase, rollout.waits) == ("paused", "step")
    on = stage.verbs.promote(ORDER)
    assert (on.phase, on.step) == ("progressing", 2)
    with pytest.raises(PromotionRefused, match="for nobody"):
        stage.verbs.promote(ORDER)
    held = stage.verbs.pause(Order(by="ann", reason="lunch"))
    assert (held.waits, held.reason) == ("operator", "lunch")
    assert stage.verbs.promote(ORDER).phase == "progressing"
    with pytest.raises(ReasonMissing):
        stage.verbs.promote(Order(by="ann", reason=" "), override=True)
    assert stage.verbs.promote(OVERRIDE, override=True).phase == "observing"
    for order in (
        lambda: stage.verbs.promote(OVERRIDE, override=True),
        lambda: stage.verbs.promote(ORDER),
    ):
        with pytest.raises(PromotionRefused, match="promoted already"):
            order()
    with pytest.raises(RolloutEnded):
        stage.verbs.pause(ORDER)


def test_who_may_not_approve_does_not(stage: Rolling) -> None:
    stage.ramp(
        replace(TERMS, steps=(TERMS.steps[0], Step(kind="approval", role="admin"), TERMS.steps[1]))
    )

    def permit(role: str) -> None:
        raise PermissionError(role)

    for override in (False, True):
        with pytest.raises(PermissionError, match="admin"):
            stage.verbs.promote(ORDER, override=override, permit=permit)
    assert stage.verbs.promote(ORDER).step == 2


def test_invariant_08_no_verdict_is_promoted_by_an_override_alone(stage: Rolling) -> None:
    terms = replace(TERMS, analysis=replace(TERMS.analysis, max_time_s=50.0))
    rollout = stage.ramp(terms)
    stage.time.time += 50.0
    waiting = stage.tick(rollout)
    assert (waiting.phase, waiting.waits, stage.pointer()) == ("paused", "analysis", stage.a)
    with pytest.raises(PromotionRefused, match="no verdict"):
        stage.verbs.promote(ORDER)
    stage.verbs.pause(Order(by="ann", reason="lunch"))
    stage.verbs.promote(ORDER)
    assert stage.tick(rollout).waits == "analysis"
    assert stage.verbs.promote(OVERRIDE, override=True).phase == "observing"


def test_what_later_words_made_a_verdict_goes_on_without_an_override(stage: Rolling) -> None:
    terms = replace(TERMS, analysis=replace(TERMS.analysis, max_time_s=50.0))
    rollout = stage.ramp(terms)
    running = [stage.begin() for _ in range(12)]
    stage.time.time += 50.0
    assert stage.tick(rollout).waits == "analysis"
    for run in running:
        stage.end(run)
    assert stage.tick(rollout).waits == "analysis"
    assert (stage.verbs.promote(ORDER).step, stage.tick(rollout).step) == (1, 3)


def test_what_is_aborted_and_turns_out_bad_is_marked_so(stage: Rolling) -> None:
    rollout = stage.ramp()
    stage.begin()
    stage.verbs.abort(ORDER, bad=False)
    assert stage.releases.get(stage.b.digest).bad is False
    stage.verbs.abort(OVERRIDE, bad=True)
    assert stage.releases.get(stage.b.digest).bad is True
    last = stage.events.list(chain=f"rollout:{rollout.id}", limit=1000)[-1]
    assert (last.type, last.data["reason"]) == ("rollout.rolled_back", "we know better")
    assert stage.verbs.abort(OVERRIDE, bad=True).phase == "aborting"
    assert stage.said(f"rollout:{rollout.id}").count("rollout.rolled_back") == 2


def test_one_rollout_at_a_time_moves_the_pointer(stage: Rolling) -> None:
    rollout = stage.start()
    with pytest.raises(RolloutOpen, match=rollout.id):
        stage.start(release=stage.c)
    with pytest.raises(RolloutOpen):
        stage.activate(stage.c)
    stage.verbs.abort(ORDER, bad=False)
    stage.tick(rollout)
    with pytest.raises(ReleaseActive):
        stage.start(release=stage.a)
    assert stage.start(release=stage.c).baseline == stage.a.digest
    with pytest.raises(UnknownRollout):
        stage.rollouts.get("ro-")
    assert stage.rollouts.get(rollout.id).phase == "aborted"
    assert len(stage.rollouts.list("default")) == 2


def test_a_rollout_does_not_begin_beside_another_release_than_it_says(stage: Rolling) -> None:
    """Another operator activated one at this moment."""
    begun = stage.start()
    stage.verbs.abort(ORDER, bad=False)
    stage.tick(begun)
    stage.activate(stage.c)
    with pytest.raises(RouteClosed, match="meanwhile"):
        stage.rollouts.start(replace(begun, id="ro-late"))
    assert stage.rollouts.open("default") is None
    assert stage.standing()["c"] == ("current", 1.0)


def test_a_first_release_takes_all_once_it_has_workers(database: Database) -> None:
    stage = Rolling(database)
    with database.transaction() as connection:
        for table in ("activations", "deployments"):
            connection.execute(sa.text(f"DELETE FROM {table}"))
    rollout = stage.start(TERMS)
    assert (rollout.baseline, stage.rollouts.routes("default")) == ("", None)
    assert rollout.terms.analysis.metrics[0].against == "bound"
    with pytest.raises(UnknownRelease):
        stage.begin()
    stage.serve(stage.b)
    stage.tick(rollout)
    runs = [stage.begin(0.99) for _ in range(40)]
    assert {(run.release, run.assignment and run.assignment.probability) for run in runs} == {
        (stage.b.digest, 1.0)
    }
    for run in runs:
        stage.end(run)
    stage.tick(rollout)
    for run in (stage.begin() for _ in range(5)):
        stage.end(run)
    assert stage.tick(rollout).phase == "healthy"
    assert (stage.pointer(), stage.standing()) == (stage.b, {"b": ("current", 1.0)})


def test_a_first_release_that_harms_leaves_nothing(database: Database) -> None:
    stage = Rolling(database)
    with database.transaction() as connection:
        for table in ("activations", "deployments"):
            connection.execute(sa.text(f"DELETE FROM {table}"))
    rollout = stage.ramp()
    for _ in range(40):
        stage.end(stage.begin(), "failed")
    assert stage.tick(rollout).phase == "rolled_back"
    assert stage.rollouts.routes("default") is None
    assert stage.standing() == {"b": ("drained", 0.0)}


def test_a_release_whose_runs_are_still_given_up_is_not_rolled_out_again(stage: Rolling) -> None:
    rollout = reach(stage, "held")
    given_up = stage.verbs.abort(ORDER, bad=False)
    with pytest.raises(RolloutOpen):
        stage.start()
    (run_id,) = stage.rollouts.in_flight(given_up, 10)
    stage.end(stage.runs.get(run_id))
    assert stage.tick(rollout).phase == "aborted"
    assert stage.start().id != rollout.id
