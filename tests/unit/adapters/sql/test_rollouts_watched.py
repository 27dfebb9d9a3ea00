"""Controllers that come and go, and rollouts of which one cannot be looked at."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.schema import workers
from fairlead.adapters.sql.schema_delivery import rollouts
from fairlead.adapters.sql.schema_releases import releases
from fairlead.core.errors import ClockSkewed, ReleaseDamaged
from tests.unit.adapters.sql.rolling import HELD, ORDER, Rolling


@pytest.fixture
def stage(database: Database) -> Rolling:
    return Rolling(database)


def test_a_rollout_that_cannot_be_looked_at_holds_up_no_other_one(stage: Rolling) -> None:
    rollout = stage.ramp(replace(HELD, in_flight="move"))
    run = stage.begin(0.0)
    stage.verbs.abort(ORDER, bad=True)
    spoiled = sa.update(releases).where(releases.c.digest == stage.b.digest)
    with stage.database.transaction() as connection:
        connection.execute(spoiled.values(manifest="{}"))
    stage.serve(stage.c)
    other = stage.start(release=stage.c)
    with pytest.raises(ReleaseDamaged):
        stage.tick(other)
    assert stage.rollouts.get(other.id).weight == 0.5
    assert stage.runs.get(run.id).state == "queued"
    assert stage.rollouts.get(rollout.id).phase == "aborting"


def test_what_was_missing_while_nobody_looked_is_no_harm(stage: Rolling) -> None:
    """Such as the workers of a machine that was off, with the controller on it."""
    rollout = stage.ramp(HELD)
    gone = sa.update(workers).values(stopped_at=1.0)
    with stage.database.transaction() as connection:
        connection.execute(gone)
    assert stage.tick(rollout).unserved_at is not None
    stage.time.time += 3600.0
    stage.controller = stage.make_controller("next", stage.time)
    with stage.database.transaction() as connection:
        connection.execute(sa.update(rollouts).values(kept_until=0.0))
    assert stage.tick(rollout).decided_at is None
    found = [stage.tick(rollout) for _ in range(31)]
    assert [one.decided_at is None for one in found] == [True] * 30 + [False]
    assert "has lived for 3" in found[-1].reason


def test_a_rollout_that_nobody_looked_at_waits_for_its_workers_from_then_on(
    stage: Rolling,
) -> None:
    rollout = stage.start()
    stage.time.time += 3600.0
    assert stage.tick(rollout).phase == "progressing"
    stage.time.time += 3600.0
    assert stage.tick(rollout).phase == "progressing"
    stage.serve(stage.b)
    assert stage.tick(rollout).weight == 0.5


@pytest.mark.parametrize("wrong_s", [3600.0, -3600.0])
def test_a_machine_whose_clock_is_wrong_leaves_rollouts_to_others(
    stage: Rolling, wrong_s: float
) -> None:
    """Else an hour's pause ends at once, and a promotion is observed for no time."""
    rollout = stage.ramp()
    stage.controller.others_time = lambda: stage.time.time - wrong_s
    before = stage.rollouts.get(rollout.id)
    with pytest.raises(ClockSkewed, match="differs by more than 2 s"):
        stage.tick(rollout)
    assert stage.rollouts.get(rollout.id) == before
    stage.controller.others_time = lambda: stage.time.time - 1.0
    stage.end(stage.begin(0.0))
    assert stage.tick(rollout) != before
