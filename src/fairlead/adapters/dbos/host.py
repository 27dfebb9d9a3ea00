"""A worker's side of the engine: executes runs as DBOS workflows.

DBOS holds one instance per process, so a process is at most one worker. Its workflows are the
runs; their steps are the journaled steps. It never speaks to a hosted console.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer
from dbos import error as dbos_error

from fairlead.adapters.dbos.queue import APPLICATION, POLL_S, WORKFLOW, queue_of
from fairlead.core.digests import Json
from fairlead.core.errors import (
    JournalForeign,
    LeaseLost,
    ReplayDiverged,
    StoreFull,
    StoreLocked,
    StoreUnavailable,
)
from fairlead.ports.engine import RunBody, Suspended

THREADS = 32
"""Threads for the engine's own calls, and for steps and tools that block one each. More than
there are connections only wait, and each that runs takes the interpreter from the lease's."""


class DbosEngine:
    """What a run's own code may ask of DBOS."""

    async def step(self, name: str, body: Callable[[], Awaitable[Json]]) -> Json:
        """Execute a body as exactly one journaled step, or return what is on record."""

        async def journaled() -> Json:
            try:
                return await body()
            except (StoreLocked, StoreFull, StoreUnavailable, LeaseLost) as error:
                # The database was away for too long, or the run belongs to another worker by now.
                # Nothing may be recorded: a raised error would be the step's result for good.
                raise Suspended(str(error)) from error

        try:
            return await DBOS.run_step_async({"name": name}, journaled)
        except dbos_error.DBOSUnexpectedStepError as error:
            raise ReplayDiverged(f"another step than {name!r} is on record: {error}") from error
        except (
            dbos_error.DBOSWorkflowConflictIDError,
            dbos_error.DBOSWorkflowCancelledError,
        ) as error:
            # Another execution owns the run by now, or it was stopped: whoever goes on with it
            # reads the record. Without this the engine would keep this execution waiting.
            raise Suspended(str(error)) from error
        except UnicodeDecodeError as error:
            raise JournalForeign(f"step {name!r} is not on record as JSON: {error}") from error


class DbosHost:
    """Executes what is given to this worker."""

    def __init__(self, engine: sa.Engine, *, worker_id: str, code: str) -> None:
        """Prepare a worker.

        Args:
            engine: Connections to the database, with the engine's own transaction control.
            worker_id: Unique per start of the process; two workers with one id would steal runs.
            code: Code digest: only runs of this code are executed.
        """
        self._engine = engine
        self._worker_id = worker_id
        self._code = code

    @property
    def worker_id(self) -> str:
        """Whose host it is."""
        return self._worker_id

    @property
    def engine(self) -> DbosEngine:
        """What a run's own code may ask of the engine."""
        return DbosEngine()

    def launch(self, body: RunBody) -> None:
        """Start executing what is given to this worker."""
        log = logging.getLogger("dbos")
        log.setLevel(logging.ERROR)
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_engine": self._engine,
            "application_version": self._code,
            "executor_id": self._worker_id,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "ERROR",
            "notification_listener_polling_interval_sec": POLL_S,
            "max_executor_threads": THREADS,
        }
        DBOS(config=config)

        @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=1_000_000)
        async def execute() -> Json:
            # A fork has its origin's arguments; only the engine's own id says which run this is.
            run_id = DBOS.workflow_id
            assert run_id is not None, "a workflow has an id"
            return await body(run_id)

        DBOS.listen_queues([queue_of(self._worker_id)])
        DBOS.launch()

    def stop(self) -> None:
        """Let go of everything; what still executes goes on from its record later."""
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=0)
