"""What a worker sees of the world: leases, runs on record, and an engine that is given runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fairlead.core.digests import Json
from fairlead.core.errors import WorkerIdTaken
from fairlead.core.outcome import FINAL_STATES
from fairlead.ports.dispatch import Bid, Claimed, Fence, Start, TakenOver
from fairlead.ports.engine import Engine, RunBody
from fairlead.ports.workers import WorkerRecord
from fairlead.runtime.audit import Cadence
from fairlead.testing import FakeClock, FakeEngine


@dataclass
class FakeQueue:
    """Keeps what the engine was given.

    Attributes:
        log: What was asked of the world, in order.
        started: New runs that it was given, in order.
        resumed: Runs that it knew and was given again, in order.
        cancelled: Runs that it was told to stop.
        pickled: Runs whose record is not ours.
        fails: Raised by the next time that runs are resumed; None for nothing.
    """

    log: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    pickled: set[str] = field(default_factory=set)
    fails: Exception | None = None

    def open(self, worker_id: str, most: int) -> None:
        self.log.append(f"open {worker_id} {most}")

    def close_queue(self, worker_id: str) -> None:
        self.log.append(f"close {worker_id}")

    def start(self, transaction: Any, run_id: str, worker_id: str, code: str) -> None:
        assert transaction == "the claim's transaction"
        self.started.append(run_id)

    def resume(self, run_ids: Sequence[str], worker_id: str) -> None:
        error, self.fails = self.fails, None
        if error is not None:
            raise error
        self.resumed += run_ids

    def foreign(self, run_ids: Sequence[str]) -> Sequence[str]:
        return [run_id for run_id in run_ids if run_id in self.pickled]

    def cancel(self, run_id: str) -> None:
        self.cancelled.append(run_id)

    def fork(self, origin: str, run_id: str, before: int) -> None:
        self.log.append(f"fork {origin} {run_id} {before}")

    def forget(self, run_ids: Sequence[str]) -> None:
        self.log.append(f"forget {' '.join(run_ids)}")


@dataclass
class FakeHost:
    """An engine that is started and stopped.

    Attributes:
        log: What was asked of the world, in order.
        body: What it was told to execute.
    """

    log: list[str]
    worker_id: str = "me"
    engine: Engine = field(default_factory=FakeEngine)
    body: RunBody | None = None

    def launch(self, body: RunBody) -> None:
        self.log.append("launch")
        self.body = body

    def stop(self) -> None:
        self.log.append("stop")


@dataclass
class FakeWorkers:
    """Leases in a dict, by a clock of their own.

    Attributes:
        clock: This machine's time.
        log: What was asked of the world, in order.
        skew_s: How far the database's clock is ahead.
        slow_s: How long an answer takes; the database reads its clock in the middle.
        error: Raised by each beat; None for nothing.
    """

    clock: FakeClock
    log: list[str] = field(default_factory=list)
    records: dict[str, WorkerRecord] = field(default_factory=dict)
    skew_s: float = 0.0
    slow_s: float = 0.0
    error: Exception | None = None
    beats: int = 0

    def start(self, worker: WorkerRecord, ttl_s: float) -> None:
        known = self.records.get(worker.id)
        if known is not None and self._living(known, ttl_s):
            raise WorkerIdTaken(worker.id)
        self.log.append(f"lease {worker.id} {ttl_s:g}")
        self.records[worker.id] = replace(worker, heartbeat_at=self.clock.now() + self.skew_s)

    def beat(self, worker_id: str) -> float:
        self.beats += 1
        if self.error is not None:
            raise self.error
        self.clock.time += self.slow_s / 2
        now = self.clock.now() + self.skew_s
        self.clock.time += self.slow_s / 2
        if worker_id in self.records:
            self.records[worker_id] = replace(self.records[worker_id], heartbeat_at=now)
        return now

    def stop(self, worker_id: str, *, stalled: bool = False) -> None:
        self.log.append(f"{'stalled' if stalled else 'stopped'} {worker_id}")

    def lapsed(self, ttl_s: float) -> Sequence[WorkerRecord]:
        alive = [worker for worker in self.records.values() if worker.stopped_at is None]
        return [worker for worker in alive if not self._living(worker, ttl_s)]

    def living(self, ttl_s: float) -> Sequence[WorkerRecord]:
        return [worker for worker in self.records.values() if self._living(worker, ttl_s)]

    def _living(self, worker: WorkerRecord, ttl_s: float) -> bool:
        return worker.stopped_at is None and worker.heartbeat_at >= self.clock.now() - ttl_s


@dataclass
class Row:
    """A run on record, as the dispatcher's side of it."""

    id: str
    tenant: str = "default"
    state: str = "queued"
    worker_id: str | None = None
    claims: int = 0
    deaths: int = 0
    due: bool = False


