"""Stops, holds and repeats runs on SQL, each with its event."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

import sqlalchemy as sa

from fairlead.adapters.sql.conversations import take_turn
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.runs import end, insert, load, run_fact
from fairlead.adapters.sql.schema import calls, events, history, runs
from fairlead.adapters.sql.waits import lock_run
from fairlead.core.digests import Json
from fairlead.core.errors import RetriedAlready, RunCancelled, RunFinished, RunPruned
from fairlead.core.event import Fact
from fairlead.core.outcome import FINAL_STATES, Outcome
from fairlead.ports.clock import Clock
from fairlead.ports.runs import Ending, Order, RunRecord

_FAILED = sorted(FINAL_STATES - {"succeeded"})


class SqlRunControl:
    """Stops, holds and repeats runs, each with its event."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def cancel(self, run_id: str, order: Order) -> Sequence[str]:
        """Cancel a run with its children; return all that were cancelled.

        Raises:
            RunFinished: It has ended already.
        """
        with self._database.transaction() as connection:
            family = _family(connection, run_id)
            # The youngest first, as a child that ends does: it locks itself and then its parent.
            states = {member: lock_run(connection, member) for member in reversed(family)}
            if states[run_id] in FINAL_STATES:
                raise RunFinished(f"run {run_id} has already {states[run_id]}", run=run_id)
            # The parent is locked by now, and so cannot get another child that lives.
            for late in [one for one in _family(connection, run_id) if one not in states]:
                states[late] = lock_run(connection, late)
                family.append(late)
            family = [member for member in family if states[member] not in FINAL_STATES]
            outcome = Outcome[Json](state="cancelled", reason=order.reason, code=RunCancelled.code)
            ending = Ending(state="cancelled", outcome=asdict(outcome), reason=order.reason)
            for member in family:
                end(connection, self._database, self._clock, member, ending=ending)
                append(connection, self._clock, run_fact(member, "run.cancelled", order.fact()))
            return family

    def pause(self, run_id: str, order: Order) -> RunRecord:
        """Hold a run: it makes no further call until it is resumed.

        Raises:
            RunFinished: It has ended already.
        """
        with self._database.transaction() as connection:
            state = lock_run(connection, run_id)
            if state in FINAL_STATES:
                raise RunFinished(f"run {run_id} has already {state}", run=run_id)
            if state != "paused":
                self._hold(connection, run_id, order)
            return load(connection, run_id)

    def _hold(self, connection: sa.Connection, run_id: str, order: Order) -> None:
        connection.execute(
            sa.update(runs)
            .where(runs.c.id == run_id)
            .values(state="paused", worker_id=None, wake_at=None, paused_at=self._clock.now())
        )
        append(connection, self._clock, run_fact(run_id, "run.paused", order.fact()))

    def resume(self, run_id: str, order: Order) -> RunRecord:
        """Queue a paused run again.

        Raises:
            RunFinished: It is not paused.
        """
        with self._database.transaction() as connection:
            state = lock_run(connection, run_id)
            if state != "paused":
                raise RunFinished(f"run {run_id} is {state}, not paused", run=run_id)
            held_s = runs.c.held_s + self._clock.now() - runs.c.paused_at
            connection.execute(
                sa.update(runs)
                .where(runs.c.id == run_id)
                .values(state="queued", paused_at=None, held_s=held_s)
            )
            append(connection, self._clock, run_fact(run_id, "run.resumed", order.fact()))
            return load(connection, run_id)

    def fork(
        self,
        origin: RunRecord,
        fork: RunRecord,
        order: Order,
        *,
        before: int,
        copy: Callable[[], None],
        retry: bool = False,
    ) -> None:
        """Record a run that begins with a part of another one's record.

        Raises:
            RunPruned: The record of the origin is gone.
            RetriedAlready: Another retry of the origin has not failed.
        """
        if retry:
            with self._database.reading() as connection:
                _refuse_retried(connection, origin)
        # The engine copies in a transaction of its own. If ours does not follow, its copy is a
        # record that no run has, and nothing executes it.
        copy()
        with self._database.transaction() as connection:
            # Locked: whoever prunes the origin sees the fork, or the fork sees that it was pruned.
            lock_run(connection, origin.id)
            if load(connection, origin.id).pruned_at is not None:
                raise RunPruned(f"run {origin.id} was pruned meanwhile", run=origin.id)
            if retry:
                # Of two operators at the same moment, the second one sees the first one's.
                _refuse_retried(connection, origin)
            if fork.conversation is not None and not fork.aside:
                fork = take_turn(connection, fork, None)
            insert(connection, self._clock, fork)
            _copy(connection, calls, origin.id, fork.id, kept=calls.c.number < before)
            _copy(connection, history, origin.id, fork.id, kept=sa.true())
            append(connection, self._clock, *_inherited(connection, fork.id))
            data = {**order.fact(), "origin": origin.id, "before": before, "retry": retry}
            append(connection, self._clock, run_fact(fork.id, "run.forked", data))

    def move(
        self,
        origin: RunRecord,
        fresh: RunRecord,
        order: Order,
        *,
        before: int,
        copy: Callable[[], None],
        check: Callable[[], None],
    ) -> None:
        """End a run where it is, and record another one that goes on in its place."""
        copy()
        with self._database.transaction() as connection:
            state = lock_run(connection, origin.id)
            if state in FINAL_STATES:
                raise RunFinished(f"run {origin.id} has already {state}", run=origin.id)
            check()
            why = f"it goes on as run {fresh.id} on release {fresh.release[:12]}: {order.reason}"
            outcome = Outcome[Json](state="cancelled", reason=why, code=RunCancelled.code)
            left = {**asdict(outcome), "moved_to": fresh.id}
            ending = Ending(state="cancelled", outcome=left, reason=why)
            end(connection, self._database, self._clock, origin.id, ending=ending)
            append(connection, self._clock, run_fact(origin.id, "run.cancelled", order.fact()))
            taken_over = sa.update(runs).where(runs.c.id == origin.id).values(start_key=None)
            connection.execute(taken_over)
            if fresh.conversation is not None and not fresh.aside:
                fresh = take_turn(connection, fresh, None)
            insert(connection, self._clock, fresh)
            _copy(connection, calls, origin.id, fresh.id, kept=calls.c.number < before)
            append(connection, self._clock, *_inherited(connection, fresh.id))
            data = {
                **order.fact(),
                "origin": origin.id,
                "before": before,
                "from": origin.release,
                "release": fresh.release,
            }
            append(connection, self._clock, run_fact(fresh.id, "run.moved", data))
            if state == "paused":
                self._hold(connection, fresh.id, order)


