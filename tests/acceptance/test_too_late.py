"""A worker whose run was given to another one comes too late to end it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.operations import verify_events
from fairlead.testing.faults import Delay, Fault
from tests.acceptance.support.scene import Scene, scene, wait_for
from tests.databases import KINDS, address

pytestmark = pytest.mark.acceptance


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """An app, and a database of each kind."""
    with (
        address(request.param, request, tmp_path) as url,
        scene(tmp_path / "app", url=url) as made,
    ):
        yield made


def test_who_comes_too_late_to_end_a_run_leaves_nothing_in_its_record(stage: Scene) -> None:
    """Its run was queued again while it was about to write the run's end."""
    slow = Fault(boundary="store", name="runs.finish", action=Delay(seconds=1.0))
    stage.faults.append(slow)
    run = stage.start("nap", 0.1)
    worker = stage.spawn("1")
    wait_for(lambda: bool(stage.firings()))
    holder = stage.run(run).worker_id
    assert holder is not None
    assert stage.platform.dispatch.hand_back(holder) == 1
    ended(worker)
    assert stage.run(run).reason == ""
    assert stage.run(run).state == "succeeded"
    assert stage.run(run).claims >= 2
    assert stage.executed(run) == {1: 1, 2: 1}
    assert verify_events(stage.platform).findings == ()


def ended(worker: subprocess.Popen[str]) -> None:
    assert worker.communicate(timeout=60) == ("", "")
    assert worker.returncode == 0
