"""Runs on SQL: each change and its event commit together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.blobs import get_json, put_json
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.schema import runs
from fairlead.core.digests import Json
from fairlead.core.errors import RunCancelled, RunFinished, RunQuarantined, UnknownRun
from fairlead.core.event import Fact
from fairlead.core.identity import Principal
from fairlead.core.outcome import FINAL_STATES, Outcome, RunState
from fairlead.ports.clock import Clock
from fairlead.ports.engine import Transaction
from fairlead.ports.runs import RunRecord


class SqlRunStore:
    """Keeps runs, each change with its event, in one transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def admit(self, run: RunRecord, enqueue: Callable[[Transaction], None]) -> None:
        """Record a new run and queue it: both or neither."""
        with self._database.transaction() as connection:
            blob = put_json(connection, run.input, run.created_at)
            connection.execute(
                sa.insert(runs).values(
                    id=run.id,
                    workflow=run.workflow,
                    release=run.release,
                    code_digest=run.code_digest,
                    tenant=run.principal.tenant,
                    user=run.principal.user,
                    purpose=run.purpose,
                    state=run.state,
                    input_digest=blob,
                    takeovers=0,
                    created_at=run.created_at,
                )
            )
            data = {
                "workflow": run.workflow,
                "release": run.release,
                "tenant": run.principal.tenant,
                "user": run.principal.user,
                "purpose": run.purpose,
                "input": blob,
            }
            append(connection, self._clock, _fact(run.id, "run.admitted", data))
            enqueue(connection)

    def begin(self, run_id: str, worker_id: str) -> RunRecord:
        """Record that a run executes; the first start counts, a recovery changes nothing."""
        with self._database.transaction() as connection:
            started = connection.execute(
                sa.update(runs)
                .where(runs.c.id == run_id, runs.c.started_at.is_(None))
                .where(runs.c.state.not_in(FINAL_STATES))
                .values(state="running", started_at=self._clock.now())
            )
            if started.rowcount:
                append(connection, self._clock, _fact(run_id, "run.started", {"worker": worker_id}))
            return _get(connection, run_id)

    def finish(self, run_id: str, state: RunState, outcome: Json, reason: str) -> RunRecord:
        """Record how a run ended; a run that has ended already keeps its end."""
        with self._database.transaction() as connection:
            run = _get(connection, run_id)
            if run.state not in FINAL_STATES:
                blob = put_json(connection, outcome, self._clock.now())
                self._end(connection, run_id, state, reason=reason, outcome=blob)
                data = {"state": state, "outcome": blob}
                append(connection, self._clock, _fact(run_id, "run.finished", data))
            return _get(connection, run_id)

    def cancel(self, run_id: str, by: str, reason: str) -> RunRecord:
        """Record that a run was cancelled.

        Raises:
            RunFinished: It has ended already.
        """
        with self._database.transaction() as connection:
            run = _get(connection, run_id)
            if run.state in FINAL_STATES:
                raise RunFinished(f"run {run_id} has already {run.state}", run=run_id)
            outcome = Outcome[Json](state="cancelled", reason=reason, code=RunCancelled.code)
            blob = put_json(connection, asdict(outcome), self._clock.now())
            self._end(connection, run_id, "cancelled", reason=reason, outcome=blob)
            data = {"by": by, "reason": reason}
            append(connection, self._clock, _fact(run_id, "run.cancelled", data))
            return _get(connection, run_id)

    def take_over(self, run_id: str, dead: str, limit: int) -> bool:
        """Count a worker's death against a run.

        Args:
            run_id: The run.
            dead: The worker that died.
            limit: At this many deaths the run is stopped for good.

        Returns:
            True when the run may be executed again, False when it was quarantined.
        """
        with self._database.transaction() as connection:
            run = _get(connection, run_id)
            if run.state in FINAL_STATES:
                return False
            deaths = run.takeovers + 1
            connection.execute(sa.update(runs).where(runs.c.id == run_id).values(takeovers=deaths))
            data = {"worker": dead, "deaths": deaths}
            if deaths < limit:
                append(connection, self._clock, _fact(run_id, "run.taken_over", data))
                return True
            reason = f"{RunQuarantined.code}: {deaths} workers died while they executed it"
            outcome = Outcome[Json](state="failed", reason=reason, code=RunQuarantined.code)
            blob = put_json(connection, asdict(outcome), self._clock.now())
            self._end(connection, run_id, "failed", reason=reason, outcome=blob)
            append(connection, self._clock, _fact(run_id, "run.quarantined", data))
            return False

    def get(self, run_id: str) -> RunRecord:
        """Return a run by its id, or by a prefix that only one run has.

        Raises:
            UnknownRun: There is none, or more than one.
        """
        query = sa.select(runs.c.id).where(runs.c.id.startswith(run_id, autoescape=True)).limit(2)
        with self._database.reading() as connection:
            ids = connection.execute(query).scalars().all() if run_id else []
            if run_id in ids:
                ids = [run_id]
            if len(ids) != 1:
                what = "no run has" if not ids else "more than one run has"
                raise UnknownRun(f"{what} the id {run_id!r}", run=run_id)
            return _get(connection, ids[0])

    def list(
        self, *, state: str | None = None, release: str | None = None, limit: int = 50
    ) -> Sequence[RunRecord]:
        """Return runs, newest first, without inputs and outcomes."""
        query = sa.select(runs).order_by(runs.c.created_at.desc(), runs.c.id.desc()).limit(limit)
        if state is not None:
            query = query.where(runs.c.state == state)
        if release is not None:
            query = query.where(runs.c.release == release)
        with self._database.reading() as connection:
            return [_record(row, None, None) for row in connection.execute(query).all()]

    def _end(
        self,
        connection: sa.Connection,
        run_id: str,
        state: RunState,
        *,
        reason: str,
        outcome: str | None = None,
    ) -> None:
        connection.execute(
            sa.update(runs)
            .where(runs.c.id == run_id)
            .values(
                state=state, reason=reason, outcome_digest=outcome, finished_at=self._clock.now()
            )
        )


def _fact(run_id: str, type: str, data: dict[str, Json]) -> Fact:
    return Fact(chain=f"run:{run_id}", type=type, data=data)


def _get(connection: sa.Connection, run_id: str) -> RunRecord:
    row = connection.execute(sa.select(runs).where(runs.c.id == run_id)).first()
    if row is None:
        raise UnknownRun(f"no run has the id {run_id!r}", run=run_id)
    return _record(
        row, get_json(connection, row.input_digest), get_json(connection, row.outcome_digest)
    )


def _record(row: sa.Row[Any], input: Json, outcome: Json) -> RunRecord:
    return RunRecord(
        id=row.id,
        workflow=row.workflow,
        release=row.release,
        code_digest=row.code_digest,
        principal=Principal(user=row.user, tenant=row.tenant),
        purpose=row.purpose,
        state=row.state,
        input=input,
        outcome=outcome,
        reason=row.reason or "",
        takeovers=row.takeovers,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )
