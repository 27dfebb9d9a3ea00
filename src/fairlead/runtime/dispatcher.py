"""A worker's dispatcher: wakes what waits, claims what is queued, and buries dead workers.

It looks at the database twenty times a second, by reading; it writes only when there is something
to do. It claims no more runs than the worker has free places.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from fairlead.ports.clock import Clock
from fairlead.ports.dispatch import Bid, DispatchStore
from fairlead.ports.engine import RunQueue, Transaction
from fairlead.ports.workers import WorkerStore
from fairlead.runtime.seats import Seats

POLL_S = 0.05
"""Seconds between two looks."""

TIDY_S = 1.0
"""Seconds between two comparisons of what is in memory with what is on record."""

START_S_MAX = 10.0
"""Seconds after which a run that the engine was given and has not begun is given to it again."""

SUSPECT_DEATHS = 2
"""A run with so many deaths since it last got on is executed beside no other one of that kind."""

_log = logging.getLogger("fairlead.worker")


@dataclass(kw_only=True)
class Dispatcher:
    """Gives a worker its runs.

    Attributes:
        worker_id: The worker.
        code: Its code digest.
        queues: The queues whose runs it takes.
        seats: Its places.
        store: Who executes what, on record.
        queue: The engine's side.
        workers: The leases of all workers.
        clock: Time.
        ttl_s: Seconds without a heartbeat after which a worker counts as dead.
        takeovers: Deaths without progress after which a run is quarantined.
        may_lead: Whether this worker may claim and bury: its lease holds and its clock is right.
    """

    worker_id: str
    code: str
    queues: tuple[str, ...]
    seats: Seats
    store: DispatchStore
    queue: RunQueue
    workers: WorkerStore
    clock: Clock
    ttl_s: float
    takeovers: int
    may_lead: Callable[[], bool]
    _after: str = ""
    _resume: set[str] = field(default_factory=set)
    _tidied_at: float = float("-inf")
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="fairlead-dispatch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=10.0)

    def _run(self) -> None:
        said = ""
        while not self._stopping.wait(POLL_S):
            try:
                self.look()
                said = ""
            except Exception as error:  # noqa: BLE001 - the database may be away; the next look comes
                if str(error) != said:
                    said = str(error)
                    _log.warning("runs were not looked for: %s", said)
                self._stopping.wait(POLL_S * 10)

    def look(self) -> None:
        """Do once whatever there is to do."""
        if self.may_lead():
            self.bury()
        self._wake()
        if self.may_lead():
            self._claim()
        if self.clock.monotonic() - self._tidied_at >= TIDY_S:
            self._tidied_at = self.clock.monotonic()
            self._tidy()
        self._give()

    def bury(self) -> int:
        """Take over the runs of workers whose lease has lapsed; return how many were adopted."""
        count = 0
        for dead in self.workers.lapsed(self.ttl_s):
            if dead.id == self.worker_id:
                continue
            taken = self.store.take_over(dead.id, self.ttl_s, self.takeovers)
            if taken is None:
                continue
            count += len(taken.adopted)
            for run_id in taken.quarantined:
                self.queue.cancel(run_id)
            # Its queue stays: it may have been held up only, and takes runs when it comes back.
        return count

    def _wake(self) -> None:
        free = self.seats.free
        if free > 0:
            for run_id in self.store.awake(self.worker_id, free):
                self.seats.wake(run_id)

    def _claim(self) -> None:
        free = self.seats.free
        if free < 1:
            return
        uncleared, suspect = self.seats.doubts(SUSPECT_DEATHS)
        bid = Bid(
            worker_id=self.worker_id,
            code=self.code,
            queues=self.queues,
            most=free,
            uncleared=uncleared,
            suspect=suspect,
            after=self._after,
        )

        def start(transaction: Transaction, run_id: str) -> None:
            self.queue.start(transaction, run_id, self.worker_id, self.code)

        for claimed in self.store.claim(bid, start):
            self.seats.take(claimed)
            self._after = claimed.tenant
            if not claimed.fresh:
                self._resume.add(claimed.run_id)

    def _give(self) -> None:
        """Give claimed runs that the engine knows to it; what fails is given at the next look."""
        if not self._resume:
            return
        foreign = self.queue.foreign(sorted(self._resume))
        for run_id in foreign:
            self.store.refuse(run_id, self.worker_id)
            self.seats.vacate(run_id)
        self.queue.resume(sorted(self._resume - set(foreign)), self.worker_id)
        self._resume.clear()

    def _tidy(self) -> None:
        # What is in memory is read first: a run that parks meanwhile stands on record only.
        parked = self.seats.parked
        for run_id in parked - self.store.parked(self.worker_id):
            # Cancelled, paused or taken over while it waited here: nobody would ever wake it.
            self.seats.drop(run_id)
        # An execution may have ended early because the database was away, or the lease lapsed.
        self.store.strays(self.worker_id, self.seats.seated)
        for run_id in self.seats.overdue(START_S_MAX):
            self._resume.add(run_id)
