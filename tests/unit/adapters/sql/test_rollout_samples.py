"""What is counted of a rollout's runs, and which runs may be on which side of it, on SQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.schema import blobs, runs
from fairlead.adapters.sql.schema_delivery import assignments
from fairlead.core.analysis import MetricTerms
from fairlead.core.errors import RouteClosed
from fairlead.ports.runs import Room
from tests.unit.adapters.sql.rolling import ORDER, TERMS, Rolling
from tests.unit.adapters.sql.test_runs import BACKLOG


@pytest.fixture
def stage(database: Database) -> Rolling:
    return Rolling(database)


def test_a_run_is_fenced_by_the_share_that_it_was_drawn_by(stage: Rolling) -> None:
    stage.ramp()
    run = stage.begin(0.0)
    drawn = replace(run.assignment, arm="canary")  # type: ignore[type-var]
    for probability in (0.4, 0.0, 1.0):
        late = replace(
            run,
            id=f"late{probability}",
            root_id="",
            assignment=replace(drawn, probability=probability),
        )
        with pytest.raises(RouteClosed):
            stage.runs.admit(late, room=Room(backlog=BACKLOG))
    other = replace(run, id="other", assignment=replace(drawn, rollout="ro-x", probability=0.5))
    with pytest.raises(RouteClosed):
        stage.runs.admit(other, room=Room(backlog=BACKLOG))
    assert stage.taken() == 1
    assert len(stage.runs.list()) == 1
    stage.verbs.abort(ORDER, bad=False)
    stage.end(run)
    stage.controller.tick()
    # It has ended: by now the release before may be another one.
    old = replace(drawn, release=stage.a.digest, arm="baseline", probability=0.0)
    with pytest.raises(RouteClosed):
        stage.runs.admit(replace(run, id="old", assignment=old), room=Room(backlog=BACKLOG))


def test_a_start_key_gives_the_same_run_whatever_was_rolled_back_meanwhile(stage: Rolling) -> None:
    stage.ramp()
    run = stage.begin(0.0, key="k")
    stage.verbs.abort(ORDER, bad=True)
    assert stage.begin(0.0, key="k").id == run.id
    assert stage.taken() == 1


def test_a_user_keeps_a_side_and_counts_once(stage: Rolling) -> None:
    stage.ramp(replace(TERMS, sticky="user"))
    users = [f"u{number}" for number in range(20)]
    for _ in range(3):
        for user in users:
            stage.end(stage.begin(user=user))
    stage.controller.tick()
    rollout = stage.verbs.current()
    assert rollout.analysis.canary + rollout.analysis.baseline == 20
    assert 0 < rollout.analysis.canary < 20
    success = rollout.analysis.metrics["success"]
    assert (success.canary, success.baseline) == (
        rollout.analysis.canary,
        rollout.analysis.baseline,
    )
    with stage.database.reading() as connection:
        places = sa.select(assignments.c.unit, assignments.c.arm, assignments.c.place).distinct()
        assert len(connection.execute(places).all()) == 20


def test_what_a_run_cost_and_which_checks_failed_is_read(stage: Rolling) -> None:
    metrics = (
        *TERMS.analysis.metrics,
        MetricTerms(name="slow", kind="latency", source="latency", role="signal"),
        MetricTerms(name="money", kind="cost", source="cost", role="signal"),
        MetricTerms(name="calls", kind="cost", source="calls", role="signal"),
        MetricTerms(name="cites", source="check:cites", p_max=0.5),
    )
    rollout = stage.ramp(replace(TERMS, analysis=replace(TERMS.analysis, metrics=metrics)))
    run = stage.begin()
    stage.time.time += 7.0
    spent = "UPDATE runs SET spent_usd = 0.25, spent_calls = 3, held_s = 2.0"
    with stage.database.transaction() as connection:
        connection.execute(sa.text(spent))
    checks: Any = [{"name": "cites", "passed": False}, {"name": "other", "passed": True}]
    stage.end(run, checks=checks)
    found = stage.tick(rollout).analysis.metrics
    assert [found[name].window for name in ("slow", "money", "calls")] == [(5.0,), (0.25,), (3.0,)]
    assert found["cites"].canary_bad == 1


@pytest.mark.parametrize("broken", ["changed", "gone", "another form"])
def test_a_run_of_which_the_outcome_cannot_be_read_stops_no_look(
    stage: Rolling, broken: str
) -> None:
    cites = MetricTerms(name="cites", source="check:cites", p_max=0.5)
    metrics = (*TERMS.analysis.metrics, cites)
    rollout = stage.ramp(replace(TERMS, analysis=replace(TERMS.analysis, metrics=metrics)))
    first, second = stage.begin(), stage.begin()
    checks: Any = [{"other": "form"}] if broken == "another form" else []
    stage.end(first, checks=checks, reason="of the first")
    stage.end(second, checks=[])
    mine = sa.select(runs.c.outcome_digest).where(runs.c.id == first.id).scalar_subquery()
    if broken != "another form":
        with stage.database.transaction() as connection:
            stored = blobs.c.digest == mine
            gone = sa.delete(blobs).where(stored)
            changed = sa.update(blobs).where(stored).values(data=b"{}")
            connection.execute(gone if broken == "gone" else changed)
    found = stage.tick(rollout).analysis.metrics
    assert (found["success"].canary, found["success"].canary_bad) == (2, 0)
    assert found["cites"].ahead == "?g"
    # The second one was read, so the row of errors is over.
    assert (found["cites"].canary, found["cites"].errors) == (1, 0)


def test_what_never_ends_is_counted_when_it_is_overdue(stage: Rolling) -> None:
    rollout = stage.ramp()
    stage.begin()
    assert stage.tick(rollout).analysis.metrics["success"].canary == 0
    stage.time.time += 3600.0
    assert stage.tick(rollout).analysis.metrics["success"].canary_bad == 1
    assert stage.tick(rollout).analysis.metrics["success"].canary == 1


def test_the_log_says_what_is_known_from_time_to_time(stage: Rolling) -> None:
    rollout = stage.ramp()

    def told() -> list[Any]:
        events = stage.events.list(chain=f"rollout:{rollout.id}", limit=1000)
        return [one.data for one in events if one.type == "rollout.evidence"]

    # The first word is due at once, and later ones after half a minute each.
    for passed, words in ((0.0, 1), (10.0, 1), (20.0, 2), (100.0, 3)):
        stage.time.time += passed
        stage.begin()
        stage.tick(rollout)
        assert len(told()) == words
    stage.time.time += 1000.0
    stage.tick(rollout)
    assert len(told()) == 3
    assert [one["canary_runs"] for one in told()] == [1, 3, 4]
    assert "window" not in told()[0]["evidence"]["metrics"]["success"]


def crowd(stage: Rolling, number: int) -> list[str]:
    """Give the candidate so many runs beside its first one, and return their ids."""
    copies = (
        "INSERT INTO assignments (run_id, rollout, arm, probability, unit, admitted_at, ended) "
        "SELECT :id, rollout, arm, probability, unit, admitted_at, ended FROM assignments LIMIT 1"
    )
    run = stage.begin()
    ids = [f"{run.id}-{n}" for n in range(number)]
    with stage.database.transaction() as connection:
        connection.execute(sa.text(copies), [{"id": one} for one in ids])
        row = dict(connection.execute(sa.select(runs)).one()._mapping)
        connection.execute(sa.insert(runs), [{**row, "id": one, "root_id": one} for one in ids])
    return ids


def test_more_runs_than_one_look_takes_are_all_counted(stage: Rolling) -> None:
    rollout = stage.ramp(replace(TERMS, analysis=replace(TERMS.analysis, min_runs=1000)))
    crowd(stage, 1200)
    found = stage.tick(rollout)
    assert found.analysis.canary == 1201
    with stage.database.reading() as connection:
        places = connection.execute(sa.select(assignments.c.place)).scalars().all()
    assert sorted(places) == [*range(1201)]


def test_places_follow_admission_also_when_looks_are_late(stage: Rolling) -> None:
    """Good runs end sooner: were they placed first, safety would be shown by them alone."""
    rollout = stage.ramp(replace(TERMS, analysis=replace(TERMS.analysis, min_runs=1000)))
    ids = crowd(stage, 1200)
    quick = sa.update(runs).where(runs.c.id.in_(ids[900:])).values(state="succeeded")
    with stage.database.transaction() as connection:
        connection.execute(quick)
    found = stage.tick(rollout)
    query = sa.select(assignments.c.place).order_by(assignments.c.number)
    with stage.database.reading() as connection:
        assert connection.execute(query).scalars().all() == [*range(1201)]
    success = found.analysis.metrics["success"]
    assert (success.canary, success.settled) == (300, 0)