@dataclass
class FakeStore:
    """Who executes what, in a dict, in the order in which the runs were added.

    Attributes:
        rows: Every run.
        workers: The leases.
        log: What was asked of the world, in order.
        bids: Every bid, in order.
        seated: What `strays` was told, in order.
        meanwhile: Called while `parked` is read, as another thread may act at that moment.
        error: Raised when runs are handed back; None for nothing.
    """

    workers: FakeWorkers
    log: list[str] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    bids: list[Bid] = field(default_factory=list)
    seated: list[frozenset[str]] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None
    error: Exception | None = None

    def add(self, id: str, **values: Any) -> Row:
        """Put a run on record."""
        self.rows[id] = Row(id=id, **values)
        return self.rows[id]

    def claim(self, bid: Bid, start: Start) -> Sequence[Claimed]:
        self.bids.append(bid)
        taken = []
        for row in [row for row in self.rows.values() if row.state == "queued"][: bid.most]:
            if row.claims == 0:
                start("the claim's transaction", row.id)
            fence = Fence(worker_id=bid.worker_id, claim=row.claims + 1)
            claimed = Claimed(
                run_id=row.id,
                tenant=row.tenant,
                fence=fence,
                deaths=row.deaths,
                fresh=row.claims == 0,
            )
            row.state, row.worker_id, row.claims = "running", bid.worker_id, fence.claim
            taken.append(claimed)
        return taken

    def awake(self, worker_id: str, most: int) -> Sequence[str]:
        due = [row for row in self._mine(worker_id, "waiting") if row.due][:most]
        for row in due:
            row.state, row.due = "running", False
        return [row.id for row in due]

    def park(self, run_id: str, fence: Fence, wait: str) -> bool:
        self.rows[run_id].state = "waiting"
        return True

    def unload(self, run_id: str, fence: Fence) -> None:
        self.rows[run_id].worker_id = None

    def parked(self, worker_id: str) -> frozenset[str]:
        found = frozenset(row.id for row in self._mine(worker_id, "waiting"))
        self.meanwhile()
        return found

    def strays(self, worker_id: str, seated: frozenset[str]) -> int:
        self.seated.append(seated)
        strays = [row for row in self._mine(worker_id, "running") if row.id not in seated]
        for row in strays:
            row.state, row.worker_id = "queued", None
        return len(strays)

    def refuse(self, run_id: str, worker_id: str) -> None:
        self.rows[run_id].state, self.rows[run_id].worker_id = "failed", None

    def hand_back(self, worker_id: str) -> int:
        self.log.append(f"hand back {worker_id}")
        if self.error is not None:
            raise self.error
        held = self._mine(worker_id, "running")
        for row in held + self._mine(worker_id, "waiting"):
            row.state = "queued" if row in held else row.state
            row.worker_id = None
        return len(held)

    def take_over(self, dead: str, ttl_s: float, limit: int) -> TakenOver | None:
        if dead not in {worker.id for worker in self.workers.lapsed(ttl_s)}:
            return None
        record = self.workers.records[dead]
        self.workers.records[dead] = replace(record, stopped_at=record.heartbeat_at)
        adopted, quarantined = [], []
        for row in self._mine(dead, "running"):
            row.deaths, row.worker_id = row.deaths + 1, None
            row.state = "failed" if row.deaths >= limit else "queued"
            (quarantined if row.state in FINAL_STATES else adopted).append(row.id)
        return TakenOver(adopted=tuple(adopted), quarantined=tuple(quarantined))

    def _mine(self, worker_id: str, state: str) -> list[Row]:
        return [r for r in self.rows.values() if (r.worker_id, r.state) == (worker_id, state)]


@dataclass
class FakeRunner:
    """As much of a runner as a worker needs."""

    worker_id: str = "me"
    code_digest: str = "code"
    executed: list[tuple[Engine, str]] = field(default_factory=list)
    log: list[str] = field(default_factory=list, repr=False)

    async def execute(self, engine: Engine, run_id: str) -> Json:
        self.executed.append((engine, run_id))

    def close(self) -> None:
        self.log.append("connections closed")


@dataclass
class Ticks:
    """A stop signal whose wait takes no time: the clock moves instead.

    Attributes:
        clock: Time.
        left: How many waits are allowed before it says stop.
        apart_s: Seconds that a wait takes; None for those that it asks for.
        each: Called at each wait, with how many are left.
        waited: Every wait, in seconds.
    """

    clock: FakeClock
    left: int
    apart_s: float | None = None
    each: Callable[[int], None] = lambda left: None  # noqa: ARG005
    waited: list[float] = field(default_factory=list)

    def wait(self, seconds: float) -> bool:
        if self.left <= 0:
            return True
        self.left -= 1
        self.waited.append(seconds)
        self.clock.time += seconds if self.apart_s is None else self.apart_s
        self.each(self.left)
        return False

    def set(self) -> None:
        self.left = 0


class FakeCadence(Cadence):
    """Says when checkpoints are to be made."""

    def __init__(self, log: list[str]) -> None:
        super().__init__()
        self.log = log

    def start(self) -> None:
        self.log.append("checkpoints")

    def stop(self) -> None:
        self.log.append("last checkpoint")
