"""A worker takes no more runs than it may, and lets go of one that was cancelled."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.core.outcome import FINAL_STATES
from fairlead.operations import Order
from tests.acceptance.support.scene import Scene, scene

pytestmark = pytest.mark.acceptance

CONCURRENCY = 2


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Scene]:
    """An app whose worker executes two runs at the same time."""
    with scene(tmp_path / "app", concurrency=CONCURRENCY) as made:
        yield made


def test_invariant_11_a_worker_does_not_claim_the_backlog(stage: Scene) -> None:
    """Also not at its first look, before anything else has told it how many."""
    runs = [stage.start("nap", 0.4) for _ in range(6)]
    worker = stage.spawn("1")
    most = 0
    while not all(stage.run(run).state in FINAL_STATES for run in runs):
        assert worker.poll() in (None, 0)
        most = max(most, len(stage.platform.runs.list(state="running")))
        time.sleep(0.02)
    assert most == CONCURRENCY
    assert {stage.run(run).state for run in runs} == {"succeeded"}


def test_a_cancelled_run_makes_no_further_call(stage: Scene) -> None:
    """It is cancelled while it sleeps between two calls."""
    run = stage.start("nap", 1.0)
    worker = stage.spawn("1")
    while len(stage.platform.journal.of_run(run)) < 1:
        assert worker.poll() is None
        time.sleep(0.02)
    # The other one keeps the worker there beyond the time at which the first would go on.
    other = stage.start("nap", 1.5)
    order = Order(by="ann", reason="a mistake")
    assert stage.platform.control.cancel(run, order) == [run]
    ended = stage.run(run)
    assert (ended.state, ended.reason) == ("cancelled", "a mistake")
    assert worker.communicate(timeout=60) == ("", "")
    assert stage.run(other).state == "succeeded"
    assert stage.run(run) == ended
    assert stage.executed(run) == {1: 1}
    types = [event.type for event in stage.platform.events.list(chain=f"run:{run}")]
    assert types[-1] == "run.cancelled"
