"""Runs on SQL: each change and its event commit together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.blobs import get_json, put_json
from fairlead.adapters.sql.conversations import take_turn
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.routes import take_route
from fairlead.adapters.sql.schema import runs
from fairlead.adapters.sql.waits import lock_run, resolve
from fairlead.core.digests import Json, canonical_json, digest_bytes
from fairlead.core.errors import (
    ConversationBusy,
    ConversationForeign,
    LeaseLost,
    QueueFull,
    RunFinished,
    StartKeyReused,
    UnknownRun,
)
from fairlead.core.event import Fact
from fairlead.core.identity import grants_json, principal_from
from fairlead.core.label import label_from_json, label_to_json
from fairlead.core.outcome import FINAL_STATES
from fairlead.ports.clock import Clock
from fairlead.ports.dispatch import Fence
from fairlead.ports.runs import Ending, Room, RunRecord, Spent

_ONE = sa.select(runs).where(runs.c.id == sa.bindparam("run"))


class SqlRunStore:
    """Keeps runs, each change with its event, in one transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def admit(self, run: RunRecord, *, room: Room) -> RunRecord:
        """Record a new run, and so queue it; one that is there already is returned."""
        try:
            with self._database.transaction() as connection:
                if (
                    run.parent_id is not None
                    and lock_run(connection, run.parent_id) in FINAL_STATES
                ):
                    message = f"run {run.parent_id} has ended; it starts no child any more"
                    raise RunFinished(message, run=run.parent_id)
                known = _known(connection, run)
                if known is not None:
                    return known
                if run.assignment is not None:
                    take_route(connection, run, run.assignment)
                if run.parent_id is None:
                    _room(connection, room.backlog)
                if run.conversation is not None:
                    run = take_turn(connection, run, room.waiting_turns)
                insert(connection, self._clock, run)
                return run
        except (sa.exc.IntegrityError, ConversationBusy):
            # Another process recorded the same start at this moment, perhaps as the last turn that
            # there was room for.
            with self._database.reading() as connection:
                known = _known(connection, run)
            if known is None:
                raise
            return known

    def begin(self, run_id: str, fence: Fence) -> RunRecord:
        """Record that a run executes; the first start counts, a recovery changes nothing."""
        with self._database.glance() as connection:
            run = load(connection, run_id)
        if run.started_at is not None or run.state in FINAL_STATES:
            return run
        with self._database.transaction() as connection:
            started = connection.execute(
                sa.update(runs)
                .where(runs.c.id == run_id, runs.c.started_at.is_(None))
                .where(runs.c.state.not_in(FINAL_STATES))
                .values(started_at=self._clock.now())
            )
            if started.rowcount:
                data = {"worker": fence.worker_id}
                append(connection, self._clock, run_fact(run_id, "run.started", data))
            return load(connection, run_id)

    def finish(self, run_id: str, ending: Ending, fence: Fence) -> RunRecord:
        """Record how a run ended, and wake its parent; what has ended already keeps its end."""
        with self._database.transaction() as connection:
            row = connection.execute(
                sa.select(runs.c.state, runs.c.worker_id, runs.c.claims)
                .where(runs.c.id == run_id)
                .with_for_update()
            ).first()
            if row is not None and row.state not in FINAL_STATES:
                if (row.worker_id, row.claims) != (fence.worker_id, fence.claim):
                    message = f"run {run_id} belongs to another worker by now"
                    raise LeaseLost(message, run=run_id)
                data = end(connection, self._database, self._clock, run_id, ending=ending)
                append(connection, self._clock, run_fact(run_id, "run.finished", data))
            return load(connection, run_id)

    def spent(self, root_id: str) -> Spent:
        """Return what a family has used so far."""
        query = sa.select(runs.c.spent_calls, runs.c.spent_usd).where(runs.c.id == root_id)
        with self._database.glance() as connection:
            row = connection.execute(query).first()
        return Spent() if row is None else Spent(calls=row.spent_calls, cost_usd=row.spent_usd)

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
            return load(connection, ids[0])

    def has_others(self, tenant: str) -> bool:
        """Whether another tenant than this one has runs."""
        query = sa.select(runs.c.id).where(runs.c.tenant != tenant).limit(1)
        with self._database.glance() as connection:
            return connection.execute(query).first() is not None

    def list(
        self,
        *,
        state: str | None = None,
        release: str | None = None,
        workflow: str | None = None,
        tenant: str | None = None,
        environment: str | None = None,
        limit: int = 50,
    ) -> Sequence[RunRecord]:
        """Return runs, newest first, without inputs and outcomes."""
        query = sa.select(runs).order_by(runs.c.created_at.desc(), runs.c.id.desc()).limit(limit)
        for column, value in (
            (runs.c.state, state),
            (runs.c.release, release),
            (runs.c.workflow, workflow),
            (runs.c.tenant, tenant),
        ):
            if value is not None:
                query = query.where(column == value)
        if environment is not None:
            query = query.where(counts_in(environment))
        with self._database.reading() as connection:
            return [_record(row, None, None) for row in connection.execute(query).all()]


