"""Gives runs to workers on SQL: claims, parking, and takeover.

A worker asks for as many runs as it has free places, so it cannot hoard. Tenants take turns: the
one with the fewest runs at work is served first, and within a tenant priority and age count. Of a
conversation only the first turn that has not ended is given out, and nothing that is stopped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.kills import may_begin
from fairlead.adapters.sql.runs import end
from fairlead.adapters.sql.schema import runs, waits, workers
from fairlead.core.digests import Json
from fairlead.core.errors import JournalForeign, LeaseLost, RunQuarantined
from fairlead.core.event import Fact
from fairlead.core.outcome import Outcome
from fairlead.ports.clock import Clock
from fairlead.ports.dispatch import Bid, Claimed, Fence, Start, TakenOver
from fairlead.ports.runs import Ending

TENANTS_MAX = 256
"""Most tenants that one round looks at; the next round goes on behind them."""

KILLS_MIN = 2
"""Deaths of which a run must be the only suspect before it is quarantined."""

SUSPECT_DEATHS = 2
"""A run with so many deaths since it last got on is executed beside no other one of that kind."""

_HELD = (
    sa.select(runs.c.worker_id, runs.c.claims, runs.c.state)
    .where(runs.c.id == sa.bindparam("run"))
    .with_for_update()
)


class SqlDispatchStore:
    """Gives runs to workers, by the database's clock."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        # Asked twenty times a second, and to build a statement costs more than to send it.
        due = (runs.c.state == "waiting") & (runs.c.wake_at <= database.now_sql())
        self._awake = (
            sa.select(runs.c.id)
            .where(due, runs.c.worker_id == sa.bindparam("worker"))
            .order_by(runs.c.wake_at)
            .limit(sa.bindparam("most"))
        )
        self._due = (
            sa.select(runs.c.tenant)
            .distinct()
            .where(due, runs.c.worker_id.is_(None), runs.c.code_digest == sa.bindparam("code"))
            .where(runs.c.queue.in_(sa.bindparam("queues", expanding=True)))
            .limit(TENANTS_MAX)
        )

    def claim(self, bid: Bid, start: Start) -> Sequence[Claimed]:
        """Take runs: fairly among tenants, by priority and age within one."""
        if bid.most < 1:
            return ()
        with self._database.glance() as connection:
            tenants = self._tenants(connection, bid)
        if not tenants:
            return ()
        taken: list[Claimed] = []
        with self._database.transaction() as connection:
            chosen = self._choose(connection, bid, tenants)
            if chosen:
                connection.execute(
                    sa.update(runs)
                    .where(runs.c.id.in_([row.id for row in chosen]))
                    .values(
                        state="running",
                        worker_id=bid.worker_id,
                        claims=runs.c.claims + 1,
                        wake_at=None,
                    )
                )
            for row in chosen:
                fresh = row.claims == 0
                if fresh:
                    start(connection, row.id)
                taken.append(
                    Claimed(
                        run_id=row.id,
                        tenant=row.tenant,
                        fence=Fence(worker_id=bid.worker_id, claim=row.claims + 1),
                        deaths=row.deaths,
                        fresh=fresh,
                    )
                )
        return taken

    def _tenants(self, connection: sa.Connection, bid: Bid) -> list[str]:
        """Return the tenants that have something to execute, from behind the one served last."""
        found: set[str] = set()
        for queue in bid.queues:
            for after in {bid.after, ""}:
                values = {"code": bid.code, "queue": queue, "after": after}
                rows = connection.execute(_TENANTS, values)
                found.update(rows.scalars())
        due = {"code": bid.code, "queues": bid.queues}
        found.update(connection.execute(self._due, due).scalars())
        return sorted(found, key=lambda name: (name <= bid.after, name))

    def _choose(
        self, connection: sa.Connection, bid: Bid, tenants: Sequence[str]
    ) -> Sequence[sa.Row[Any]]:
        """Pick one run after another, always of the tenant that has the fewest at work."""
        counted = connection.execute(
            sa.select(runs.c.tenant, sa.func.count())
            .where(runs.c.state == "running", runs.c.code_digest == bid.code)
            .where(runs.c.tenant.in_(tenants))
            .group_by(runs.c.tenant)
        )
        at_work: dict[str, int] = defaultdict(int)
        for tenant, number in counted:
            at_work[tenant] = number
        waiting: dict[str, list[sa.Row[Any]]] = {}
        chosen: list[sa.Row[Any]] = []
        uncleared, suspect = bid.uncleared, bid.suspect
        while tenants and len(chosen) < bid.most:
            # The first of equals: they stand in the round's order.
            tenant = min(tenants, key=lambda name: at_work[name])
            if tenant not in waiting:
                waiting[tenant] = self._candidates(connection, bid, tenant)
            if not waiting[tenant]:
                tenants = [name for name in tenants if name != tenant]
                continue
            row = waiting[tenant].pop(0)
            if row.deaths >= SUSPECT_DEATHS and (uncleared or suspect):
                continue
            if row.deaths > 0 and suspect:
                continue
            suspect = suspect or row.deaths >= SUSPECT_DEATHS
            uncleared += row.deaths > 0
            at_work[tenant] += 1
            chosen.append(row)
        return chosen

    def _candidates(self, connection: sa.Connection, bid: Bid, tenant: str) -> list[sa.Row[Any]]:
        columns = (
            runs.c.id,
            runs.c.tenant,
            runs.c.claims,
            runs.c.deaths,
        )
        ours = (
            (runs.c.code_digest == bid.code)
            & runs.c.queue.in_(bid.queues)
            & (runs.c.tenant == tenant)
            & runs.c.worker_id.is_(None)
        )
        if bid.suspect:
            ours &= runs.c.deaths == 0
        elif bid.uncleared:
            ours &= runs.c.deaths < SUSPECT_DEATHS
        due = (
            sa.select(*columns)
            .where(ours, runs.c.state == "waiting", runs.c.wake_at <= self._database.now_sql())
            .order_by(runs.c.wake_at)
        )
        queued = (
            sa.select(*columns)
            .where(ours, runs.c.state == "queued", may_begin())
            .order_by(runs.c.priority.desc(), runs.c.created_at, runs.c.id)
        )
        found: list[Any] = []
        for query in (due, queued):
            limited = query.limit(bid.most).with_for_update(skip_locked=True)
            found += list(connection.execute(limited).all())
        return found

    def awake(self, worker_id: str, most: int) -> Sequence[str]:
        """Return parked runs of a worker that have something to go on with; they run again."""
        mine = {"worker": worker_id, "most": most}
        with self._database.glance() as connection:
            found = connection.execute(self._awake, mine).scalars().all()
        if not found:
            return ()
        with self._database.transaction() as connection:
            woken = connection.execute(
                sa.update(runs)
                .where(runs.c.id.in_(found), runs.c.worker_id == worker_id)
                .where(runs.c.state == "waiting")
                .values(state="running", wake_at=None)
                .returning(runs.c.id)
            )
            return woken.scalars().all()

    def park(self, run_id: str, fence: Fence, wait: str) -> bool:
        """Record that a run waits, and gives its place up; False when the wait is over already."""
        now = self._database.now_sql()
        with self._database.transaction() as connection:
            held(connection, run_id, fence)
            row = connection.execute(
                sa.select(waits.c.due_at, waits.c.ended_at)
                .where(waits.c.run_id == run_id, waits.c.key == wait)
                .with_for_update()
            ).one()
            over = row.ended_at is not None or row.due_at <= connection.scalar(sa.select(now))
            if not over:
                connection.execute(
                    sa.update(runs)
                    .where(runs.c.id == run_id)
                    .values(state="waiting", wake_at=row.due_at)
                )
            return not over

    def unload(self, run_id: str, fence: Fence) -> None:
        """Let go of a parked run: whoever is free takes it when it has something to go on with."""
        with self._database.transaction() as connection:
            connection.execute(
                sa.update(runs)
                .where(runs.c.id == run_id, runs.c.worker_id == fence.worker_id)
                .where(runs.c.claims == fence.claim, runs.c.state == "waiting")
                .values(worker_id=None)
            )

    def parked(self, worker_id: str) -> frozenset[str]:
        """Return the runs that wait with a worker, as they are on record."""
        mine = sa.select(runs.c.id).where(runs.c.worker_id == worker_id, runs.c.state == "waiting")
        with self._database.glance() as connection:
            return frozenset(connection.execute(mine).scalars())

    def strays(self, worker_id: str, seated: frozenset[str]) -> int:
        """Queue again what a worker holds on record and does not execute; return how many runs."""
        mine = (runs.c.worker_id == worker_id) & (runs.c.state == "running")
        with self._database.glance() as connection:
            held = connection.execute(sa.select(runs.c.id).where(mine)).scalars().all()
        strays = [run_id for run_id in held if run_id not in seated]
        if strays:
            with self._database.transaction() as connection:
                connection.execute(
                    sa.update(runs)
                    .where(mine, runs.c.id.in_(strays))
                    .values(state="queued", worker_id=None)
                )
        return len(strays)

    def refuse(self, run_id: str, worker_id: str) -> None:
        """End a run whose record is not ours, so that nobody executes it."""
        reason = f"{JournalForeign.code}: its record in the engine is not JSON of Fairlead's"
        with self._database.transaction() as connection:
            mine = connection.execute(
                sa.select(runs.c.id)
                .where(runs.c.id == run_id, runs.c.worker_id == worker_id)
                .with_for_update()
            ).first()
            if mine is not None:
                self._stop(connection, run_id, reason, code=JournalForeign.code)
                data = {"worker": worker_id, "reason": JournalForeign.code}
                fact = Fact(chain=f"run:{run_id}", type="run.quarantined", data=data)
                append(connection, self._clock, fact)

    def hand_back(self, worker_id: str) -> int:
        """Queue again what a worker still holds when it stops; return how many runs."""
        with self._database.transaction() as connection:
            mine = runs.c.worker_id == worker_id
            running = connection.execute(
                sa.update(runs)
                .where(mine, runs.c.state == "running")
                .values(state="queued", worker_id=None)
            )
            connection.execute(
                sa.update(runs).where(mine, runs.c.state == "waiting").values(worker_id=None)
            )
            return running.rowcount

    def take_over(self, dead: str, ttl_s: float, limit: int) -> TakenOver | None:
        """Bury a worker whose lease has lapsed, and queue its runs again, in one transaction."""
        now = self._database.now_sql()
        with self._database.transaction() as connection:
            buried = connection.execute(
                sa.update(workers)
                .where(workers.c.id == dead, workers.c.stopped_at.is_(None))
                .where(workers.c.heartbeat_at < now - ttl_s)
                .values(stopped_at=now)
            )
            if not buried.rowcount:
                return None
            mine = runs.c.worker_id == dead
            connection.execute(
                sa.update(runs).where(mine, runs.c.state == "waiting").values(worker_id=None)
            )
            held = sa.select(runs.c.id, runs.c.deaths, runs.c.kills).where(
                mine, runs.c.state == "running"
            )
            found = connection.execute(held.order_by(runs.c.id).with_for_update()).all()
            adopted, quarantined = self._count_deaths(connection, dead, found, limit)
            data = {"adopted": len(adopted), "quarantined": len(quarantined)}
            died = Fact(chain=f"worker:{dead}", type="worker.died", data=data)
            facts = [_death_of(row, dead, row.id in quarantined) for row in found]
            # All at once: whoever takes hundreds of runs over must not ask hundreds of times.
            append(connection, self._clock, *facts, died)
        return TakenOver(adopted=tuple(adopted), quarantined=tuple(quarantined))

    def _count_deaths(
        self, connection: sa.Connection, dead: str, found: Sequence[Any], limit: int
    ) -> tuple[list[str], list[str]]:
        """Queue a dead worker's runs again; return them, and those that are quarantined."""
        mine = (runs.c.worker_id == dead) & (runs.c.state == "running")
        uncleared = [row.id for row in found if row.deaths > 0]
        adopted: list[str] = []
        quarantined: list[str] = []
        for row in found:
            # Of several runs on a dead worker nobody can say which one killed it. A suspect is
            # executed beside no other, so in the end it stands alone.
            alone = len(found) == 1 or uncleared == [row.id]
            if alone:
                kills = sa.update(runs).where(runs.c.id == row.id)
                connection.execute(kills.values(kills=runs.c.kills + 1))
            last = row.deaths + 1 >= limit and row.kills + alone >= min(limit, KILLS_MIN)
            (quarantined if last else adopted).append(row.id)
        connection.execute(
            sa.update(runs)
            .where(mine)
            .values(
                takeovers=runs.c.takeovers + 1,
                deaths=runs.c.deaths + 1,
                worker_id=None,
                state="queued",
            )
        )
        for row in found:
            if row.id in quarantined:
                reason = (
                    f"{RunQuarantined.code}: {row.deaths + 1} workers died while they executed it"
                )
                self._stop(connection, row.id, reason, code=RunQuarantined.code)
        return adopted, quarantined

    def _stop(self, connection: sa.Connection, run_id: str, reason: str, *, code: str) -> None:
        """End a run that must not be executed again."""
        outcome = Outcome[Json](state="failed", reason=reason, code=code)
        ending = Ending(state="failed", outcome=asdict(outcome), reason=reason)
        end(connection, self._database, self._clock, run_id, ending=ending)


