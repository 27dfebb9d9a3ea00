"""A worker's side of the engine: executes runs as DBOS workflows.

DBOS holds one instance per process, so a process is at most one worker. Its workflows are the
runs; their steps are the journaled steps. It never speaks to a hosted console.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer
from dbos import error as dbos_error

from fairlead.adapters.dbos.queue import APPLICATION, WORKFLOW, DbosRunQueue
from fairlead.core.digests import Json
from fairlead.core.errors import ReplayDiverged
from fairlead.ports.engine import RunBody

POLL_S = 0.1


class _NoCancellations(logging.Filter):
    """That a run was cancelled is on record; it is no error of the worker."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, dbos_error.DBOSAwaitedWorkflowCancelledError)


_no_cancellations = _NoCancellations()


class DbosEngine:
    """What a run's own code may ask of DBOS."""

    async def step(self, name: str, body: Callable[[], Awaitable[Json]]) -> Json:
        """Execute a body as exactly one journaled step, or return what is on record."""

        async def journaled() -> Json:
            return await body()

        try:
            return await DBOS.run_step_async({"name": name}, journaled)
        except dbos_error.DBOSUnexpectedStepError as error:
            raise ReplayDiverged(f"another step than {name!r} is on record: {error}") from error

    async def sleep(self, seconds: float) -> None:
        """Wait durably; a restart in between does not begin the wait anew."""
        await DBOS.sleep_async(seconds)


class DbosHost:
    """Takes runs from the queue and executes them."""

    def __init__(
        self, engine: sa.Engine, queue: DbosRunQueue, *, worker_id: str, code: str, concurrency: int
    ) -> None:
        """Prepare a worker.

        Args:
            engine: Connections to the database, with the engine's own transaction control.
            queue: The same database's queue.
            worker_id: Unique per start of the process; two workers with one id would steal runs.
            code: Code digest: only runs of this code are taken.
            concurrency: Most runs at the same time.
        """
        self._engine = engine
        self._queue = queue
        self._worker_id = worker_id
        self._code = code
        self._concurrency = concurrency
        self._executing = 0

    @property
    def engine(self) -> DbosEngine:
        """What a run's own code may ask of the engine."""
        return DbosEngine()

    def launch(self, body: RunBody) -> None:
        """Start taking runs from the queue."""
        log = logging.getLogger("dbos")
        log.setLevel(logging.ERROR)
        log.addFilter(_no_cancellations)
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_engine": self._engine,
            "application_version": self._code,
            "executor_id": self._worker_id,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "ERROR",
            "notification_listener_polling_interval_sec": POLL_S,
            "max_executor_threads": 64,
        }
        DBOS(config=config)

        @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=1000)
        async def execute(run_id: str, release: str) -> Json:
            self._executing += 1
            try:
                return await body(run_id, release)
            finally:
                self._executing -= 1

        # The bound stands before the first look at the queue: a worker that looks without one
        # claims the whole backlog.
        self._queue.limit(self._concurrency, POLL_S)
        DBOS.launch()

    def stop(self, drain_s: float) -> None:
        """Stop taking runs, wait up to `drain_s` for those that execute, then let go."""
        # DBOS waits for a whole second before it looks whether anything executes at all.
        wait_s = math.ceil(drain_s) if self._executing else 0
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=wait_s)
