"""A worker takes no more runs than it may."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.core.outcome import FINAL_STATES
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
