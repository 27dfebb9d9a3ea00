"""A worker: its lease, its clock, its pulse, and how it starts and stops."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from fairlead.core.errors import ClockSkewed, StoreLocked, WorkerIdTaken
from fairlead.ports.dispatch import Claimed, Fence
from fairlead.ports.engine import Suspended
from fairlead.ports.workers import WorkerRecord
from fairlead.runtime.seats import Seats
from fairlead.runtime.skew import SKEW_S_MAX
from fairlead.runtime.worker import LEASES_MISSED_MAX, Lease, Registry, Worker
from fairlead.testing import FakeClock
from tests.unit.runtime.office import (
    FakeCadence,
    FakeHost,
    FakeQueue,
    FakeRunner,
    FakeStore,
    FakeWorkers,
    Ticks,
)

TTL_S = 10.0


class Office:
    """A worker, `me`, and what it can see."""

    def __init__(self) -> None:
        self.clock, self.log = FakeClock(), list[str]()
        self.queue, self.runner = FakeQueue(self.log), FakeRunner(log=self.log)
        self.workers = FakeWorkers(self.clock, self.log)
        self.store = FakeStore(self.workers, self.log)
        self.host = FakeHost(self.log)
        self.lease = Lease(ttl_s=TTL_S, drain_s=5.0, takeovers=3, stall_s=30.0, clock=self.clock)
        self.seats = Seats(
            active_max=2,
            parked_max=7,
            clock=self.clock,
            lease_held=self.lease.held,
            unload=self.store.unload,
        )
        runner: Any = self.runner
        self.worker = Worker(
            runner=runner,
            host=self.host,
            registry=Registry(
                workers=self.workers,
                dispatch=self.store,
                queue=self.queue,
                queues=("default", "slow"),
            ),
            seats=self.seats,
            clock=self.clock,
            lease=self.lease,
        )
        # Neither the heart nor the dispatcher acts by itself: a test says when.
        self.idle()

    def idle(self) -> None:
        """Let both threads end at once."""
        worker: Any = self.worker
        worker._stopping = Ticks(self.clock, left=0)
        worker._dispatcher._stopping = Ticks(self.clock, left=0)

    def beat(self, times: int, *, apart_s: float | None = None, each: Any = None) -> Ticks:
        """Let the heart beat a number of times."""
        stopping: Any = Ticks(self.clock, left=times, apart_s=apart_s)
        stopping.each = each or (lambda _: None)
        self.worker._stopping = stopping
        self.worker._beat()
        return stopping

    def take(self, run_id: str) -> Any:
        """Let a run of this worker begin."""
        row = self.store.add(run_id, state="running", worker_id="me", claims=1)
        fence = Fence(worker_id="me", claim=row.claims)
        self.seats.take(Claimed(run_id=run_id, tenant="t", fence=fence, deaths=0, fresh=True))
        return self.seats.sit(run_id)


# ------------------------------------------------------------------------------- start and stop


def test_the_lease_is_taken_before_any_run_and_given_up_after_the_last() -> None:
    office = Office()
    office.store.add("r1", state="running", worker_id="me", claims=1)
    office.worker.start()
    record = office.workers.records["me"]
    assert (record.code_digest, record.queues, record.concurrency) == ("code", "default,slow", 2)
    office.worker.stop()
    assert office.log == [
        "lease me 10", "open me 10", "launch", "stop", "connections closed",
        "hand back me", "close me", "stopped me",
    ]  # fmt: skip
    assert office.store.rows["r1"].state == "queued"
    assert office.worker.lost is None


def test_the_engine_executes_runs_by_the_runner_and_their_loop_is_felt() -> None:
    office = Office()
    office.worker.start()
    body = office.host.body
    assert body is not None

    async def scenario() -> None:
        assert await body("r1") is None
        assert office.worker._pulse.still_s() == 0.0
        office.clock.time += 3
        assert office.worker._pulse.still_s() == 3.0

    asyncio.run(scenario())
    assert office.runner.executed == [(office.host.engine, "r1")]
    office.worker.stop()


def test_checkpoints_are_made_while_a_worker_lives_and_after_its_last_event() -> None:
    office = Office()
    office.worker.cadence = FakeCadence(office.log)
    office.worker.start()
    assert office.log[-1] == "checkpoints"
    office.worker.stop()
    assert office.log[-2:] == ["stopped me", "last checkpoint"]


def test_a_worker_whose_id_is_taken_starts_nothing() -> None:
    office = Office()
    now = office.clock.now()
    office.workers.records["me"] = WorkerRecord(
        id="me", code_digest="code", host="h", pid=1, started_at=now, heartbeat_at=now
    )
    with pytest.raises(WorkerIdTaken):
        office.worker.start()
    assert (office.log, office.worker._heart) == ([], None)


def test_a_stopping_worker_drains_and_claims_nothing_more() -> None:
    async def scenario() -> None:
        office = Office()
        office.worker.start()
        seat = office.take("r1")
        office.store.add("new")

        def each(left: int) -> None:
            office.worker._dispatcher._run()
            if left == 2:
                office.seats.leave(seat, "r1")
                office.store.rows["r1"].state = "succeeded"

        stopping: Any = Ticks(office.clock, left=5, apart_s=0.1)
        stopping.each = each
        office.worker._stopping = stopping
        # Were it not told to stop, it would look once more.
        looking: Any = Ticks(office.clock, left=1, apart_s=0.0)
        office.worker._dispatcher._stopping = looking
        began = office.clock.time
        office.worker.stop()
        assert office.clock.time - began == pytest.approx(0.3)
        assert office.store.bids == []
        assert office.store.rows["new"].state == "queued"

    asyncio.run(scenario())


def test_invariant_11_draining_has_an_end_and_the_rest_is_handed_back() -> None:
    async def scenario() -> None:
        office = Office()
        office.worker.start()
        office.take("r1")
        stopping: Any = Ticks(office.clock, left=1000, apart_s=0.5)
        office.worker._stopping = stopping
        began = office.clock.time
        office.worker.stop()
        assert office.clock.time - began == pytest.approx(5.0)
        assert (office.store.rows["r1"].state, office.store.rows["r1"].worker_id) == (
            "queued",
            None,
        )
        ends = ["stop", "connections closed", "hand back me", "close me", "stopped me"]
        assert office.log[-5:] == ends

    asyncio.run(scenario())


def test_what_waits_with_a_stopping_worker_is_dropped_also_when_it_parks_late() -> None:
    async def scenario() -> None:
        office = Office()
        office.worker.start()
        early, late, last = (office.take(name) for name in ("r1", "r2", "r3"))
        early.expect()
        resting = [asyncio.ensure_future(early.rest())]
        await asyncio.sleep(0)

        def parks(left: int) -> None:
            if left == 3:
                late.expect()
                office.seats._taken["r2", 1].parked = True
                resting.append(asyncio.ensure_future(late.rest()))
            if left == 1:
                office.seats.leave(last, "r3")

        stopping: Any = Ticks(office.clock, left=4, apart_s=0.1)
        stopping.each = parks
        office.worker._stopping = stopping
        office.worker.stop()
        for rest in resting:
            with pytest.raises(Suspended):
                await rest
        assert len(resting) == 2

    asyncio.run(scenario())


# ---------------------------------------------------------------------------------------- the lease


def test_a_lease_is_held_from_when_it_was_asked_for_and_for_its_length() -> None:
    """The answer may come late, and the database's clock ran from before it."""
    office = Office()
    assert not office.lease.held()
    office.workers.slow_s = 4.0
    office.worker._renew()
    assert office.lease.held()
    office.clock.time += TTL_S - 4.0 - 0.1
    assert office.lease.held()
    office.clock.time += 0.1
    assert not office.lease.held()


