"""Many runs on several workers: nobody hoards, nobody starves, and what waits stops nobody."""

from __future__ import annotations

import base64
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from fairlead import Principal
from fairlead.core.outcome import FINAL_STATES
from fairlead.operations import Order, outcome_of_run, verify_events
from tests.acceptance.support.durable_app import write_durable_app
from tests.acceptance.support.scene import Scene, scene, wait_for
from tests.databases import KINDS, address

pytestmark = pytest.mark.acceptance

ANN = Order(by="ann", reason="looked at it")


def write_app(folder: Path, *, concurrency: int) -> Path:
    """Write the durable app, with few parked runs in memory and a short patience for stalls."""
    return write_durable_app(
        folder, concurrency=concurrency, settings="parked = 3\nstall_s = 1.0\n"
    )


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """The durable app, with two runs at a time and three parked ones in a worker's memory."""
    with (
        address(request.param, request, tmp_path) as url,
        scene(tmp_path / "app", url=url, concurrency=2, write=write_app) as made,
    ):
        yield made
        assert verify_events(made.platform).findings == ()


def staying(stage: Scene) -> None:
    """Let workers stay when every run has ended."""
    (stage.folder / "stay").touch()


def states(stage: Scene, runs: list[str]) -> Counter[str]:
    return Counter(stage.run(run).state for run in runs)


def test_invariant_11_what_waits_for_people_stops_nobody_and_wakes(stage: Scene) -> None:
    """Twelve runs wait, two may be at work, and three have room in memory."""
    waiting = [stage.start("ask", f"item {number}") for number in range(12)]
    staying(stage)
    stage.spawn("1")
    wait_for(lambda: states(stage, waiting) == {"waiting": 12})
    others = [stage.start("buy", f"book {number}") for number in range(4)]
    wait_for(lambda: states(stage, others) == {"succeeded": 4})
    held = [stage.run(run).worker_id for run in waiting]
    # What has no room in memory waits on record alone, and still wakes.
    wait_for(lambda: sum(stage.run(run).worker_id is not None for run in waiting) == 3)
    assert len(held) == 12
    for approval in stage.platform.approvals.list():
        stage.platform.approvals.answer(approval.id, True, ANN)
    wait_for(lambda: states(stage, waiting) == {"succeeded": 12})
    for run in waiting:
        assert [entry["what"] for entry in stage.ledger(run)] == ["look", "pay"]


def test_nobody_hoards_and_a_crowd_delays_nobody(stage: Scene) -> None:
    stage.edit("fairlead.toml", "parked = 3", "parked = 100")
    crowd = [stage.start("double", number) for number in range(16)]
    single = stage.platform.admission.start(
        stage.release, "double", 99, principal=Principal(user="bob", tenant="single")
    ).id
    workers = [stage.spawn("1"), stage.spawn("1")]
    most: Counter[str] = Counter()
    ahead = 0
    while any(stage.run(run).state not in FINAL_STATES for run in (*crowd, single)):
        runs = stage.platform.runs.list(limit=100)
        for worker, count in Counter(
            run.worker_id for run in runs if run.state == "running" and run.worker_id
        ).items():
            most[worker] = max(most[worker], count)
        if stage.run(single).started_at is None:
            ahead = sum(run.started_at is not None for run in runs)
        time.sleep(0.02)
    assert [worker.wait(timeout=60) for worker in workers] == [0, 0]
    assert len(most) == 2
    assert max(most.values()) <= 2
    # Admitted last, it begins in the first round of some worker.
    assert ahead <= 4
    done = Counter(entry["pid"] for run in crowd for entry in stage.ledger(run))
    assert len(done) == 2


def test_a_worker_whose_runs_do_not_get_on_loses_them(stage: Scene) -> None:
    """Its heart beats on in a thread of its own; a tool blocks the loop that executes the runs."""
    stage.edit("app.py", '    note("look", ctx, item=item)\n', BLOCKING)
    stage.release_again()
    blocked = stage.start("listen", 30.0)
    staying(stage)
    stage.spawn("1")
    wait_for(lambda: (stage.folder / "blocking").exists())
    (first,) = stage.platform.workers.living(60.0)
    stage.spawn("1")
    wait_for(lambda: stage.run(blocked).state == "waiting")
    assert stage.run(blocked).worker_id != first.id
    said = [event.type for event in stage.platform.events.list(chain=f"worker:{first.id}")]
    assert "worker.stalled" in said


def test_a_worker_that_was_buried_alive_takes_runs_again(stage: Scene) -> None:
    """It stands still for longer than its lease, loses its runs, and comes back."""
    mine = stage.start("ask", "book")
    staying(stage)
    stage.spawn("1")
    wait_for(lambda: stage.run(mine).state == "waiting")
    (first,) = stage.platform.workers.living(60.0)
    # Not in the middle of a write: who stands still there keeps SQLite's one lock for himself.
    with stage.platform.database.transaction():
        os.kill(first.pid, signal.SIGSTOP)
        time.sleep(0.05)
    other = stage.spawn("1")
    wait_for(lambda: stage.run(mine).worker_id != first.id)
    os.killpg(other.pid, signal.SIGKILL)
    os.kill(first.pid, signal.SIGCONT)
    later = [stage.start("buy", f"item {number}") for number in range(4)]
    wait_for(lambda: states(stage, later) == {"succeeded": 4}, timeout_s=30.0)
    (approval,) = stage.platform.approvals.list()
    stage.platform.approvals.answer(approval.id, True, ANN)
    wait_for(lambda: stage.run(mine).state == "succeeded", timeout_s=30.0)


BLOCKING = """\
    note("look", ctx, item=item)
    mark = Path(__file__).with_name("blocking")
    if item == "before" and not mark.exists():
        mark.touch()
        import time
        time.sleep(30)
"""


def test_a_pickled_row_is_refused_and_never_read(stage: Scene, tmp_path: Path) -> None:
    """Reading a pickle executes code; other runs are not concerned."""
    evil, other = stage.start("listen", 0.5), stage.start("buy", "book")
    staying(stage)
    stage.spawn("1")
    wait_for(lambda: stage.run(evil).state in ("waiting", "failed"))
    stage.stop()
    trap = tmp_path / "trap"
    table = f"{'dbos.' if 'postgresql' in stage.platform.database.url else ''}operation_outputs"
    with stage.platform.engine_connections.begin() as connection:
        connection.execute(
            sa.text(
                f"UPDATE {table} SET output = :output, serialization = 'py_pickle' "
                "WHERE workflow_uuid = :run"
            ),
            {"output": payload(trap), "run": evil},
        )
    (stage.folder / "stay").unlink()
    stage.play()
    assert not trap.exists()
    assert stage.run(evil).state == "failed"
    assert outcome_of_run(stage.run(evil)).code == "FL-425"
    assert stage.run(other).state == "succeeded"


def payload(path: Path) -> str:
    """Return a pickle that makes a folder when it is read, written by hand in its protocol 0."""
    return base64.b64encode(f"cos\nmkdir\n(S'{path}'\ntR.".encode()).decode()
