"""Fairlead itself is upgraded while runs are in flight."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .support.cli import Cli, ready_app

SECONDS_MAX = 60.0
QUESTION = "How many days of PTO?"


def test_runs_in_flight_stay_on_workers_of_the_version_that_they_began_on(tmp_path: Path) -> None:
    before = ready_app(tmp_path / "app").with_environment(SLOW="2")
    after = _upgraded(before, tmp_path / "newer")
    with _worker(before) as worker:
        in_flight = before.ask()
        _until(before, in_flight, "running")
        # As a deploy does that gives up waiting: what was executed goes back to the queue.
        worker.kill()
    with _worker(after):
        # The release was made by the old version, so this worker has not the code for it.
        after.refuses("FL-301", "run", "answer", QUESTION)
        release = after.json("release", "create")["release"]
        after("release", "activate", release, "--override", "the upgrade")
        assert after.json("run", "answer", QUESTION)["state"] == "succeeded"
        assert after.json("runs", "show", in_flight)["state"] in ("running", "queued")
        with _worker(before):
            _until(before, in_flight, "succeeded")
    ended = after.json("runs", "show", in_flight)
    assert ended["release"] != release
    assert after.json("events", "verify")["findings"] == []


def _upgraded(cli: Cli, folder: Path) -> Cli:
    """Return the same app under a Fairlead that says that it is newer, in its metadata."""
    metadata = folder / "fairlead-99.0.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: fairlead\nVersion: 99.0\n")
    upgraded = cli.with_environment(PYTHONPATH=str(folder))
    assert "99.0" in upgraded("version").stdout
    return upgraded


@contextmanager
def _worker(cli: Cli) -> Iterator[subprocess.Popen[str]]:
    process = cli.start("worker")
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS_MAX)


def _until(cli: Cli, run: str, state: str) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while cli.json("runs", "show", run)["state"] != state:
        assert time.monotonic() < deadline, f"run {run} is not {state}"
        time.sleep(0.1)