def _refuse_retried(connection: sa.Connection, origin: RunRecord) -> None:
    """Refuse to retry a run while what goes on in its place has not failed.

    A retry that failed may have been retried itself, or moved: it is what came of it that counts.

    Raises:
        RetriedAlready: Such a run is queued, at work, or has succeeded.
    """
    alike = runs.c.lineage == (origin.lineage or origin.id)
    chains = sa.select(sa.literal("run:").concat(runs.c.id)).where(alike)
    told = sa.select(events.c.chain, events.c.type, events.c.data).where(
        events.c.type.in_(("run.forked", "run.moved")), events.c.chain.in_(chains)
    )
    came: dict[str, list[str]] = {}
    for row in connection.execute(told):
        data = json.loads(row.data)
        if row.type == "run.moved" or data.get("retry"):
            came.setdefault(data["origin"], []).append(row.chain.removeprefix("run:"))
    ahead = [origin.id]
    for run_id in ahead:
        ahead += came.pop(run_id, [])
    states = sa.select(runs.c.id, runs.c.state).where(alike, runs.c.state.not_in(_FAILED))
    for id, state in connection.execute(states.order_by(runs.c.created_at.desc())):
        if id != origin.id and id in ahead:
            message = f"run {origin.id} was retried as run {id}, which is {state}"
            raise RetriedAlready(message, run=origin.id)


def _family(connection: sa.Connection, run_id: str) -> list[str]:
    """Return a run, its living children, and theirs, parents first."""
    family = [run_id]
    for parent in family:
        children = sa.select(runs.c.id).where(runs.c.parent_id == parent)
        alive = children.where(runs.c.state.not_in(FINAL_STATES)).order_by(runs.c.parent_call)
        family += connection.execute(alive).scalars().all()
    return family


def _inherited(connection: sa.Connection, fork: str) -> list[Fact]:
    """Return the facts of the calls that a fork did not make itself."""
    query = sa.select(calls).where(calls.c.run_id == fork, calls.c.finished_at.is_not(None))
    return [
        run_fact(
            fork,
            "call.finished",
            {
                "key": row.key,
                "kind": row.kind,
                "name": row.name,
                "state": row.state,
                "decision": "inherited",
                "arguments": row.arguments_digest,
                "result": row.result_digest,
            },
        )
        for row in connection.execute(query.order_by(calls.c.number))
    ]


def _copy(
    connection: sa.Connection,
    table: sa.Table,
    origin: str,
    fork: str,
    *,
    kept: sa.ColumnElement[bool],
) -> None:
    columns = [column for column in table.c if column.name != "run_id"]
    source = sa.select(sa.literal(fork), *columns).where(table.c.run_id == origin, kept)
    names = ["run_id", *(column.name for column in columns)]
    connection.execute(sa.insert(table).from_select(names, source))