def _death_of(row: Any, dead: str, quarantined: bool) -> Fact:
    """Return the fact that a run's worker died."""
    kind = "run.quarantined" if quarantined else "run.taken_over"
    return Fact(chain=f"run:{row.id}", type=kind, data={"worker": dead, "deaths": row.deaths + 1})


def held(connection: sa.Connection, run_id: str, fence: Fence) -> None:
    """Make sure that a run belongs to a claim and is not to stop, until the transaction ends.

    Args:
        connection: A writing transaction.
        run_id: The run.
        fence: The claim.

    Raises:
        LeaseLost: It does not.
    """
    row = connection.execute(_HELD, {"run": run_id}).first()
    if row is None or (row.worker_id, row.claims) != (fence.worker_id, fence.claim):
        raise LeaseLost(f"run {run_id} belongs to another worker by now", run=run_id)
    if row.state not in ("running", "waiting"):
        raise LeaseLost(f"run {run_id} is {row.state}", run=run_id)


def _tenants_query() -> sa.Select[Any]:
    """Return the query for the tenants that have a queued run which may begin.

    It walks the index from tenant to tenant, so its cost is the number of tenants, and of those
    turns in front that wait for an earlier one; not of all runs. A tenant of which each queued run
    waits so is none.
    """
    mine = (
        (runs.c.state == "queued")
        & (runs.c.code_digest == sa.bindparam("code"))
        & (runs.c.queue == sa.bindparam("queue"))
    )
    least = sa.func.min(runs.c.tenant).label("tenant")
    first = sa.select(least).where(mine, runs.c.tenant > sa.bindparam("after"))
    found = first.cte("found", recursive=True)
    following = sa.select(least).where(mine, runs.c.tenant > found.c.tenant).correlate(found)
    found = found.union_all(
        sa.select(following.scalar_subquery()).where(found.c.tenant.is_not(None))
    )
    # With a limit, so that it is asked tenant by tenant and ends at the first run.
    begins = sa.select(runs.c.id).where(mine, runs.c.tenant == found.c.tenant, may_begin()).limit(1)
    may = begins.correlate(found).scalar_subquery().is_not(None)
    return sa.select(found.c.tenant).where(found.c.tenant.is_not(None), may).limit(TENANTS_MAX)


_TENANTS = _tenants_query()
