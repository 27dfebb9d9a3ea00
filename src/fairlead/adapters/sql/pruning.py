"""Removes what is left of runs that ended long ago, on SQL.

A run's row stays as a tombstone: under 500 bytes that keep its start key, its place in its family
and what the event log is compared with. Its events stay whole. Everything else goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.blobs import put_json
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.references import chunks, held_by, remove_unheld
from fairlead.adapters.sql.runs import run_fact
from fairlead.adapters.sql.schema import (
    approvals,
    calls,
    effects,
    history,
    runs,
    signals,
    stream_items,
    waits,
)
from fairlead.adapters.sql.schema_bounds import budget_holds, budget_pots
from fairlead.core.outcome import FINAL_STATES
from fairlead.ports.clock import Clock
from fairlead.ports.pruning import Member, Place, Pruned, RunGroup
from fairlead.ports.runs import Order

# An approval of a run that has ended can be answered no more, whatever its state.
_ROWS = (calls, waits, signals, approvals, stream_items, history, budget_holds)
_SETTLED = ("done", "failed", "reconciled", "compensated")


class _Rehearsed(Exception):
    """Takes a rehearsal back."""


class SqlPruneStore:
    """Finds runs that ended long ago, and removes what is left of them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def groups(self, keep: int) -> Sequence[RunGroup]:
        """Return each release and workflow that has runs to look at."""
        query = sa.select(runs.c.release, runs.c.workflow).distinct().where(_ended())
        with self._database.reading() as connection:
            found = connection.execute(query.order_by(runs.c.release, runs.c.workflow)).all()
            return [
                RunGroup(
                    release=row.release,
                    workflow=row.workflow,
                    floor=_floor(connection, (row.release, row.workflow), keep),
                )
                for row in found
            ]

    def roots(self, group: RunGroup, *, before: float, after: Place, most: int) -> Sequence[Place]:
        """Return runs of a group without a parent that ended before a time, oldest first."""
        at, behind = runs.c.finished_at, after.finished_at
        query = (
            sa.select(at, runs.c.id)
            .where(runs.c.release == group.release, runs.c.workflow == group.workflow)
            .where(_ended(), runs.c.parent_id.is_(None), at < before)
            .order_by(at, runs.c.id)
            .limit(most)
        )
        if after.run_id:
            query = query.where((at > behind) | ((at == behind) & (runs.c.id > after.run_id)))
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [Place(finished_at=row.finished_at, run_id=row.id) for row in rows]

    def history(self, run_id: str) -> Sequence[Member]:
        """Return a run with its children and its forks, and theirs."""
        with self._database.reading() as connection:
            found = history_of(connection, run_id)
            doubtful: set[str] = set()
            for some in chunks(found):
                query = sa.select(effects.c.run_id).where(
                    effects.c.run_id.in_(some), effects.c.state == "unknown"
                )
                doubtful.update(connection.execute(query).scalars())
        return [
            Member(
                run_id=row.id,
                release=row.release,
                workflow=row.workflow,
                ended_at=row.finished_at if row.state in FINAL_STATES else None,
                in_doubt=row.id in doubtful,
            )
            for row in found.values()
            if row.pruned_at is None
        ]

    def prune(
        self, histories: Sequence[Sequence[str]], order: Order, *, rehearse: bool = False
    ) -> Pruned:
        """Remove whole histories, each run with its event, in one transaction."""
        removed = Pruned()
        try:
            with self._database.transaction() as connection:
                removed = self._prune(connection, _at_rest(connection, histories), order)
                if rehearse:
                    raise _Rehearsed
        except _Rehearsed:
            pass
        return removed

    def _prune(self, connection: sa.Connection, ids: Sequence[str], order: Order) -> Pruned:
        digests = held_by(connection, ids)
        for some in chunks(ids):
            self._settle_effects(connection, some)
            for table in _ROWS:
                connection.execute(sa.delete(table).where(table.c.run_id.in_(some)))
            of_runs = (budget_pots.c.scope == "run") & budget_pots.c.value.in_(some)
            connection.execute(sa.delete(budget_pots).where(of_runs))
            # A reason may quote what was asked; what ended the run is in its events.
            connection.execute(
                sa.update(runs)
                .where(runs.c.id.in_(some))
                .values(pruned_at=self._clock.now(), reason=None)
            )
        facts = [run_fact(run_id, "run.pruned", order.fact()) for run_id in ids]
        append(connection, self._clock, *facts)
        payloads, size = remove_unheld(connection, digests)
        return Pruned(runs=len(ids), payloads=payloads, bytes=size)

    def _settle_effects(self, connection: sa.Connection, run_ids: Sequence[str]) -> None:
        """Remove the effects that no run can ask for any more.

        An effect under a place in its run is asked for by the run's own history alone, and that
        goes as a whole. One under a business key ("refund order 17") is a promise for ever: a run
        that asks for it next year must find it, or it is paid twice. So its row stays, with the
        result that the next run gets, and only what was asked is dropped: the digest is enough to
        compare with. Nor does one go that is still `intended` or `unknown`.
        """
        query = (
            sa.select(effects.c.key, effects.c.number, runs.c.lineage)
            .join_from(effects, runs, runs.c.id == effects.c.run_id)
            .where(effects.c.run_id.in_(run_ids), effects.c.state.in_(_SETTLED))
        )
        rows = connection.execute(query).all()
        own = {row.key for row in rows if row.key == f"{row.lineage}:{row.number}"}
        for some in chunks(own):
            connection.execute(sa.delete(effects).where(effects.c.key.in_(some)))
        for some in chunks({row.key for row in rows} - own):
            nothing = put_json(connection, None, self._clock.now())
            connection.execute(
                sa.update(effects).where(effects.c.key.in_(some)).values(payload_digest=nothing)
            )

    def unforgotten(self, most: int) -> Sequence[str]:
        """Return pruned runs that the engine may still have a record of."""
        left = runs.c.pruned_at.is_not(None) & runs.c.forgotten_at.is_(None)
        with self._database.reading() as connection:
            return connection.execute(sa.select(runs.c.id).where(left).limit(most)).scalars().all()

    def forgotten(self, run_ids: Sequence[str]) -> None:
        """Note that the engine has no record of these runs any more."""
        with self._database.transaction() as connection:
            for some in chunks(run_ids):
                connection.execute(
                    sa.update(runs)
                    .where(runs.c.id.in_(some))
                    .values(forgotten_at=self._clock.now())
                )


