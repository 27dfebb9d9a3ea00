"""What is in flight of a candidate when it is given up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fairlead.adapters.sql.database import Database
from tests.unit.adapters.sql.rolling import ADA, HELD, ORDER, Rolling


@pytest.fixture
def stage(database: Database) -> Rolling:
    return Rolling(database)


@pytest.mark.parametrize("policy", ["pinned", "stop", "move"])
def test_runs_in_flight_are_treated_as_the_rollout_says(stage: Rolling, policy: Any) -> None:
    rollout = stage.ramp(replace(HELD, in_flight=policy))
    run, other = stage.begin(0.0, key="k"), stage.begin(0.99)
    stage.verbs.abort(ORDER, bad=True)
    after = stage.tick(stage.tick(rollout))
    assert stage.runs.get(other.id).state == "queued"
    if policy == "pinned":
        assert (after.phase, stage.runs.get(run.id).state) == ("aborting", "queued")
        return
    assert (after.phase, stage.runs.get(run.id).state) == ("rolled_back", "cancelled")
    alive = [one for one in stage.runs.list() if one.state == "queued" and one.id != other.id]
    assert len(alive) == (1 if policy == "move" else 0)
    for moved in alive:
        assert (moved.release, moved.start_key, moved.lineage) == (stage.a.digest, "k", run.id)
        (event,) = [e for e in stage.events.list(chain=f"run:{moved.id}") if e.type == "run.moved"]
        assert (event.data["origin"], event.data["by"]) == (run.id, "me")
    assert stage.verified()


def test_what_others_have_in_flight_of_the_release_is_left_alone(stage: Rolling) -> None:
    """Such as another environment on the same database, where the release is the current one."""
    rollout = stage.ramp(replace(HELD, in_flight="stop"))
    others = stage.admission.start(stage.b, "echo", "hi", principal=ADA)
    mine = stage.begin()
    stage.verbs.abort(ORDER, bad=False)
    assert stage.tick(rollout).phase == "aborting"
    assert stage.runs.get(mine.id).state == "cancelled"
    assert stage.runs.get(others.id).state == "queued"
    assert stage.tick(rollout).phase == "aborted"


def test_what_was_retried_of_a_candidate_is_given_up_as_well(stage: Rolling) -> None:
    rollout = stage.ramp(replace(HELD, in_flight="stop"))
    run = stage.begin(0.0)
    stage.end(run, "failed")
    again = stage.controller.control.retry(run.id, ORDER)
    assert again.release == stage.b.digest
    given_up = stage.verbs.abort(ORDER, bad=True)
    assert list(stage.rollouts.in_flight(given_up, 10)) == [again.id]
    assert stage.tick(rollout).phase == "aborting"
    assert stage.runs.get(again.id).state == "cancelled"
    assert stage.tick(rollout).phase == "rolled_back"
