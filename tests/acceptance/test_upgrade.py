"""Fairlead itself is upgraded while runs are in flight."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.support.cli import Cli, ready_app

pytestmark = pytest.mark.acceptance

QUESTION = "How many days of PTO?"


@pytest.mark.soak
def test_runs_in_flight_stay_on_workers_of_the_version_that_they_began_on(tmp_path: Path) -> None:
    before = ready_app(tmp_path / "app").with_environment(SLOW="2")
    after = _upgraded(before, tmp_path / "newer")
    with before.worker() as worker:
        in_flight = before.ask()
        before.until(in_flight, "running")
        # As a deploy does that gives up waiting: what was executed goes back to the queue.
        worker.kill()
    with after.worker():
        # The release was made by the old version, so this worker has not the code for it.
        after.refuses("FL-301", "run", "answer", QUESTION)
        release = after.json("release", "create")["release"]
        after("release", "activate", release, "--override", "the upgrade")
        assert after.json("run", "answer", QUESTION)["state"] == "succeeded"
        assert after.json("runs", "show", in_flight)["state"] in ("running", "queued")
        with before.worker():
            before.until(in_flight, "succeeded")
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
