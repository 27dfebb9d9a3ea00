"""A database that fails for a while and a clock that is wrong, under real workers.

The workflow `errand` makes three calls: 1 `look` (read), 2 `put` (idempotent), 3 `pay` (once).
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.operations import verify_events
from fairlead.testing.faults import Fail, Fault, Skew
from tests.acceptance.support.errands import ALL, Errands, errands
from tests.acceptance.support.scene import wait_for

pytestmark = pytest.mark.acceptance

HOUR_S = 3600.0


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Errands]:
    """An app whose workers take a fault plan."""
    with errands(tmp_path / "app") as made:
        yield made


def test_a_database_that_fails_for_a_while_loses_nothing(stage: Errands) -> None:
    run_id = stage.errand()
    plan = stage.plan(
        Fault(boundary="store", name="insert calls", for_s=0.5, action=Fail(error="full")),
        Fault(boundary="store", name="runs.finish", call=(1, 2), action=Fail(error="locked")),
        Fault(boundary="store", name="update calls", call=(1, 2), action=Fail(error="lost")),
        Fault(boundary="store", name="insert operation_outputs", action=Fail(error="locked")),
        # The first one belongs to the worker's start, which has its own test.
        Fault(boundary="store", name="workers.beat", call=(2, 3), action=Fail(error="locked")),
    )
    assert stage.play_plan(plan, run_id) == [0]
    fired = Counter((one.fault, one.name) for one in stage.fired(plan))
    assert fired[0, "insert calls"] == 1
    assert fired[1, "runs.finish"] == 2
    assert fired[2, "update calls"] == 2
    assert fired[3, "insert operation_outputs"] == 1
    assert fired[4, "workers.beat"] == 2
    assert stage.executed(run_id) == ALL
    assert stage.run(run_id).state == "succeeded"
    assert verify_events(stage.platform).findings == ()


@pytest.mark.parametrize("method", ["workers.start", "workers.beat"])
def test_a_worker_that_cannot_take_its_lease_says_so_and_ends(stage: Errands, method: str) -> None:
    run_id = stage.errand()
    plan = stage.plan(Fault(boundary="store", name=method, action=Fail(error="locked")))
    worker = stage.worker(plan)
    output, errors = worker.communicate(timeout=60)
    assert (worker.returncode, output) == (2, "")
    assert "FL-202" in errors
    assert "Traceback" not in errors
    assert stage.run(run_id).state == "queued"
    assert stage.play_plan(stage.plan(), run_id) == [0]
    assert stage.run(run_id).state == "succeeded"


WRITES = (
    "dispatch.claim",
    "runs.begin",
    "throttle.allow",
    "throttle.take",
    "journal.intend",
    "effects.intend",
    "journal.finish",
    "throttle.record",
    "runs.finish",
)
"""What is written for a run, in this order."""


@pytest.mark.parametrize("method", WRITES)
def test_a_write_that_was_made_and_not_answered_is_made_once(stage: Errands, method: str) -> None:
    run_id = stage.errand()
    fail = Fail(error="lost")
    plan = stage.plan(Fault(boundary="store", name=method, moment="after", action=fail))
    assert stage.play_plan(plan, run_id) == [0]
    assert len(stage.fired(plan)) == 1
    assert stage.executed(run_id) == ALL
    assert stage.run(run_id).state == "succeeded"
    assert verify_events(stage.platform).findings == ()


def test_the_intent_of_a_payment_that_was_made_and_not_answered_is_made_once(
    stage: Errands,
) -> None:
    """It is this try's own: it leaves no doubt about what happened, and asks nobody."""
    run_id = stage.errand()
    lost = Fault(
        boundary="store", name="effects.intend", moment="after", call=2, action=Fail(error="lost")
    )
    assert stage.play_plan(stage.plan(lost), run_id) == [0]
    assert stage.executed(run_id) == ALL
    assert stage.run(run_id).state == "succeeded"
    assert verify_events(stage.platform).findings == ()


@pytest.mark.parametrize("seconds", [HOUR_S, -HOUR_S])
def test_a_worker_whose_clock_is_an_hour_off_does_not_start(stage: Errands, seconds: float) -> None:
    run_id = stage.errand()
    worker = stage.worker(stage.plan(Fault(boundary="clock", action=Skew(seconds=seconds))))
    output, errors = worker.communicate(timeout=60)
    assert (worker.returncode, output) == (2, "")
    assert "FL-421" in errors
    assert "Traceback" not in errors
    assert stage.platform.workers.living(HOUR_S) == []
    assert (stage.run(run_id).state, stage.run(run_id).claims) == ("queued", 0)
    assert stage.play_plan(stage.plan(), run_id) == [0]
    assert stage.executed(run_id) == ALL


SKEW_S = 1.5
"""Less than a worker's clock may be off."""


@pytest.mark.parametrize("seconds", [SKEW_S, -SKEW_S])
def test_a_worker_whose_clock_is_a_little_off_works(stage: Errands, seconds: float) -> None:
    plan = stage.plan(Fault(boundary="clock", action=Skew(seconds=seconds)))
    worker = stage.worker(plan)
    wait_for(lambda: worker.forked_pid in stage.living())
    run_id = stage.errand()
    assert stage.wait(run_id).state == "succeeded"
    worker.send_signal(signal.SIGTERM)
    assert worker.communicate(timeout=60)[1] == ""
    assert worker.returncode == 0
    assert [one.do for one in stage.fired(plan)] == ["skew"]
    started_at = stage.run(run_id).started_at
    assert started_at is not None
    # It was off for all of the run, by what is written down; nothing else came of it.
    assert (started_at - stage.run(run_id).created_at > SKEW_S) == (seconds > 0)
    assert stage.executed(run_id) == ALL
    assert verify_events(stage.platform).findings == ()


def test_a_worker_whose_clock_goes_wrong_takes_no_further_runs(stage: Errands) -> None:
    # Two readings belong to the start, two to each renewal of the lease.
    plan = stage.plan(Fault(boundary="clock", call=12, action=Skew(seconds=HOUR_S)))
    wrong = stage.worker(plan)
    wait_for(lambda: bool(stage.fired(plan)))
    time.sleep(stage.platform.settings.lease_s)
    runs = [stage.errand() for _ in range(3)]
    right = stage.worker(stage.plan())
    assert [stage.wait(run_id).state for run_id in runs] == ["succeeded"] * 3
    # It lives, and waits for its clock to be put right.
    wait_for(lambda: stage.living() == {wrong.forked_pid, right.forked_pid})
    for worker in (wrong, right):
        worker.send_signal(signal.SIGTERM)
    assert right.communicate(timeout=60)[1] == ""
    _, errors = wrong.communicate(timeout=60)
    assert (right.returncode, wrong.returncode) == (0, 0)
    assert errors.count("FL-421") == 1
    assert "Traceback" not in errors
    pids = {entry["pid"] for run_id in runs for entry in stage.ledger(run_id)}
    assert pids == {right.forked_pid}
