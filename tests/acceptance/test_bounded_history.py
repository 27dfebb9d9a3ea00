"""History is bounded: old runs go, large results are kept once, and turns do not add up."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from signal import SIGKILL

import pytest
import sqlalchemy as sa

from fairlead import Principal
from fairlead.core.outcome import FINAL_STATES
from fairlead.operations import Order, outcome_of_run, prune_runs, verify_events
from fairlead.ports.dispatch import Fence
from fairlead.ports.runs import Ending
from fairlead.runtime.prune import BATCH_RUNS, DAY_S
from fairlead.testing.faults import Fault, FaultPlan, Kill
from tests.acceptance.support.cli import Cli
from tests.acceptance.support.history_app import write_history_app
from tests.acceptance.support.scene import ROOT, Scene, scene
from tests.forked import forked

pytestmark = pytest.mark.acceptance

ORDER = Order(by="ann", reason="old")
LARGE_BYTES = 50_000_000
KEPT = 2
"""The app's `keep_per_release`."""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Scene]:
    """The app, and workers for it."""
    with scene(tmp_path / "app", concurrency=4, write=write_history_app) as made:
        yield made
        assert verify_events(made.platform).findings == ()


def rows(stage: Scene, query: str) -> list[sa.Row[tuple[object, ...]]]:
    """Read the database, the engine's tables included."""
    with stage.platform.database.reading() as connection:
        return list(connection.execute(sa.text(query)).all())


def number(stage: Scene, query: str) -> int:
    """Read one number."""
    return int(str(rows(stage, query)[0][0] or 0))


def make_old(stage: Scene, days: float = 40.0) -> None:
    """Let every run have ended long ago."""
    with stage.platform.database.transaction() as connection:
        ended = "UPDATE runs SET finished_at = :at WHERE finished_at IS NOT NULL"
        connection.execute(sa.text(ended), {"at": time.time() - days * DAY_S})


def old_runs(stage: Scene, count: int) -> set[str]:
    """Leave runs that ended long ago, one after the other, which the engine was given too."""
    platform, code = stage.platform, stage.release.manifest.code_digest
    ended = [stage.start("echo", f"hello {place}") for place in range(count)]
    with platform.database.transaction() as connection:
        for run_id in ended:
            platform.queue.start(connection, run_id, "gone", code)
        given = "UPDATE runs SET state = 'running', worker_id = 'gone', claims = 1"
        connection.execute(sa.text(given))
    fence = Fence(worker_id="gone", claim=1)
    for run_id in ended:
        platform.runs.begin(run_id, fence)
        outcome = {"answer": run_id, "checks": [], "grounded_sources": [], "code": ""}
        ending = Ending(state="succeeded", outcome=outcome, reason="")
        platform.runs.finish(run_id, ending, fence)
    with platform.database.transaction() as connection:
        for place, run_id in enumerate(sorted(ended)):
            at = time.time() - 40 * DAY_S + place
            update = sa.text("UPDATE runs SET finished_at = :at WHERE id = :run")
            connection.execute(update, {"at": at, "run": run_id})
    return set(ended)


def known_to_the_engine(stage: Scene) -> set[str]:
    """Return the runs that the engine has a record of."""
    return {str(row[0]) for row in rows(stage, "SELECT workflow_uuid FROM workflow_status")}


def pruned(stage: Scene) -> set[str]:
    """Return the runs that were pruned."""
    return {str(row[0]) for row in rows(stage, "SELECT id FROM runs WHERE pruned_at IS NOT NULL")}


DEATHS = ("pruning.prune", "pruning.forgotten")


@pytest.mark.soak
def test_killed_between_batches_beside_a_worker_nothing_is_lost(stage: Scene) -> None:
    """Each process dies at another place; the last one goes on to the end."""
    old = old_runs(stage, 3 * BATCH_RUNS + 10)
    newest = set(sorted(old)[-KEPT:])
    at_work = [stage.start("agent", 6) for _ in range(4)]
    worker = stage.spawn()
    left = []
    for name in DEATHS:
        for moment in ("before", "after"):
            kill = Fault(boundary="store", name=name, moment=moment, action=Kill())
            plan = FaultPlan(kill).save(stage.folder / f"{name}-{moment}.json")
            command = [forked("tests.acceptance.support.pruner")]
            ended = subprocess.run([*command, str(stage.folder), str(plan)], cwd=ROOT, check=False)
            assert ended.returncode == -SIGKILL
            left.append(len(pruned(stage)))
            assert verify_events(stage.platform).findings == ()
    assert left == [0, BATCH_RUNS, BATCH_RUNS, BATCH_RUNS]
    removed = prune_runs(stage.platform, ORDER, older_than_days=1)
    assert pruned(stage) == old - newest
    assert removed.runs == len(old) - KEPT - BATCH_RUNS
    output, errors = worker.communicate(timeout=100)
    assert (worker.returncode, output, errors) == (0, "", "")
    assert [stage.run(run_id).state for run_id in at_work] == ["succeeded"] * 4
    assert known_to_the_engine(stage) == {*newest, *at_work}
    assert {stage.run(run_id).outcome["answer"] for run_id in newest} == newest
    types = Counter(row[0] for row in rows(stage, "SELECT type FROM events"))
    assert types["run.pruned"] == len(old) - KEPT
    assert number(stage, "SELECT count(*) FROM runs") == len(old) + len(at_work)


