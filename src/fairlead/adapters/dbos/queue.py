"""What a client asks of the engine: queue, cancel and adopt runs, without executing any."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import sqlalchemy as sa

from fairlead.ports.engine import Transaction

if TYPE_CHECKING:
    from dbos import DBOSClient, EnqueueOptions

APPLICATION = "fairlead"
WORKFLOW = "fairlead.run"
QUEUE = "runs"


class DbosRunQueue:
    """Queues runs for workers of their code digest.

    The engine takes a third of a second to import, so it is loaded when it is first used: whoever
    only lists runs does not wait for it.
    """

    def __init__(self, url: str, engine: sa.Engine) -> None:
        """Prepare a connection, and create the engine's tables when they are not there.

        Args:
            url: The database.
            engine: Connections to it, with the engine's own transaction control.
        """
        self._engine = engine
        # Now and not at the first use, which stands inside a transaction that holds the write lock.
        # Only a new database: a worker brings older tables up to date when it launches.
        if not sa.inspect(engine).has_table("workflow_status"):
            from dbos import DBOS

            DBOS.migrate(url)

    @cached_property
    def _client(self) -> DBOSClient:
        from dbos import DBOSClient, DBOSPortableJSONSerializer

        return DBOSClient(
            system_database_engine=self._engine,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
            retry_connection_errors=False,
        )

    def enqueue(self, transaction: Transaction, run_id: str, release: str, code: str) -> None:
        """Queue a run for workers of a code digest, in the caller's transaction."""
        options: EnqueueOptions = {
            "workflow_name": WORKFLOW,
            "queue_name": QUEUE,
            "workflow_id": run_id,
            "workflow_id_reuse_policy": "reject",
            "app_version": code,
        }
        self._client.enqueue_in_transaction(transaction, options, run_id, release)

    def cancel(self, run_id: str) -> None:
        """Stop a run at its next step."""
        self._client.cancel_workflow(run_id)

    def orphans(self, worker_id: str) -> Sequence[str]:
        """Return the runs that were executing on a worker."""
        found = self._client.list_workflows(
            executor_id=worker_id, status="PENDING", load_input=False, load_output=False
        )
        return [status.workflow_id for status in found]

    def adopt(self, run_ids: Sequence[str]) -> None:
        """Queue runs of a dead worker again; what is on record is not executed again."""
        if run_ids:
            self._client.resume_workflows(list(run_ids), queue_name=QUEUE)

    def limit(self, concurrency: int, poll_s: float) -> None:
        """Bound how many runs one worker takes; must stand before any worker looks.

        Args:
            concurrency: Most runs that one worker executes at the same time.
            poll_s: Seconds between two looks at the queue.
        """
        self._client.register_queue(
            QUEUE,
            worker_concurrency=concurrency,
            polling_interval_sec=poll_s,
            on_conflict="always_update",
        )

    def close(self) -> None:
        """Let go of the connections."""
        if "_client" in self.__dict__:
            self._client.destroy()
