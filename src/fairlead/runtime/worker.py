"""A worker: executes runs, renews its lease, and takes over the runs of workers that died."""

from __future__ import annotations

import logging
import os
import socket
import threading
from dataclasses import dataclass, field
from typing import Protocol

from fairlead.core.digests import Json
from fairlead.core.errors import ClockSkewed, WorkerStalled
from fairlead.ports.clock import Clock
from fairlead.ports.dispatch import DispatchStore
from fairlead.ports.engine import EngineHost, RunQueue
from fairlead.ports.workers import WorkerRecord, WorkerStore
from fairlead.runtime.audit import Cadence
from fairlead.runtime.dispatcher import Dispatcher
from fairlead.runtime.erase import Resuming
from fairlead.runtime.execute import Runner
from fairlead.runtime.pulse import Pulse
from fairlead.runtime.seats import Seats
from fairlead.runtime.skew import SKEW_S_MAX, is_skewed

LEASES_MISSED_MAX = 40
"""After this many leases without a renewal a worker is lost."""

_log = logging.getLogger("fairlead.worker")


@dataclass(kw_only=True)
class Lease:
    """How a worker shows that it lives, and whether it surely does.

    Attributes:
        ttl_s: Seconds without a heartbeat after which a worker counts as dead.
        drain_s: Seconds that a stopping worker waits for the runs that it executes.
        takeovers: Worker deaths under one run without progress after which it is quarantined.
        stall_s: Seconds without progress of the event loop after which a worker gives up.
        clock: Time.
        renewed_at: When the last renewal was asked for, on the clock that nobody sets.
    """

    ttl_s: float
    drain_s: float
    takeovers: int
    stall_s: float
    clock: Clock
    renewed_at: float = float("-inf")

    def held(self) -> bool:
        """Whether no other worker can have taken over: the lease surely has not lapsed."""
        return self.clock.monotonic() - self.renewed_at < self.ttl_s


@dataclass(frozen=True, kw_only=True)
class Registry:
    """Where a worker is known, and what gives it work.

    Attributes:
        workers: The leases.
        dispatch: Who executes what.
        queue: The engine's side.
        queues: The queues whose runs it takes.
    """

    workers: WorkerStore
    dispatch: DispatchStore
    queue: RunQueue
    queues: tuple[str, ...]


class Companion(Protocol):
    """Something that goes on in a worker's process beside its runs."""

    def start(self) -> None:
        """Begin."""
        ...

    def stop(self) -> None:
        """End."""
        ...