@pytest.mark.soak
def test_the_command_says_what_went_and_a_pruned_run_says_so_too(stage: Scene) -> None:
    for turn in range(KEPT + 1):
        stage.start("large", 100_000 + turn)
    first = sorted(run.id for run in stage.platform.runs.list())[0]
    assert stage.play() == 0
    cli = Cli(stage.folder)
    assert "no run is old enough" in cli("runs", "prune", "--reason", "x").stdout
    make_old(stage)
    with stage.platform.database.transaction() as connection:
        older = sa.text("UPDATE runs SET finished_at = finished_at - 1 WHERE id = :run")
        connection.execute(older, {"run": first})
    assert cli("runs", "prune", status=2).returncode == 2
    said = cli("runs", "prune", "--dry-run").stdout
    assert said.startswith("would prune 1 run: ")
    assert cli.json("runs", "prune", "--dry-run", "--workflow", "echo")["runs"] == 0
    assert cli.json("runs", "prune", "--dry-run", "--older-than", "41")["runs"] == 0
    assert pruned(stage) == set()
    assert "pruned 1 run: " in cli("runs", "prune", "--reason", "old").stdout
    shown = cli("runs", "show", first).stdout
    assert "pruned  2" in shown
    assert f"events list --chain run:{first}" in shown
    assert cli.json("runs", "show", first)["pruned_at"] is not None
    assert cli.json("events", "verify")["findings"] == []
    event = cli.json("events", "list", "--chain", f"run:{first}")[-1]
    assert (event["type"], event["data"]["reason"]) == ("run.pruned", "old")


def test_50_megabytes_are_kept_once_and_read_again_after_a_death(stage: Scene) -> None:
    run_id = stage.start("large", LARGE_BYTES, die="between:2")
    began = time.monotonic()
    assert stage.play() == 1
    assert time.monotonic() - began < 60
    run = stage.run(run_id)
    assert outcome_of_run(run).answer == LARGE_BYTES
    assert stage.executed(run_id) == Counter([1, 2])
    kept = number(stage, "SELECT sum(length(data)) FROM blobs")
    assert LARGE_BYTES < kept < LARGE_BYTES + 10_000
    assert number(stage, "SELECT sum(length(output)) FROM operation_outputs") < 20_000
    (effect,) = stage.platform.effects.of_run(run_id)
    assert (effect.state, len(effect.result)) == ("done", LARGE_BYTES)


def test_a_childs_long_answer_is_kept_once_and_read_again_after_a_death(stage: Scene) -> None:
    run_id = stage.start("parent", 1_000_000, die="between:2")
    assert stage.play() == 1
    assert outcome_of_run(stage.run(run_id)).answer == 1_000_000
    assert number(stage, "SELECT sum(length(data)) FROM blobs") < 1_100_000
    assert number(stage, "SELECT sum(length(output)) FROM operation_outputs") < 20_000


def stored(stage: Scene) -> int:
    """Return the bytes of all that runs have left: payloads, the engine's steps, rows, events."""
    return sum(
        number(stage, query)
        for query in (
            "SELECT sum(length(data)) FROM blobs",
            "SELECT sum(length(output) + length(function_name)) FROM operation_outputs",
            "SELECT sum(length(inputs)) FROM workflow_status",
            "SELECT sum(length(data)) FROM events",
            "SELECT count(*) * 400 FROM calls",
        )
    )


def test_what_is_stored_grows_with_the_turns_and_not_with_their_square(stage: Scene) -> None:
    sizes = [stored(stage)]
    for turns in (10, 20, 40):
        run_id = stage.start("agent", turns)
        assert stage.play() == 0
        run = stage.run(run_id)
        assert run.state in FINAL_STATES
        assert run.state == "succeeded", run.reason
        assert len(stage.platform.journal.of_run(run_id)) == 2 * turns + 1
        sizes.append(stored(stage))
    ten, twenty, forty = (after - before for before, after in pairwise(sizes))
    assert ten > 10 * 2000
    assert twenty / ten < 2.2
    assert forty / twenty < 2.2


def test_a_whole_life_of_one_tenant_is_pruned_by_its_own_release(stage: Scene) -> None:
    """The retention that counts is the pinned release's, whatever the newest one says."""
    short = [stage.start("echo", str(place)) for place in range(KEPT + 1)]
    stage.edit(
        "fairlead.toml", "[retention]", "[workflow.echo]\nretention_days = 90\n\n[retention]"
    )
    stage.release_again()
    long = [stage.start("echo", str(place)) for place in range(KEPT + 1)]
    assert stage.play() == 0
    make_old(stage)
    with stage.platform.database.transaction() as connection:
        older = sa.text("UPDATE runs SET finished_at = finished_at - 1 WHERE id IN (:one, :two)")
        connection.execute(older, {"one": short[0], "two": long[0]})
    prune_runs(stage.platform, ORDER)
    assert pruned(stage) == {short[0]}
    assert stage.run(long[0]).input == "0"
    assert (
        stage.platform.admission.start(stage.release, "echo", "again", principal=Principal()).state
        == "queued"
    )
