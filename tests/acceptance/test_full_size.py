"""The figures of the promise at their full size; minutes long, so `make soak` runs them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead import Principal
from fairlead.operations import Order, answer_approval, verify_events
from fairlead.testing.postgres import PostgresServer
from tests.acceptance.support.cli import Cli
from tests.acceptance.support.durable_app import write_durable_app
from tests.acceptance.support.scene import Scene, scene, wait_for
from tests.databases import KINDS, address

pytestmark = [pytest.mark.acceptance, pytest.mark.soak]

MANY = 1000
AWAY_S = 60.0
LONG_S = 600.0
ANN = Order(by="ann", reason="looked at it")


def write_app(folder: Path, *, concurrency: int) -> Path:
    """Write the durable app with the lease that users have."""
    made = write_durable_app(folder, concurrency=concurrency)
    toml = made / "fairlead.toml"
    toml.write_text(toml.read_text().replace("lease_s = 0.5", "lease_s = 2"))
    return made


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """The durable app, with eight runs at a time on each worker."""
    with (
        address(request.param, request, tmp_path) as url,
        scene(tmp_path / "app", url=url, concurrency=8, write=write_app) as made,
    ):
        (made.folder / "stay").touch()
        yield made
        assert verify_events(made.platform).findings == ()


def states(stage: Scene, runs: list[str]) -> Counter[str]:
    listed = {run.id: run.state for run in stage.platform.runs.list(limit=2 * MANY)}
    return Counter(listed[run] for run in runs)


def test_a_thousand_pending_approvals_stop_nobody(stage: Scene) -> None:
    waiting = [stage.start("ask", f"item {number}") for number in range(MANY)]
    stage.spawn("1")
    stage.spawn("1")
    wait_for(lambda: states(stage, waiting) == {"waiting": MANY}, LONG_S)
    others = [stage.start("buy", f"book {number}") for number in range(20)]
    wait_for(lambda: states(stage, others) == {"succeeded": 20}, LONG_S)
    assert states(stage, waiting) == {"waiting": MANY}
    for approval in stage.platform.approvals.list(limit=MANY):
        answer_approval(stage.platform, approval.id, True, ANN)
    wait_for(lambda: states(stage, waiting) == {"succeeded": MANY}, LONG_S)
    for run in waiting:
        assert [entry["what"] for entry in stage.ledger(run)] == ["look", "pay"], run


def test_a_thousand_queued_runs_delay_another_tenant_by_no_more_than_a_round(stage: Scene) -> None:
    crowd = [stage.start("buy", f"book {number}") for number in range(MANY)]
    stage.spawn("1")
    wait_for(lambda: states(stage, crowd)["succeeded"] > 50, LONG_S)
    single = stage.platform.admission.start(
        stage.release, "buy", "lamp", principal=Principal(user="bob", tenant="single")
    )
    at = single.created_at
    wait_for(lambda: stage.run(single.id).started_at is not None, LONG_S)
    began = stage.run(single.id).started_at
    assert began is not None
    between = [
        run.id
        for run in stage.platform.runs.list(limit=2 * MANY)
        if run.id in crowd and run.started_at is not None and at < run.started_at < began
    ]
    # At most what was claimed already, and one more round beside it.
    assert len(between) <= 16, len(between)
    wait_for(lambda: states(stage, crowd) == {"succeeded": MANY}, LONG_S)


@pytest.mark.postgresql
def test_a_database_that_is_away_for_a_minute_loses_nothing(
    own_postgres: PostgresServer, tmp_path: Path
) -> None:
    with (
        own_postgres.database() as url,
        scene(tmp_path / "app", url=url, concurrency=8, write=write_app) as stage,
    ):
        runs = [stage.start("double", number) for number in range(40)]
        pair = [Cli(stage.folder).start("worker"), Cli(stage.folder).start("worker")]
        wait_for(lambda: states(stage, runs)["running"] > 4, LONG_S)
        own_postgres.stop()
        time.sleep(AWAY_S)
        own_postgres.start()
        wait_for(lambda: states(stage, runs) == {"succeeded": 40}, LONG_S)
        # Nobody gave up meanwhile: the workers are the same.
        for worker in pair:
            worker.terminate()
            _, said = worker.communicate(timeout=60)
            assert worker.returncode == 0, said
        for number, run in enumerate(runs):
            looks = [entry for entry in stage.ledger(run) if entry["what"] == "look"]
            assert {entry["item"] for entry in looks} == {str(number)}
        assert verify_events(stage.platform).findings == ()
