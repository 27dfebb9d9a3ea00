"""Rollouts with real processes: `fairlead up` keeps workers for all code, and decides by evidence.

The controller may be killed with SIGKILL wherever the rollout stands: whoever is next goes on.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.core.outcome import FINAL_STATES
from fairlead.operations import Order, Signal, promote_rollout, send_signal, verify_events
from tests.acceptance.support.rollout_app import PLAN, Fleet, fleet
from tests.acceptance.support.scene import wait_for
from tests.databases import KINDS, address

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

ANN = Order(by="ann", reason="looked at it")


@pytest.fixture(params=KINDS)
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fleet]:
    """The app on each database."""
    with address(request.param, request, tmp_path) as url, fleet(tmp_path / "app", url=url) as made:
        yield made
        assert verify_events(made.platform).findings == ()


def ended(app: Fleet) -> bool:
    return not any(run.state not in FINAL_STATES for run in app.platform.runs.list(limit=10_000))


@pytest.mark.both
def test_a_bad_candidate_is_rolled_back_by_the_controller_alone(app: Fleet) -> None:
    bad = app.candidate(steps=1)
    up = app.up()
    rollout = app.start(bad)
    app.until(rollout, lambda one: one.decided_at is not None, traffic=2)
    app.until(rollout, lambda one: one.final, traffic=1)
    found = app.rollout(rollout)
    assert (found.phase, found.bad) == ("rolled_back", True)
    assert "the candidate is worse by success" in found.reason
    # Nobody has begun on it since; what was on it has ended on it, and nothing was lost.
    later = app.ask(20)
    assert {run.release for run in later} == {app.current.digest}
    wait_for(lambda: ended(app))
    runs = app.platform.runs.list(limit=10_000)
    states = Counter((run.release == bad.digest, run.state) for run in runs)
    assert set(states) == {(True, "denied"), (False, "succeeded")}
    assert app.platform.release_store.get(bad.digest).bad
    by = {
        str(event.data["by"]).rpartition(":")[2]
        for event in app.platform.events.list(chain=f"rollout:{rollout}", limit=1000)
        if event.type != "rollout.started"
    }
    assert by == {str(up.pid)}


def test_the_controller_may_die_wherever_a_rollout_stands(app: Fleet) -> None:
    good = app.candidate(steps=6)
    rollout = app.start(good)
    store = app.platform.rollout_store
    # It waits for a worker.
    assert (app.rollout(rollout).phase, app.rollout(rollout).weight) == ("progressing", 0.0)
    kill(app)
    # Half of the traffic, and evidence comes in.
    app.up()
    app.until(rollout, lambda one: one.weight == 0.5)
    waiting = app.ask(6, "wait")
    kill(app)
    admitted = app.ask(30)
    app.up()
    # Paused for a person.
    app.until(rollout, lambda one: one.waits == "step", traffic=2)
    kill(app)
    seen = app.rollout(rollout).analysis
    assert seen.canary + seen.baseline >= len(admitted)
    promote_rollout(app.platform, ANN)
    # Promoted, and observed.
    app.up()
    app.until(rollout, lambda one: one.phase == "observing")
    kill(app)
    # Given up by a person while nobody watches; then somebody does.
    app.cli("rollback", "--reason", "a drill")
    assert app.rollout(rollout).phase == "aborting"
    assert {run.release for run in app.ask(10)} == {app.current.digest}
    app.up()
    for run in waiting:
        send_signal(app.platform, Signal(run_id=run.id, name="go", payload="go", by="ann"))
    app.until(rollout, lambda one: one.final)
    assert app.rollout(rollout).phase == "rolled_back"
    wait_for(lambda: ended(app))
    runs = app.platform.runs.list(limit=10_000)
    assert Counter(run.state for run in runs) == {"succeeded": len(runs)}
    # Each unit was counted once, whoever counted it.
    analysis = store.get(rollout).analysis
    numbers = [
        event
        for chain in app.platform.events.chains()
        for event in chain
        if event.type == "run.admitted" and event.data.get("rollout") == rollout
    ]
    assert analysis.canary + analysis.baseline == len(numbers)


def kill(app: Fleet) -> None:
    """Kill every controller with SIGKILL; its workers live on."""
    for process in app.ups:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait(30)


@pytest.mark.both
def test_invariant_03_old_code_keeps_its_worker_until_its_last_run_has_ended(app: Fleet) -> None:
    app.up()
    wait_for(lambda: len(app.platform.workers.living(1.0)) == 1)
    [old] = app.ask(1, "wait")
    fresh = app.candidate(version="two")
    app.cli("release", "activate", fresh.digest, "--override", "a test")
    wait_for(lambda: len(codes(app)) == 2)
    [new] = app.ask(1)
    wait_for(lambda: app.platform.runs.get(new.id).state in FINAL_STATES)
    assert app.platform.runs.get(new.id).outcome["answer"] == "two"
    send_signal(app.platform, Signal(run_id=old.id, name="go", payload="go", by="ann"))
    wait_for(lambda: app.platform.runs.get(old.id).state in FINAL_STATES)
    # It ended under the code that it was pinned to, though the folder has other code.
    assert app.platform.runs.get(old.id).outcome["answer"] == "one"
    wait_for(lambda: codes(app) == {fresh.manifest.code_digest})
    wait_for(lambda: standing(app) == {app.current.digest: "drained", fresh.digest: "current"})


def codes(app: Fleet) -> set[str]:
    return {worker.code_digest for worker in app.platform.workers.living(1.0)}


def standing(app: Fleet) -> dict[str, str]:
    environment = app.platform.settings.environment
    return {one.release: one.state for one in app.platform.deployments.list(environment)}


@pytest.mark.parametrize("mark", ["broken", pytest.param("hangs", marks=pytest.mark.soak)])
def test_a_candidate_that_does_not_start_gets_no_traffic(tmp_path: Path, mark: str) -> None:
    with fleet(tmp_path / "app", plan=PLAN.replace("ready_s: 60", "ready_s: 6")) as app:
        fresh = app.candidate(version="two")
        (tmp_path / "marks" / f"{mark}-two").touch()
        app.up()
        rollout = app.start(fresh)
        app.until(rollout, lambda one: one.final, traffic=1)
        found = app.rollout(rollout)
        assert (found.phase, found.bad) == ("aborted", False)
        assert "no worker of the candidate's code was ready" in found.reason
        wait_for(lambda: ended(app))
        runs = app.platform.runs.list(limit=1000)
        assert {(run.release, run.state) for run in runs} == {(app.current.digest, "succeeded")}


def test_a_candidate_whose_workers_go_is_rolled_back_and_its_runs_are_stranded(
    tmp_path: Path,
) -> None:
    with fleet(tmp_path / "app", plan=PLAN.replace("gone_s: 5", "gone_s: 1.5")) as app:
        fresh = app.candidate(version="two")
        app.up()
        rollout = app.start(fresh)
        app.until(rollout, lambda one: one.weight == 0.5)
        waiting = app.ask(12, "wait")
        mine = [run.id for run in waiting if run.release == fresh.digest]
        assert mine
        (tmp_path / "marks" / "broken-two").touch()
        [worker] = [
            one
            for one in app.platform.workers.living(1.0)
            if one.code_digest == fresh.manifest.code_digest
        ]
        os.kill(worker.pid, signal.SIGKILL)
        app.until(rollout, lambda one: one.decided_at is not None)
        assert "no worker of the candidate's code has lived" in app.rollout(rollout).reason
        types = lambda: [  # noqa: E731 - the same question several times
            event.type
            for event in app.platform.events.list(chain=f"release:{fresh.digest}")
            if event.type in ("release.stranded", "release.served")
        ]
        wait_for(lambda: types() == ["release.stranded"])
        # A worker is brought back: its runs go on where they were, on the release they began on.
        (tmp_path / "marks" / "broken-two").unlink()
        wait_for(lambda: types() == ["release.stranded", "release.served"])
        for run in waiting:
            send_signal(app.platform, Signal(run_id=run.id, name="go", payload="go", by="ann"))
        wait_for(lambda: ended(app))
        assert {app.platform.runs.get(one).outcome["answer"] for one in mine} == {"two"}
        app.until(rollout, lambda one: one.phase == "rolled_back")