@dataclass(kw_only=True)
class Worker:
    """One worker of this process.

    Attributes:
        runner: Executes runs.
        host: The engine.
        registry: Where it is known.
        seats: Its places.
        clock: Time.
        lease: How it shows that it lives.
        cadence: Has checkpoints of the event log made.
        resuming: Goes on with erasures that nobody is at.
        companions: What goes on beside its runs.
        lost: Why it should end: it could not renew its lease for many times its length, or its
            runs do not get on; None while all is well.
    """

    runner: Runner
    host: EngineHost
    registry: Registry
    seats: Seats
    clock: Clock
    lease: Lease
    cadence: Cadence = field(default_factory=Cadence)
    resuming: Resuming = field(default_factory=Resuming)
    companions: tuple[Companion, ...] = ()
    lost: BaseException | None = None
    _pulse: Pulse = field(init=False)
    _dispatcher: Dispatcher = field(init=False)
    _skewed: bool = False
    _stopping: threading.Event = field(default_factory=threading.Event)
    _heart: threading.Thread | None = None

    def __post_init__(self) -> None:
        self._pulse = Pulse(clock=self.clock)
        self._dispatcher = Dispatcher(
            worker_id=self.runner.worker_id,
            code=self.runner.code_digest,
            queues=self.registry.queues,
            seats=self.seats,
            store=self.registry.dispatch,
            queue=self.registry.queue,
            workers=self.registry.workers,
            clock=self.clock,
            ttl_s=self.lease.ttl_s,
            takeovers=self.lease.takeovers,
            may_lead=self._may_lead,
        )

    def start(self) -> None:
        """Take the lease, take over what dead workers left, and start taking runs.

        Raises:
            ClockSkewed: This machine's clock is not fit for leases.
            WorkerIdTaken: A worker lives under this id.
        """
        worker_id, registry = self.runner.worker_id, self.registry
        now = self.clock.now()
        registry.workers.start(
            WorkerRecord(
                id=worker_id,
                code_digest=self.runner.code_digest,
                host=socket.gethostname(),
                pid=os.getpid(),
                started_at=now,
                heartbeat_at=now,
                queues=",".join(registry.queues),
                concurrency=self.seats.active_max,
            ),
            self.lease.ttl_s,
        )
        self._renew()
        if self._skewed:
            registry.workers.stop(worker_id)
            raise ClockSkewed(
                f"the clock of {socket.gethostname()} differs by more than {SKEW_S_MAX:g} s from "
                "the database's",
                worker=worker_id,
            )

        async def body(run_id: str) -> Json:
            self._pulse.feel()
            return await self.runner.execute(self.host.engine, run_id)

        registry.queue.open(worker_id, self.seats.active_max + self.seats.parked_max + 1)
        self.host.launch(body)
        self._heart = threading.Thread(target=self._beat, name="fairlead-lease", daemon=True)
        self._heart.start()
        self._dispatcher.start()
        self.cadence.start()
        self.resuming.start()
        for one in self.companions:
            one.start()

    def stop(self) -> None:
        """Stop cleanly: drain, hand back what did not end, give the lease up."""
        self._dispatcher.stop()
        for one in self.companions:
            one.stop()
        for run_id in self.seats.parked:
            self.seats.drop(run_id)
        self._drain()
        self._stopping.set()
        if self._heart is not None:
            self._heart.join(timeout=self.lease.ttl_s)
        self.host.stop()
        # After the host: what is being executed is not torn from its server while it may still end.
        self.runner.close()
        self._let_go()
        self.resuming.stop(self.lease.drain_s)
        self.cadence.stop()

    def _drain(self) -> None:
        until = self.clock.monotonic() + self.lease.drain_s
        while self.seats.active and self.clock.monotonic() < until:
            # What parks while the worker drains is let go at once: it goes on elsewhere.
            for run_id in self.seats.parked:
                self.seats.drop(run_id)
            self._stopping.wait(0.02)

    def _let_go(self, *, stalled: bool = False) -> None:
        worker_id, registry = self.runner.worker_id, self.registry
        registry.dispatch.hand_back(worker_id)
        registry.queue.close_queue(worker_id)
        registry.workers.stop(worker_id, stalled=stalled)

    def _may_lead(self) -> bool:
        return self.lease.held() and not self._skewed

    def _renew(self) -> None:
        asked_at, asked = self.clock.monotonic(), self.clock.now()
        theirs = self.registry.workers.beat(self.runner.worker_id)
        self.lease.renewed_at = asked_at
        skewed = is_skewed(asked, theirs, self.clock.now())
        if skewed and not self._skewed:
            _log.warning("%s: this machine's clock is wrong; no runs are taken", ClockSkewed.code)
        self._skewed = skewed

    def _beat(self) -> None:
        said = ""
        while not self._stopping.wait(self.lease.ttl_s / 4):
            still_s = self._pulse.still_s()
            if still_s > self.lease.stall_s:
                self._give_up(still_s)
                return
            try:
                self._renew()
                said, self.lost = "", None
            except Exception as error:  # noqa: BLE001 - a heart that stops for good loses the runs
                # The next beat may succeed; if none does, the lease lapses, which is its purpose.
                if str(error) != said:
                    said = str(error)
                    _log.warning("the lease was not renewed: %s", said)
                missed_s = self.clock.monotonic() - self.lease.renewed_at
                if missed_s > LEASES_MISSED_MAX * self.lease.ttl_s:
                    self.lost = error

    def _give_up(self, still_s: float) -> None:
        """Let other workers have the runs: this process lives, and they do not get on here."""
        message = f"the runs of worker {self.runner.worker_id} made no progress for {still_s:.1f} s"
        self._dispatcher.stop()
        self.lease.renewed_at = float("-inf")
        try:
            self._let_go(stalled=True)
        except Exception as error:  # noqa: BLE001 - then the lease lapses, and others take over
            _log.warning("the lease was not given up: %s", error)
        self.lost = WorkerStalled(message, worker=self.runner.worker_id)