def test_the_lease_is_renewed_four_times_in_its_length() -> None:
    office = Office()
    ticks = office.beat(8)
    assert ticks.waited == [TTL_S / 4] * 8
    assert office.workers.beats == 8
    assert office.lease.held()


def test_a_lapsed_lease_leads_no_more_until_it_is_renewed() -> None:
    office = Office()
    office.worker._renew()
    assert office.worker._may_lead()
    office.clock.time += TTL_S
    office.store.add("r1")
    office.worker._dispatcher.look()
    assert office.store.bids == []
    office.worker._renew()
    office.worker._dispatcher.look()
    assert office.store.rows["r1"].worker_id == "me"


def test_a_beat_that_fails_does_not_end_the_worker() -> None:
    """The next one may succeed; if none does, the lease lapses, which is its purpose."""
    office = Office()
    office.worker._renew()
    office.workers.error = StoreLocked("busy")

    def each(left: int) -> None:
        if left == 0:
            office.workers.error = None

    office.beat(4, each=each)
    assert (office.workers.beats, office.worker.lost) == (5, None)
    assert office.lease.held()


def test_any_error_leaves_the_heart_beating(caplog: pytest.LogCaptureFixture) -> None:
    office = Office()
    office.worker._renew()
    office.workers.error = RuntimeError("the driver's own error")
    with caplog.at_level(logging.WARNING, "fairlead.worker"):
        office.beat(3, apart_s=0.1)
    assert (office.workers.beats, office.worker.lost) == (4, None)
    assert [record.getMessage() for record in caplog.records] == [
        "the lease was not renewed: the driver's own error"
    ]


