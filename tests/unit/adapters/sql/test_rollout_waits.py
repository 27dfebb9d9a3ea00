"""For how long a run waited for people, on SQL: its children with it, and nothing counted twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.rollout_waits import Waited, read_waited
from fairlead.adapters.sql.runs import insert
from fairlead.adapters.sql.schema import runs, waits
from fairlead.ports.runs import RunRecord
from tests.unit.adapters.sql.rolling import Rolling


@pytest.fixture
def stage(database: Database) -> Rolling:
    return Rolling(database)


def wait(stage: Rolling, run: RunRecord, span: tuple[float, float | None], **more: Any) -> None:
    """Let a run wait from one moment to another, or until now, after its admission."""
    opened, ended = span
    with stage.database.transaction() as connection:
        number = connection.execute(sa.select(sa.func.count()).select_from(waits)).scalar_one()
        values = {
            "run_id": run.id,
            "key": f"w{number}",
            "kind": "approval",
            "topic": "t",
            "opened_at": run.created_at + opened,
            "due_at": run.created_at + 1000.0,
            "ended_at": None if ended is None else run.created_at + ended,
        }
        connection.execute(sa.insert(waits).values(**{**values, **more}))


def waited(stage: Rolling, run: RunRecord, after_s: float) -> Waited | None:
    with stage.database.reading() as connection:
        return read_waited(connection, [run.id], run.created_at + after_s).get(run.id)


def child_of(stage: Rolling, run: RunRecord) -> RunRecord:
    child = replace(
        run, id="child", parent_id=run.id, parent_call=1, root_id=run.id, assignment=None
    )
    with stage.database.transaction() as connection:
        insert(connection, stage.clock, child)
    return child


def test_waits_for_people_add_up_and_others_do_not(stage: Rolling) -> None:
    run, other = stage.begin(), stage.begin()
    assert waited(stage, run, 100.0) is None
    wait(stage, run, (10.0, 20.0))
    wait(stage, run, (30.0, 35.0), kind="signal")
    for kind in ("timer", "child", "effect"):
        wait(stage, run, (40.0, 90.0), kind=kind)
    wait(stage, other, (0.0, 50.0))
    assert waited(stage, run, 100.0) == Waited(seconds=15.0, now=False)


def test_a_wait_that_goes_on_counts_until_now_and_one_that_is_over_until_its_end(
    stage: Rolling,
) -> None:
    run = stage.begin()
    wait(stage, run, (10.0, None))
    assert waited(stage, run, 100.0) == Waited(seconds=90.0, now=True)
    assert waited(stage, run, 2000.0) == Waited(seconds=990.0, now=False)
    with stage.database.transaction() as connection:
        connection.execute(sa.update(runs).values(finished_at=run.created_at + 60.0))
    assert waited(stage, run, 100.0) == Waited(seconds=50.0, now=False)


def test_what_children_wait_is_their_roots_and_overlaps_count_once(stage: Rolling) -> None:
    run = stage.begin()
    child = child_of(stage, run)
    wait(stage, run, (10.0, 30.0))
    wait(stage, child, (20.0, 50.0))
    wait(stage, child, (25.0, 40.0))
    wait(stage, child, (60.0, None))
    assert waited(stage, run, 70.0) == Waited(seconds=50.0, now=True)


def test_a_run_that_waits_for_an_approval_is_overdue_when_it_had_its_own_time(
    stage: Rolling,
) -> None:
    rollout = stage.ramp()
    run = stage.begin()
    stage.tick(rollout)
    wait(stage, run, (1.0, None), due_at=run.created_at + 1e6)
    stage.time.time += 7200.0
    assert stage.tick(rollout).analysis.metrics["success"].canary == 0
    with stage.database.transaction() as connection:
        connection.execute(sa.update(waits).values(ended_at=stage.time.time))
    stage.time.time += 3000.0
    assert stage.tick(rollout).analysis.metrics["success"].canary == 0
    stage.time.time += 700.0
    assert stage.tick(rollout).analysis.metrics["success"].canary_bad == 1
