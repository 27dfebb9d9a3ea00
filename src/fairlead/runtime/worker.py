"""A worker: takes runs, renews its lease, and takes over the runs of workers that died."""

from __future__ import annotations

import logging
import os
import socket
import threading
from dataclasses import dataclass, field

from fairlead.core.digests import Json
from fairlead.ports.clock import Clock
from fairlead.ports.engine import EngineHost, RunQueue
from fairlead.ports.runs import RunStore
from fairlead.ports.workers import WorkerRecord, WorkerStore
from fairlead.runtime.execute import Runner

LEASES_MISSED_MAX = 10
"""After this many leases without a renewal a worker is lost."""

_log = logging.getLogger("fairlead.worker")


@dataclass(frozen=True, kw_only=True)
class Lease:
    """How a worker shows that it lives.

    Attributes:
        ttl_s: Seconds without a heartbeat after which a worker counts as dead.
        drain_s: Seconds that a stopping worker waits for the runs that it executes.
        takeovers: Worker deaths under one run after which the run is quarantined.
    """

    ttl_s: float
    drain_s: float
    takeovers: int


@dataclass(kw_only=True)
class Worker:
    """One worker of this process.

    Attributes:
        runner: Executes runs.
        host: The engine.
        queue: Where runs wait.
        runs: Where runs are kept.
        workers: Where leases are kept.
        clock: Time.
        lease: How it shows that it lives.
        lost: Why it could not renew its lease for many times its length: it should end; None while
            all is well.
    """

    runner: Runner
    host: EngineHost
    queue: RunQueue
    runs: RunStore
    workers: WorkerStore
    clock: Clock
    lease: Lease
    lost: BaseException | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)
    _heart: threading.Thread | None = None

    def start(self) -> None:
        """Take the lease, take over what dead workers left, and start taking runs."""
        now = self.clock.now()
        self.workers.start(
            WorkerRecord(
                id=self.runner.worker_id,
                code_digest=self.runner.code_digest,
                host=socket.gethostname(),
                pid=os.getpid(),
                started_at=now,
                heartbeat_at=now,
            )
        )

        async def body(run_id: str, release: str) -> Json:
            return await self.runner.execute(self.host.engine, run_id, release)

        self.host.launch(body)
        self.take_over()
        self._heart = threading.Thread(target=self._beat, name="fairlead-lease", daemon=True)
        self._heart.start()

    def stop(self) -> None:
        """Stop cleanly: drain, hand back what did not end, give the lease up."""
        self._stopping.set()
        if self._heart is not None:
            self._heart.join(timeout=self.lease.ttl_s)
        self.host.stop(self.lease.drain_s)
        self.queue.adopt(self.queue.orphans(self.runner.worker_id))
        self.workers.stop(self.runner.worker_id)

    def take_over(self) -> int:
        """Take over the runs of workers whose lease has lapsed.

        Returns:
            How many runs were queued again.
        """
        count = 0
        lapsed = self.workers.lapsed(self.lease.ttl_s)
        for dead in (worker for worker in lapsed if worker.id != self.runner.worker_id):
            # Whoever extends the lease does the work; if it dies too, the lease lapses again.
            if not self.workers.claim(dead):
                continue
            adopted = []
            for run_id in self.queue.orphans(dead.id):
                if self.runs.take_over(run_id, dead.id, self.lease.takeovers):
                    adopted.append(run_id)
                else:
                    self.queue.cancel(run_id)
            self.queue.adopt(adopted)
            self.workers.bury(dead.id, len(adopted))
            count += len(adopted)
        return count

    def _beat(self) -> None:
        renewed_at, said = self.clock.now(), ""
        while not self._stopping.wait(self.lease.ttl_s / 4):
            try:
                self.workers.beat(self.runner.worker_id)
                renewed_at, said, self.lost = self.clock.now(), "", None
                self.take_over()
            except Exception as error:  # noqa: BLE001 - a heart that stops for good loses the runs
                # The next beat may succeed; if none does, the lease lapses, which is its purpose.
                if str(error) != said:
                    said = str(error)
                    _log.warning("the lease was not renewed: %s", said)
                if self.clock.now() - renewed_at > LEASES_MISSED_MAX * self.lease.ttl_s:
                    self.lost = error