def test_a_worker_that_cannot_renew_its_lease_for_long_is_lost() -> None:
    office, error = Office(), StoreLocked("locked")
    office.worker._renew()
    office.workers.error = error
    office.beat(LEASES_MISSED_MAX, apart_s=TTL_S)
    assert office.worker.lost is None
    assert not office.lease.held()
    office.beat(1, apart_s=TTL_S)
    assert office.worker.lost is error
    office.workers.error = None
    office.beat(1, apart_s=0.1)
    assert office.worker.lost is None
    assert office.lease.held()


# ---------------------------------------------------------------------------------------- the clock

SKEWS = [
    pytest.param(0.0, 0.0, False, id="the same"),
    pytest.param(SKEW_S_MAX, 0.0, False, id="at the limit"),
    pytest.param(-SKEW_S_MAX, 0.0, False, id="at the other limit"),
    pytest.param(SKEW_S_MAX + 0.1, 0.0, True, id="behind"),
    pytest.param(-SKEW_S_MAX - 0.1, 0.0, True, id="ahead"),
    pytest.param(0.0, 60.0, False, id="a slow answer is no wrong clock"),
    pytest.param(3600.0, 60.0, True, id="a slow answer hides no wrong clock"),
]


@pytest.mark.parametrize(("skew_s", "slow_s", "wrong"), SKEWS)
def test_a_clock_that_differs_from_the_databases_does_not_start(
    skew_s: float, slow_s: float, wrong: bool
) -> None:
    office = Office()
    office.workers.skew_s, office.workers.slow_s = skew_s, slow_s
    if not wrong:
        office.worker.start()
        assert "launch" in office.log
        office.worker.stop()
        return
    with pytest.raises(ClockSkewed) as error:
        office.worker.start()
    assert (error.value.code, error.value.ids) == ("FL-421", {"worker": "me"})
    assert office.log == ["lease me 10", "stopped me"]
    assert (office.host.body, office.worker._heart) == (None, None)


def test_a_clock_that_goes_wrong_leads_no_more_until_it_is_right(
    caplog: pytest.LogCaptureFixture,
) -> None:
    office = Office()
    office.worker._renew()
    office.workers.records["dead"] = WorkerRecord(
        id="dead", code_digest="code", host="h", pid=1, started_at=0.0, heartbeat_at=0.0
    )
    office.store.add("r1")
    office.store.add("r2", state="running", worker_id="dead", claims=1)
    office.workers.skew_s = 3600.0
    with caplog.at_level(logging.WARNING, "fairlead.worker"):
        office.beat(2)
    assert office.lease.held()
    office.worker._dispatcher.look()
    assert office.store.bids == []
    assert office.store.rows["r2"].worker_id == "dead"
    assert [record.getMessage()[:6] for record in caplog.records] == ["FL-421"]
    office.workers.skew_s = 0.0
    office.beat(1)
    office.worker._dispatcher.look()
    assert office.store.rows["r1"].worker_id == "me"
    assert office.store.rows["r2"].worker_id == "me"


# ---------------------------------------------------------------------------------------- the pulse