def insert(connection: sa.Connection, clock: Clock, run: RunRecord) -> None:
    """Insert a run's row, with the event of its admission.

    Args:
        connection: A writing transaction.
        clock: Time and ids.
        run: The run.
    """
    blob = put_json(connection, run.input, run.created_at)
    grants = grants_json(run.principal)
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
            queue=run.queue,
            priority=run.priority,
            parent_id=run.parent_id,
            parent_call=run.parent_call,
            root_id=run.root_id or run.id,
            lineage=run.lineage or run.id,
            start_key=run.start_key,
            claims=run.claims,
            conversation=run.conversation,
            turn=run.turn,
            aside=run.aside,
            label=None if run.label is None else canonical_json(label_to_json(run.label)),
            environment=run.environment,
            grants=None if grants is None else canonical_json(grants),
        )
    )
    data: dict[str, Json] = {
        "workflow": run.workflow,
        "release": run.release,
        "tenant": run.principal.tenant,
        "user": run.principal.user,
        "purpose": run.purpose,
        "input": blob,
    }
    if run.environment is not None:
        data["environment"] = run.environment
    if grants is not None:
        # As text: so it stands in the run's row, and the two are compared.
        data["grants"] = canonical_json(grants)
    drawn = run.assignment
    if drawn is not None and drawn.rollout:
        data |= {"rollout": drawn.rollout, "arm": drawn.arm, "probability": drawn.probability}
    if run.parent_id is not None:
        data["parent"] = run.parent_id
    if run.conversation is not None:
        data |= {"conversation": run.conversation, "beside" if run.aside else "turn": run.turn}
    append(connection, clock, run_fact(run.id, "run.admitted", data))


def end(
    connection: sa.Connection,
    database: Database,
    clock: Clock,
    run_id: str,
    *,
    ending: Ending,
) -> dict[str, Json]:
    """Write a run's end to its row, and wake its parent; return what its event says.

    Args:
        connection: A writing transaction that holds the run's row.
        database: For its clock.
        clock: Time and ids.
        run_id: The run.
        ending: How it ends.
    """
    now = clock.now()
    blob = put_json(connection, ending.outcome, now)
    said = None if ending.said is None else put_json(connection, ending.said, now)
    connection.execute(
        sa.update(runs)
        .where(runs.c.id == run_id)
        .values(
            state=ending.state,
            reason=ending.reason,
            outcome_digest=blob,
            said_digest=said,
            finished_at=now,
            worker_id=None,
            wake_at=None,
        )
    )
    answer = {"state": ending.state}
    resolve(connection, "child", run_id, answer=answer, now=database.now_sql())
    data: dict[str, Json] = {"state": ending.state, "outcome": blob}
    return data if said is None else {**data, "said": said}


def counts_in(environment: str) -> sa.ColumnElement[bool]:
    """Return what is true of runs of an environment, and of those of which it is not known."""
    return (runs.c.environment == environment) | runs.c.environment.is_(None)


def run_fact(run_id: str, type: str, data: dict[str, Json]) -> Fact:
    """Return a fact for a run's own chain."""
    return Fact(chain=f"run:{run_id}", type=type, data=data)


def load(connection: sa.Connection, run_id: str, *, bare: bool = False) -> RunRecord:
    """Return a run by its whole id.

    Args:
        connection: A transaction.
        run_id: The run.
        bare: Whether its input and outcome are left out, as of a run that was pruned.

    Raises:
        UnknownRun: There is none.
    """
    row = connection.execute(_ONE, {"run": run_id}).first()
    if row is None:
        raise UnknownRun(f"no run has the id {run_id!r}", run=run_id)
    if bare or row.pruned_at is not None:
        return _record(row, None, None)
    return _record(
        row, get_json(connection, row.input_digest), get_json(connection, row.outcome_digest)
    )


def _known(connection: sa.Connection, run: RunRecord) -> RunRecord | None:
    """Return the run that stands where this one would."""
    if run.parent_id is not None:
        place = (runs.c.parent_id == run.parent_id) & (runs.c.parent_call == run.parent_call)
    elif run.start_key is not None:
        place = (
            (runs.c.tenant == run.principal.tenant)
            & (runs.c.workflow == run.workflow)
            & (runs.c.start_key == run.start_key)
        )
    else:
        return None
    row = connection.execute(sa.select(runs).where(place)).first()
    if row is None:
        return None
    if row.input_digest != digest_bytes(canonical_json(run.input).encode()):
        raise StartKeyReused(
            f"the key {run.start_key or run.parent_call!r} belongs to run {row.id}, which has "
            "another input",
            run=row.id,
        )
    if row.conversation != run.conversation:
        message = f"the key {run.start_key!r} belongs to run {row.id} of another conversation"
        raise StartKeyReused(message, run=row.id)
    if run.conversation is not None and row.user != run.principal.user:
        message = (
            f"conversation {run.conversation!r} belongs to another user than {run.principal.user}"
        )
        raise ConversationForeign(message, conversation=run.conversation)
    return load(connection, row.id)


def _room(connection: sa.Connection, backlog: int) -> None:
    beyond = sa.select(runs.c.id).where(runs.c.state == "queued").offset(backlog - 1).limit(1)
    if connection.execute(beyond).first() is not None:
        raise QueueFull(f"{backlog} runs wait for a worker, and no more are taken")


def _record(row: sa.Row[Any], input: Json, outcome: Json) -> RunRecord:
    return RunRecord(
        id=row.id,
        workflow=row.workflow,
        release=row.release,
        code_digest=row.code_digest,
        principal=principal_from(
            row.user, row.tenant, None if row.grants is None else json.loads(row.grants)
        ),
        purpose=row.purpose,
        state=row.state,
        input=input,
        outcome=outcome,
        reason=row.reason or "",
        takeovers=row.takeovers,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        queue=row.queue,
        priority=row.priority,
        parent_id=row.parent_id,
        parent_call=row.parent_call,
        root_id=row.root_id,
        lineage=row.lineage,
        start_key=row.start_key,
        worker_id=row.worker_id,
        claims=row.claims,
        held_s=row.held_s,
        wake_at=row.wake_at,
        pruned_at=row.pruned_at,
        conversation=row.conversation,
        turn=row.turn,
        aside=row.aside,
        label=None if row.label is None else label_from_json(json.loads(row.label)),
        environment=row.environment,
    )
