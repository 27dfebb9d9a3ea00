"""What a client asks of the engine: give runs to workers, stop and fork them, executing none.

Which worker gets which run is not the engine's choice but that of `ports/dispatch.py`. Each worker
has a queue of its own, which holds exactly what it claimed.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa

from fairlead.core.digests import Json
from fairlead.ports.engine import Transaction

if TYPE_CHECKING:
    from dbos import DBOSClient, EnqueueOptions

P = ParamSpec("P")
R = TypeVar("R")

APPLICATION = "fairlead"
WORKFLOW = "fairlead.run"
TABLES_VERSION = 125
"""What the engine's tables are at when its own migrations are done."""
PORTABLE = "portable_json"
"""The engine's name for its JSON."""
POLL_S = 0.05
"""Seconds between two looks of a worker at its own queue."""

_STEPS_OF = 500
"""Most runs of which one statement reads the steps."""

_CALL = re.compile(r" #(\d+)\Z")


def queue_of(worker_id: str) -> str:
    """Return the name of a worker's own queue."""
    return f"worker:{worker_id}"


def _guarded(
    method: Callable[Concatenate[DbosRunQueue, P], R],
) -> Callable[Concatenate[DbosRunQueue, P], R]:
    """Let a method raise our error in place of the database's."""

    @wraps(method)
    def guarded(self: DbosRunQueue, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self.guard():
            return method(self, *args, **kwargs)

    return guarded


class DbosRunQueue:
    """Gives runs to workers.

    The engine takes a third of a second to import, so it is loaded when it is first used: whoever
    only lists runs does not wait for it.
    """

    def __init__(
        self,
        url: str,
        engine: sa.Engine,
        guard: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Prepare a connection, and bring the engine's tables up to date.

        Args:
            url: The database, with its password.
            engine: Connections to it, with the engine's own transaction control.
            guard: Within its block, our error is raised in place of the database's.
        """
        self._engine, self.guard = engine, guard
        # Now and not at the first use, which stands inside a transaction that holds locks. The
        # engine makes its tables one by one, so that they are there does not mean that all are.
        with guard():
            if _version(engine) < TABLES_VERSION:
                from dbos import DBOS

                logging.getLogger("dbos").setLevel(logging.ERROR)
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

    @_guarded
    def open(self, worker_id: str, most: int) -> None:
        """Make a worker's own queue, before the worker looks at it."""
        self._client.register_queue(
            queue_of(worker_id),
            worker_concurrency=most,
            polling_interval_sec=POLL_S,
            on_conflict="always_update",
        )

    @_guarded
    def close_queue(self, worker_id: str) -> None:
        """Remove the queue of a worker that has stopped or died."""
        self._client.delete_queue(queue_of(worker_id))

    @_guarded
    def start(self, transaction: Transaction, run_id: str, worker_id: str, code: str) -> None:
        """Give a new run to a worker, in the caller's transaction."""
        options: EnqueueOptions = {
            "workflow_name": WORKFLOW,
            "queue_name": queue_of(worker_id),
            "workflow_id": run_id,
            "workflow_id_reuse_policy": "reject",
            "app_version": code,
        }
        self._client.enqueue_in_transaction(transaction, options)

    @_guarded
    def resume(self, run_ids: Sequence[str], worker_id: str) -> None:
        """Give runs that the engine knows to a worker; what is on record is not executed again."""
        if run_ids:
            self._client.resume_workflows(list(run_ids), queue_name=queue_of(worker_id))

    @_guarded
    def foreign(self, run_ids: Sequence[str]) -> Sequence[str]:
        """Return those of the runs whose record cannot be followed: it is not read.

        The engine would read a pickled row, and reading one executes code. And what has ended for
        the engine it would never execute again.
        """
        found: set[str] = set()
        schema = None if self._engine.dialect.name == "sqlite" else "dbos"
        with self._engine.connect() as connection:
            for name in ("workflow_status", "operation_outputs"):
                table = sa.table(
                    name, sa.column("workflow_uuid"), sa.column("serialization"), schema=schema
                )
                written = sa.select(table.c.workflow_uuid).where(
                    table.c.workflow_uuid.in_(run_ids),
                    table.c.serialization.is_not(None),
                    table.c.serialization != PORTABLE,
                )
                found.update(connection.execute(written).scalars())
            status = sa.table(
                "workflow_status", sa.column("workflow_uuid"), sa.column("status"), schema=schema
            )
            ended = sa.select(status.c.workflow_uuid).where(
                status.c.workflow_uuid.in_(run_ids), status.c.status.in_(("SUCCESS", "ERROR"))
            )
            found.update(connection.execute(ended).scalars())
        return sorted(found)

    @_guarded
    def steps(self, run_ids: Sequence[str]) -> Mapping[str, Sequence[tuple[str, Json]]]:
        """Return what is on record of runs that is no call, by run and in order.

        Times, random values, flags, what was read of a conversation, and what was let out. A row
        that is not our JSON is left out: reading a pickled one executes code.
        """
        schema = None if self._engine.dialect.name == "sqlite" else "dbos"
        names = ("workflow_uuid", "function_id", "function_name", "output", "serialization")
        table = sa.table("operation_outputs", *map(sa.column, names), schema=schema)
        name = table.c.function_name
        own = name.in_(("now", "random", "uuid", "history")) | name.startswith("flag ")
        out = name.startswith("send ") | name.startswith("stream ")
        query = sa.select(table.c.workflow_uuid, name, table.c.output).where(
            (own | out) & (table.c.serialization == PORTABLE)
        )
        query = query.order_by(table.c.workflow_uuid, table.c.function_id)
        found: dict[str, list[tuple[str, Json]]] = {}
        with self._engine.connect() as connection:
            for start in range(0, len(run_ids), _STEPS_OF):
                some = run_ids[start : start + _STEPS_OF]
                for row in connection.execute(query.where(table.c.workflow_uuid.in_(some))):
                    value = None if row.output is None else json.loads(row.output)
                    found.setdefault(row.workflow_uuid, []).append((row.function_name, value))
        return found

    @_guarded
    def cancel(self, run_id: str) -> None:
        """Stop a run at its next step; one that the engine does not know is left alone."""
        self._client.cancel_workflow(run_id)

    @_guarded
    def fork(self, origin: str, run_id: str, before: int) -> None:
        """Make a run from another one's record, up to one of its calls."""
        from dbos import SetWorkflowID

        steps = self._client.list_workflow_steps(origin)
        numbered = [(step["function_id"], _CALL.search(step["function_name"])) for step in steps]
        kept = [place for place, name in numbered if name and int(name.group(1)) < before]
        with SetWorkflowID(run_id):
            # No worker looks at this queue; the first claim moves the run to the worker's own.
            # What followed the last call that is kept, such as a wait, is done anew.
            self._client.fork_workflow(
                origin, max(kept, default=0) + 1, queue_name=queue_of("none")
            )

    @_guarded
    def forget(self, run_ids: Sequence[str]) -> None:
        """Remove the records of runs that have ended."""
        if run_ids:
            self._client.delete_workflows(list(run_ids))

    def close(self) -> None:
        """Let go of the connections."""
        if "_client" in self.__dict__:
            self._client.destroy()


def _version(engine: sa.Engine) -> int:
    """Return which of its migrations the engine has done; 0 for none."""
    # On PostgreSQL the engine's tables have a schema of their own.
    schema = "dbos" if engine.dialect.name == "postgresql" else None
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("dbos_migrations", schema=schema):
            return 0
        table = sa.table("dbos_migrations", sa.column("version", sa.Integer), schema=schema)
        return connection.execute(sa.select(sa.func.max(table.c.version))).scalar() or 0
