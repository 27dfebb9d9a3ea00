"""One process looks at a rollout, and the next one does once it is gone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.schema_delivery import rollouts
from fairlead.delivery.controller import Controller
from tests.unit.adapters.sql.rolling import TERMS, Rolling


@pytest.fixture
def stage(database: Database) -> Rolling:
    return Rolling(database)


def counted(stage: Rolling, controller: Controller) -> int:
    """Let a run end and a controller look; return how many runs of the canary are counted."""
    stage.end(stage.begin(0.0))
    controller.tick()
    return stage.verbs.current().analysis.canary


def age(stage: Rolling, seconds: float) -> None:
    """Let the keeper have looked so long ago."""
    with stage.database.transaction() as connection:
        until = {"kept_until": rollouts.c.kept_until - seconds}
        connection.execute(sa.update(rollouts).values(until))


def test_one_looks_and_the_next_one_takes_over_when_it_is_gone(stage: Rolling) -> None:
    stage.ramp(replace(TERMS, analysis=replace(TERMS.analysis, min_runs=1000)))
    other = stage.make_controller("you", stage.time)
    assert counted(stage, stage.controller) == 1
    assert counted(stage, other) == 1
    age(stage, 11.0)
    assert counted(stage, other) == 3
    assert counted(stage, stage.controller) == 3


def test_whoever_looks_keeps_it(stage: Rolling) -> None:
    stage.ramp(replace(TERMS, analysis=replace(TERMS.analysis, min_runs=1000)))
    other = stage.make_controller("you", stage.time)
    # Half a lease is over twice: without a renewal the other one would look.
    for seen in (1, 2):
        age(stage, 6.0)
        assert counted(stage, stage.controller) == seen
    assert counted(stage, other) == 2


def test_an_order_is_carried_out_whoever_keeps_it(stage: Rolling) -> None:
    rollout = stage.ramp()
    other = stage.make_controller("you", stage.time)
    assert other.carry_on(rollout.id).phase == "progressing"


def test_whoever_looks_once_for_a_person_takes_it_from_nobody(stage: Rolling) -> None:
    rollout = stage.ramp(replace(TERMS, analysis=replace(TERMS.analysis, min_runs=1000)))
    other = stage.make_controller("you", stage.time)
    other.carry_on(rollout.id)
    # That process ends, and nobody waits for its lease to lapse.
    assert counted(stage, stage.controller) == 1


def test_a_look_that_is_stopped_in_the_middle_holds_new_runs_up_for_seconds_only(
    stage: Rolling,
) -> None:
    rollout = stage.ramp()
    sent: list[str] = []
    engine = stage.database.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *given: sent.append(given[2]))
    stage.tick(rollout)
    limits = [one for one in sent if "idle_in_transaction_session_timeout = '3s'" in one]
    assert len(limits) >= (engine.dialect.name == "postgresql")
    with stage.database.transaction() as connection:
        if engine.dialect.name == "postgresql":
            usual = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout")
            assert usual.scalar() == "10s"
