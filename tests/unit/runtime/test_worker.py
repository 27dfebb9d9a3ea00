"""Leases: who takes over whose runs, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fairlead import Principal
from fairlead.core.errors import StoreLocked
from fairlead.ports.engine import RunBody
from fairlead.ports.runs import RunRecord
from fairlead.ports.workers import WorkerRecord
from fairlead.runtime.worker import Lease, Worker
from fairlead.testing import FakeClock, FakeEngine
from tests.unit.runtime.bench import FakeRuns

TTL_S = 10.0


@dataclass
class FakeQueue:
    """Which run executes on which worker, and which wait again."""

    executing: dict[str, str] = field(default_factory=dict)
    queued: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    def enqueue(self, transaction: Any, run_id: str, release: str, code: str) -> None:
        self.queued.append(run_id)

    def cancel(self, run_id: str) -> None:
        self.cancelled.append(run_id)

    def orphans(self, worker_id: str) -> Sequence[str]:
        return [run for run, worker in self.executing.items() if worker == worker_id]

    def adopt(self, run_ids: Sequence[str]) -> None:
        for run in run_ids:
            del self.executing[run]
            self.queued.append(run)


@dataclass
class FakeHost:
    """An engine that is started and stopped."""

    log: list[str]
    engine: FakeEngine = field(default_factory=FakeEngine)

    def launch(self, body: RunBody) -> None:
        self.log.append("launch")

    def stop(self, drain_s: float) -> None:
        self.log.append(f"drain {drain_s:g}")


@dataclass
class FakeWorkers:
    """Leases in a dict."""

    clock: FakeClock
    log: list[str]
    records: dict[str, WorkerRecord] = field(default_factory=dict)
    buried: dict[str, int] = field(default_factory=dict)
    beaten: bool = False

    def start(self, worker: WorkerRecord) -> None:
        self.log.append("lease")
        self.records[worker.id] = worker

    def beat(self, worker_id: str) -> None:
        raise StoreLocked("busy")

    def stop(self, worker_id: str) -> None:
        self.log.append("give up")

    def claim(self, dead: WorkerRecord) -> bool:
        if self.beaten or self.records[dead.id] != dead:
            return False
        self.records[dead.id] = replace(dead, heartbeat_at=self.clock.now())
        return True

    def bury(self, worker_id: str, adopted: int) -> None:
        self.buried[worker_id] = adopted
        self.records[worker_id] = replace(self.records[worker_id], stopped_at=self.clock.now())

    def lapsed(self, ttl_s: float) -> Sequence[WorkerRecord]:
        limit = self.clock.now() - ttl_s
        alive = [worker for worker in self.records.values() if worker.stopped_at is None]
        return [worker for worker in alive if worker.heartbeat_at < limit]

    def living(self, ttl_s: float) -> Sequence[WorkerRecord]:
        return []


@dataclass
class FakeRunner:
    """As much of a runner as a worker needs."""

    worker_id: str = "me"
    code_digest: str = "code"


class Office:
    """A worker, `me`, and what it can see."""

    def __init__(self) -> None:
        self.clock, self.log = FakeClock(), list[str]()
        self.queue, self.runs = FakeQueue(), FakeRuns()
        self.workers = FakeWorkers(clock=self.clock, log=self.log)
        runner: Any = FakeRunner()
        self.worker = Worker(
            runner=runner,
            host=FakeHost(self.log),
            queue=self.queue,
            runs=self.runs,
            workers=self.workers,
            clock=self.clock,
            lease=Lease(ttl_s=TTL_S, drain_s=5.0, takeovers=3),
        )

    def other(self, id: str, *, silent_s: float) -> None:
        """Let another worker have been silent for so long."""
        beat = self.clock.now() - silent_s
        self.workers.records[id] = WorkerRecord(
            id=id, code_digest="code", host="h", pid=1, started_at=0.0, heartbeat_at=beat
        )

    def run(self, id: str, worker: str, **values: Any) -> None:
        """Let a run execute on a worker."""
        self.queue.executing[id] = worker
        self.runs.records[id] = RunRecord(
            id=id,
            workflow="w",
            release="d",
            code_digest="code",
            principal=Principal(),
            purpose="user",
            input=None,
            created_at=0.0,
            **{"state": "running", **values},
        )


def test_the_runs_of_a_worker_whose_lease_lapsed_are_queued_again() -> None:
    office = Office()
    office.other("dead", silent_s=TTL_S + 0.1)
    office.other("alive", silent_s=TTL_S - 0.1)
    office.run("r1", "dead")
    office.run("r2", "alive")
    assert office.worker.take_over() == 1
    assert office.queue.queued == ["r1"]
    assert office.queue.executing == {"r2": "alive"}
    assert office.workers.buried == {"dead": 1}
    assert office.worker.take_over() == 0


def test_a_worker_does_not_bury_itself() -> None:
    office = Office()
    office.other("me", silent_s=TTL_S + 100)
    office.run("r1", "me")
    assert office.worker.take_over() == 0
    assert office.queue.executing == {"r1": "me"}


def test_who_comes_second_leaves_the_dead_to_the_first() -> None:
    office = Office()
    office.other("dead", silent_s=TTL_S + 1)
    office.run("r1", "dead")
    office.workers.beaten = True
    assert office.worker.take_over() == 0
    assert office.queue.executing == {"r1": "dead"}
    assert office.runs.get("r1").takeovers == 0


def test_a_run_under_which_too_many_workers_died_is_not_queued_again() -> None:
    office = Office()
    office.other("dead", silent_s=TTL_S + 1)
    office.run("r1", "dead", takeovers=2)
    office.run("r2", "dead")
    assert office.worker.take_over() == 1
    assert office.queue.queued == ["r2"]
    assert office.queue.cancelled == ["r1"]
    assert office.workers.buried == {"dead": 1}


def test_a_run_that_had_ended_is_not_queued_again() -> None:
    office = Office()
    office.other("dead", silent_s=TTL_S + 1)
    office.run("r1", "dead", state="cancelled")
    assert office.worker.take_over() == 0
    assert office.queue.cancelled == ["r1"]


def test_the_lease_is_taken_before_any_run_and_given_up_after_the_last() -> None:
    office = Office()
    office.other("dead", silent_s=TTL_S + 1)
    office.run("r1", "dead")
    office.worker.start()
    office.run("r2", "me")
    office.worker.stop()
    assert office.log == ["lease", "launch", "drain 5", "give up"]
    assert office.queue.queued == ["r1", "r2"]
    assert office.queue.executing == {}


def test_a_beat_that_fails_does_not_end_the_worker() -> None:
    """The next one may succeed; if none does, the lease lapses, which is its purpose."""
    office = Office()
    waits = iter([False, False, True])

    class Stopping:
        def wait(self, _: float) -> bool:
            return next(waits)

    stopping: Any = Stopping()
    office.worker._stopping = stopping
    office.worker._beat()
    assert next(waits, None) is None


class Beats:
    """Lets a heart beat a number of times, some seconds apart."""

    def __init__(self, office: Office, times: int, apart_s: float) -> None:
        self.office, self.left, self.apart_s = office, times, apart_s

    def wait(self, _: float) -> bool:
        self.left -= 1
        self.office.clock.time += self.apart_s
        return self.left < 0


def beat(office: Office, times: int, *, apart_s: float, error: Exception | None) -> None:
    stopping: Any = Beats(office, times, apart_s)
    office.worker._stopping = stopping

    def beats(_: str) -> None:
        if error is not None:
            raise error

    workers: Any = office.worker.workers
    workers.beat = beats
    office.worker._beat()


def test_any_error_leaves_the_heart_beating() -> None:
    office = Office()
    beat(office, 3, apart_s=0.1, error=RuntimeError("the driver's own error"))
    assert office.worker.lost is None


def test_a_worker_that_cannot_renew_its_lease_for_long_is_lost() -> None:
    office, error = Office(), StoreLocked("locked")
    beat(office, 12, apart_s=TTL_S, error=error)
    assert office.worker.lost is error
    beat(office, 1, apart_s=0.1, error=None)
    assert office.worker.lost is None
