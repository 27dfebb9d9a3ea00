"""Words on runs: which rollout counts them, and that all others never read them, on SQL."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from fairlead.adapters.sql import rollout_samples
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.migrations.versions import v0018_words
from fairlead.adapters.sql.runs import insert
from fairlead.adapters.sql.schema_delivery import feedback
from fairlead.core.errors import FeedbackUnfit
from fairlead.ports.rollouts import Feedback, Heard
from fairlead.ports.runs import RunRecord
from tests.unit.adapters.sql.rolling import ORDER, Rolling


@pytest.fixture
def stage(database: Database) -> Rolling:
    return Rolling(database)


def say(stage: Rolling, run: RunRecord, id: str = "") -> Heard:
    return stage.rollouts.say(
        Feedback(run_id=run.id, name="outcome", value="bad", order=ORDER, id=id)
    )


def uncounted(stage: Rolling) -> int:
    query = sa.select(sa.func.count()).where(~feedback.c.counted)
    with stage.database.reading() as connection:
        return int(connection.execute(query).scalar_one())


def test_a_word_on_a_run_of_no_rollout_is_kept_and_never_read(stage: Rolling) -> None:
    run = stage.begin()
    stage.end(run)
    assert say(stage, run) == Heard(new=True, run_id=run.id)
    assert uncounted(stage) == 0
    assert "feedback.given" in stage.said(f"run:{run.id}")


def test_a_word_counts_while_its_rollout_goes_on(stage: Rolling) -> None:
    rollout = stage.ramp()
    run = stage.begin()
    stage.end(run)
    assert say(stage, run) == Heard(new=True, run_id=run.id, rollout=rollout.id, counts=True)
    assert uncounted(stage) == 1
    assert stage.tick(rollout).analysis.metrics["success"].canary_bad == 1
    stage.verbs.abort(ORDER, bad=False)
    # What nobody had the time to count goes with it.
    say(stage, run)
    assert stage.tick(rollout).phase == "aborted"
    assert uncounted(stage) == 0
    assert say(stage, run) == Heard(new=True, run_id=run.id, rollout=rollout.id)
    assert uncounted(stage) == 0


@pytest.mark.parametrize("value", ["{", "", "[" * 100_000, '{"a": 1}', '"maybe"', "NaN", "null"])
def test_a_word_that_was_damaged_stops_no_look(stage: Rolling, value: str) -> None:
    rollout = stage.ramp()
    first, second = stage.begin(), stage.begin()
    for run in (first, second):
        stage.end(run)
    stage.tick(rollout)
    for run in (first, second):
        say(stage, run)
    mine = feedback.c.run_id == first.id
    with stage.database.transaction() as connection:
        connection.execute(sa.update(feedback).where(mine).values(value=value))
    success = stage.tick(rollout).analysis.metrics["success"]
    assert (success.canary_bad, success.unread) == (1, 1)
    assert success.unread_why.startswith(f"run {first.id}: word 1 on it cannot be read: it is n")
    # It is read once.
    assert uncounted(stage) == 0
    assert stage.tick(rollout).analysis.metrics["success"].unread == 1


def test_a_word_on_a_child_counts_for_its_root(stage: Rolling) -> None:
    rollout = stage.ramp()
    run = stage.begin()
    for id, parent in (("child", run.id), ("grandchild", "child")):
        child = replace(
            run, id=id, parent_id=parent, parent_call=1, root_id=run.id, assignment=None
        )
        with stage.database.transaction() as connection:
            insert(connection, stage.clock, child)
    stage.end(run)
    heard = say(stage, child, "t1")
    assert (heard.run_id, heard.rollout, heard.counts) == (run.id, rollout.id, True)
    assert not say(stage, run, "t1").new
    with pytest.raises(FeedbackUnfit, match=f"run {run.id}"):
        say(stage, stage.begin(0.99), "t1")
    assert stage.tick(rollout).analysis.metrics["success"].canary_bad == 1
    events = stage.events.list(chain=f"run:{run.id}", limit=100)
    assert [one.data["of"] for one in events if one.type == "feedback.given"] == ["grandchild"]


def test_a_rollout_that_ends_leaves_no_word_behind(
    stage: Rolling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout_samples, "SAMPLES_MAX", 1)
    rollout = stage.ramp()
    for _ in range(3):
        run = stage.begin()
        stage.end(run)
        say(stage, run)
    stage.verbs.abort(ORDER, bad=False)
    assert stage.tick(rollout).phase == "aborted"
    assert uncounted(stage) == 0


def test_older_words_that_nothing_counts_are_ticked_off_by_the_migration(stage: Rolling) -> None:
    beside = stage.begin()
    rollout = stage.ramp()
    inside = stage.begin()
    for run in (beside, inside):
        stage.end(run)
        say(stage, run)
    with stage.database.transaction() as connection:
        connection.execute(sa.update(feedback).values(counted=False))
        with Operations.context(MigrationContext.configure(connection)):
            v0018_words.upgrade()
    assert uncounted(stage) == 1
    assert stage.tick(rollout).analysis.metrics["success"].canary_bad == 1