def _ended() -> sa.ColumnElement[bool]:
    return runs.c.pruned_at.is_(None) & runs.c.state.in_(sorted(FINAL_STATES))


def _floor(connection: sa.Connection, group: tuple[str, str], keep: int) -> float | None:
    """Return when the oldest of the newest `keep` runs of a group ended; None when it has fewer."""
    release, workflow = group
    if keep == 0:
        return float("inf")
    newest = (
        sa.select(runs.c.finished_at)
        .where(runs.c.release == release, runs.c.workflow == workflow, _ended())
        .order_by(runs.c.finished_at.desc())
        .offset(keep - 1)
        .limit(1)
    )
    return connection.execute(newest).scalar()


def history_of(connection: sa.Connection, run_id: str) -> dict[str, sa.Row[Any]]:
    """Follow families and lineages until there is nothing new.

    A fork keeps its origin's lineage, and the children that it makes anew keep theirs; so the runs
    of one lineage share keys of effects, and what one of them waited for another one reads.
    """
    found: dict[str, sa.Row[Any]] = {}
    followed: set[str] = set()
    news = [*connection.execute(sa.select(runs).where(runs.c.id == run_id)).all()]
    while news:
        found.update({row.id: row for row in news})
        ties = {tie for row in news for tie in (row.root_id, row.lineage)} - followed
        followed |= ties
        news = [row for row in _tied(connection, ties) if row.id not in found]
    return found


def _tied(connection: sa.Connection, ties: Iterable[str]) -> list[sa.Row[Any]]:
    """Return the runs of families and lineages; a family has its oldest run's id, as a lineage."""
    tied: dict[str, sa.Row[Any]] = {}
    for some in chunks(ties):
        query = sa.select(runs).where(runs.c.root_id.in_(some) | runs.c.lineage.in_(some))
        tied.update({row.id: row for row in connection.execute(query)})
    return list(tied.values())


def _at_rest(connection: sa.Connection, histories: Sequence[Sequence[str]]) -> list[str]:
    """Lock histories, and return the runs of those that are still as they were found."""
    wanted = {run_id for history in histories for run_id in history}
    rows: dict[str, sa.Row[Any]] = {}
    for some in chunks(wanted):
        query = sa.select(runs).where(runs.c.id.in_(some), _ended()).order_by(runs.c.id)
        rows.update({row.id: row for row in connection.execute(query.with_for_update())})
    ties = {tie for row in rows.values() for tie in (row.root_id, row.lineage)}
    joined = [
        row for row in _tied(connection, ties) if row.id not in wanted and row.pruned_at is None
    ]
    grown = {tie for row in joined for tie in (row.root_id, row.lineage)}
    return [
        run_id
        for history in histories
        if all(one in rows for one in history)
        and not any({rows[one].root_id, rows[one].lineage} & grown for one in history)
        for run_id in history
    ]
