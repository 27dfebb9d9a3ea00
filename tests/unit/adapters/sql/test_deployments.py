"""Where releases stand on SQL: each change of state with its event, what is stranded once."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.core.release import Release
from fairlead.ports.runs import RunRecord
from tests.unit.adapters.sql.rolling import LEASE_S, ORDER, Rolling
from tests.unit.adapters.sql.test_concurrency import at_once


@pytest.fixture
def stage(database: Database) -> Rolling:
    return Rolling(database)


def changes(stage: Rolling) -> list[tuple[str, str, str]]:
    """Return every change of state: which release, from what, to what."""
    names = {
        one.digest: str(one.manifest.workflows["echo"].prompt)
        for one in (stage.a, stage.b, stage.c)
    }
    events = stage.events.list(chain="deployments:default", limit=1000)
    return [
        (names[str(one.data["release"])], str(one.data["from"]), str(one.data["state"]))
        for one in events
        if one.data["from"] != one.data["state"]
    ]


def test_a_release_that_is_activated_takes_all_new_runs(stage: Rolling) -> None:
    run = stage.begin()
    stage.activate(stage.b)
    assert stage.standing() == {"a": ("draining", 0.0), "b": ("current", 1.0)}
    (old,) = [one for one in stage.deployments.list("default") if one.release == stage.a.digest]
    assert (old.in_flight, old.code_digest) == (1, "code-a")
    assert stage.deployments.list("staging") == []
    assert stage.deployments.sweep("default", 100.0) == 0
    stage.end(run)
    assert stage.deployments.sweep("staging", 100.0) == 0
    assert stage.deployments.sweep("default", 100.0) == 1
    assert stage.deployments.sweep("default", 100.0) == 0
    assert stage.standing() == {"a": ("drained", 0.0), "b": ("current", 1.0)}
    stage.time.time += 101.0
    assert stage.deployments.sweep("default", 100.0) == 1
    assert stage.standing()["a"] == ("retired", 0.0)
    # It comes back.
    stage.activate(stage.a)
    assert stage.standing() == {"a": ("current", 1.0), "b": ("draining", 0.0)}
    assert changes(stage) == [
        ("a", "inactive", "current"),
        ("a", "current", "draining"),
        ("b", "inactive", "current"),
        ("a", "draining", "drained"),
        ("a", "drained", "retired"),
        ("b", "current", "draining"),
        ("a", "retired", "current"),
    ]
    assert stage.verified()


def test_what_stays_behind_while_its_successor_is_observed_is_not_drained(stage: Rolling) -> None:
    rollout = stage.ramp()
    stage.verbs.promote(ORDER, override=True)
    for _ in range(3):
        stage.tick(rollout)
    assert stage.standing()["a"][0] == "draining"
    stage.time.time += 200.0
    stage.tick(rollout)
    assert stage.standing()["a"] == ("drained", 0.0)


def test_sweeps_at_once_note_each_change_once(stage: Rolling) -> None:
    stage.activate(stage.b)
    stage.activate(stage.c)
    swept = at_once(*(lambda: stage.deployments.sweep("default", 100.0) for _ in range(4)))
    assert sum(swept) == 2
    assert changes(stage).count(("a", "draining", "drained")) == 1
    assert stage.verified()


def test_code_is_live_while_runs_start_on_it_or_have_not_ended(stage: Rolling) -> None:
    first = stage.begin()
    stage.time.time += 5.0
    stage.begin()
    stage.activate(stage.b)
    stage.serve(stage.b)
    found = {one.code_digest: one for one in stage.deployments.live_code("default", LEASE_S)}
    old, new = found["code-a"], found["code-b"]
    assert (old.release, old.in_flight, old.oldest_at) == (stage.a.digest, 2, first.created_at)
    assert (old.routed, old.served) == (False, False)
    assert (new.release, new.in_flight, new.oldest_at) == (stage.b.digest, 0, None)
    assert (new.routed, new.served) == (True, True)
    assert set(found) == {"code-a", "code-b"}
    stage.age(LEASE_S + 1)
    assert not any(one.served for one in stage.deployments.live_code("default", LEASE_S))
    for run in stage.runs.list():
        stage.end(run)
    assert [one.code_digest for one in stage.deployments.live_code("default", LEASE_S)] == [
        "code-b"
    ]


def test_a_candidate_without_traffic_has_no_live_code_yet(stage: Rolling) -> None:
    """But it must get a worker, or it would wait for one for ever."""
    stage.start()
    found = [one.code_digest for one in stage.deployments.live_code("default", LEASE_S)]
    assert found == ["code-a", "code-b"]


def in_environment(stage: Rolling, environment: str | None) -> RunRecord:
    """Have a run of release `a` that was admitted elsewhere, or nobody knows where."""
    id = environment or "nowhere"
    code, release = stage.a.manifest.code_digest, stage.a.digest
    return stage.admit(
        id=id, root_id=id, lineage=id, code_digest=code, release=release, environment=environment
    )


def flying(stage: Rolling) -> int:
    """Return how many runs of release `a` have not ended, as the environment counts them."""
    (old,) = [one for one in stage.deployments.list("default") if one.release == stage.a.digest]
    return old.in_flight


def test_a_release_is_drained_when_no_run_of_its_environment_is_left(stage: Rolling) -> None:
    mine = stage.begin()
    in_environment(stage, "staging")
    stage.activate(stage.b)
    assert flying(stage) == 1
    stage.end(mine)
    assert flying(stage) == 0
    assert stage.deployments.sweep("default", 100.0) == 1
    assert stage.standing()["a"] == ("drained", 0.0)


def test_a_run_of_which_no_environment_is_known_counts_in_each(stage: Rolling) -> None:
    old = in_environment(stage, None)
    stage.activate(stage.b)
    assert flying(stage) == 1
    assert stage.deployments.sweep("default", 100.0) == 0
    for environment in ("default", "staging"):
        (code,) = [
            one
            for one in stage.deployments.live_code(environment, LEASE_S)
            if one.code_digest == "code-a"
        ]
        assert (code.in_flight, code.oldest_at) == (1, old.created_at)
    stage.end(old)
    assert stage.deployments.sweep("default", 100.0) == 1


def test_code_is_live_where_its_runs_were_admitted(stage: Rolling) -> None:
    in_environment(stage, "staging")
    stage.activate(stage.b)
    live = {
        name: [one.code_digest for one in stage.deployments.live_code(name, LEASE_S)]
        for name in ("default", "staging", "production")
    }
    assert live == {"default": ["code-b"], "staging": ["code-a"], "production": []}


def told(stage: Rolling, release: Release) -> list[str]:
    """Return what was said of whether its runs are stranded."""
    types = stage.said(f"release:{release.digest}")
    return [
        one.removeprefix("release.")
        for one in types
        if one in ("release.stranded", "release.served")
    ]


def strand(stage: Rolling) -> list[str]:
    return [*stage.deployments.strand(LEASE_S, 30.0)]


def late(stage: Rolling) -> RunRecord:
    """Admit a run, and let it wait for long."""
    run = stage.begin()
    stage.time.time += 31.0
    return run


def test_a_run_that_nobody_can_take_is_stranded_once_until_a_worker_is_back(stage: Rolling) -> None:
    run = stage.begin()
    assert strand(stage) == []
    stage.time.time += 31.0
    for _ in range(3):
        assert strand(stage) == [stage.a.digest]
    assert told(stage, stage.a) == ["stranded"]
    (event,) = [
        e for e in stage.events.list(chain=f"release:{stage.a.digest}") if "strand" in e.type
    ]
    assert event.data == {"runs": 1, "ids": [run.id]}
    stage.serve(stage.a)
    for _ in range(3):
        assert strand(stage) == []
    assert told(stage, stage.a) == ["stranded", "served"]
    stage.age(LEASE_S + 1)
    assert strand(stage) == [stage.a.digest]
    assert told(stage, stage.a) == ["stranded", "served", "stranded"]
    assert stage.verified()


def test_each_release_is_stranded_by_itself(stage: Rolling) -> None:
    late(stage)
    strand(stage)
    stage.activate(stage.b)
    late(stage)
    assert strand(stage) == sorted((stage.a.digest, stage.b.digest))
    stage.serve(stage.a)
    assert strand(stage) == [stage.b.digest]
    assert (told(stage, stage.a), told(stage, stage.b)) == (["stranded", "served"], ["stranded"])


def test_what_a_person_holds_or_ended_is_not_stranded(stage: Rolling) -> None:
    run = late(stage)
    stage.control.pause(run.id, ORDER)
    assert strand(stage) == []
    stage.control.resume(run.id, ORDER)
    assert strand(stage) == [stage.a.digest]
    stage.control.cancel(run.id, ORDER)
    assert strand(stage) == []
    assert told(stage, stage.a) == ["stranded", "served"]


def test_who_looks_at_once_notes_what_is_stranded_once(stage: Rolling) -> None:
    late(stage)
    at_once(*(lambda: strand(stage) for _ in range(4)))
    assert told(stage, stage.a) == ["stranded"]
    stage.serve(stage.a)
    at_once(*(lambda: strand(stage) for _ in range(4)))
    assert told(stage, stage.a) == ["stranded", "served"]
    assert stage.verified()


def test_an_event_names_some_of_many_runs(stage: Rolling) -> None:
    for _ in range(25):
        stage.begin()
    stage.time.time += 31.0
    strand(stage)
    (event,) = [
        e for e in stage.events.list(chain=f"release:{stage.a.digest}") if "strand" in e.type
    ]
    ids = event.data["ids"]
    assert isinstance(ids, list)
    assert (event.data["runs"], len(ids)) == (25, 20)


def test_the_controller_sweeps_as_often_as_it_should(stage: Rolling) -> None:
    stage.controller.pace = type(stage.controller.pace)(sweep_s=5.0, lease_s=LEASE_S)
    stage.controller.tick()
    stage.activate(stage.b)
    stage.time.time += 4.0
    stage.controller.tick()
    assert stage.standing()["a"] == ("draining", 0.0)
    stage.time.time += 1.0
    stage.controller.tick()
    assert stage.standing()["a"] == ("drained", 0.0)


def test_the_migration_says_where_older_releases_stand(stage: Rolling) -> None:
    """As the statement of the migration does, on a history that was there before."""
    from fairlead.adapters.sql.migrations.versions import v0014_delivery as migration

    stage.activate(stage.b)
    stage.activate(stage.c)
    stage.activate(stage.b, "rollback")
    with stage.database.transaction() as connection:
        connection.execute(sa.text("DELETE FROM deployments"))
        connection.execute(sa.text(migration._CURRENT))
        connection.execute(sa.text(migration._DRAINING))
    assert stage.standing() == {
        "a": ("draining", 0.0),
        "b": ("current", 1.0),
        "c": ("draining", 0.0),
    }
