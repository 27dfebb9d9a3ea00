"""Workers whose parent was killed with SIGKILL end by themselves, and not before it is time."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from fairlead.core.outcome import FINAL_STATES
from fairlead.operations import Signal, send_signal
from tests.acceptance.support.cli import Cli
from tests.acceptance.support.drilled import release
from tests.acceptance.support.rollout_app import Fleet, fleet
from tests.acceptance.support.scene import wait_for

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]


def workers_of(parent: int) -> set[int]:
    """Return the worker processes that a process has started, and that live."""
    return {pid for pid, ppid, said in processes() if ppid == parent and " worker --rel" in said}


def living(pids: set[int]) -> set[int]:
    return pids & {pid for pid, *_ in processes()}


def processes() -> list[tuple[int, int, str]]:
    # One that ended and that nobody asked for its status is listed, and lives no more.
    command = ["ps", "-A", "-ww", "-o", "pid=", "-o", "ppid=", "-o", "stat=", "-o", "args="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 3) for line in listed.splitlines()]
    return [(int(row[0]), int(row[1]), row[3]) for row in rows if row[3:] and row[2][0] != "Z"]


def pids(app: Fleet) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for one in app.platform.workers.living(1.0):
        found.setdefault(one.code_digest, []).append(one.pid)
    return found


def test_a_worker_that_lost_its_supervisor_stays_for_its_work_and_then_ends(
    tmp_path: Path,
) -> None:
    log = tmp_path / "up.log"
    with fleet(tmp_path / "app") as app, log.open("w") as said:
        up = app.cli.start("up", stdout=said, stderr=said)
        app.ups.append(up)
        wait_for(lambda: len(pids(app)) == 1)
        [[old]] = pids(app).values()
        os.kill(up.pid, signal.SIGKILL)
        up.wait(30)
        # The last run of its code begins when its supervisor is gone already.
        [run] = app.ask(1, "wait")
        wait_for(lambda: app.platform.runs.get(run.id).state == "waiting")
        first = app.current.manifest.code_digest
        fresh = app.candidate(version="two")
        app.cli("release", "activate", fresh.digest, "--override", "a test")
        second = fresh.manifest.code_digest
        began = time.monotonic()
        app.up()
        # It outlives `keep_workers_s`, and serves: no second one is started beside it.
        wait_for(lambda: pids(app).keys() == {first, second} and time.monotonic() - began > 2.5)
        assert (pids(app)[first], len(pids(app)[second])) == ([old], 1)
        send_signal(app.platform, Signal(run_id=run.id, name="go", payload="go", by="ann"))
        wait_for(lambda: app.platform.runs.get(run.id).state in FINAL_STATES)
        assert app.platform.runs.get(run.id).outcome["answer"] == "one"
        # Nobody tells it to; the one that has a supervisor stays.
        wait_for(lambda: not living({old}))
        assert pids(app).keys() == {second}
        assert f"code {first[:12]} has no work any more; its worker stops" in log.read_text()


def test_the_workers_of_a_drill_that_is_killed_end_with_it(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    # What a drill that is killed leaves of its scratch place is removed with the test's folder.
    payer = Cli(tmp_path / "app", TRACE=str(tmp_path / "trace"), TMPDIR=str(tmp_path))
    release(payer, "one")
    release(payer, "two")
    drill = payer.start("rollback", "--drill", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    workers: set[int] = set()
    try:
        # The first one has runs in flight by now; the second one has hardly begun.
        wait_for(lambda: len(workers_of(drill.pid)) == 2)
        workers = workers_of(drill.pid)
        drill.kill()
        drill.wait(30)
        wait_for(lambda: not living(workers))
    finally:
        drill.kill()
        drill.wait(30)
        for pid in living(workers):
            os.kill(pid, signal.SIGKILL)
    [log] = tmp_path.glob("fairlead-drill-*/workers.log")
    assert f"process {drill.pid}, which started this worker, is gone; it ends" in log.read_text()
