"""Budgets on SQL: a row for each pot, for each worker's chunk of it, and for each open reservation.

Most reservations lock the worker's own chunk alone. Who finds it too small locks the pot first,
then chunks: so two workers never wait for each other. Pots are locked in the order of their ids.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.schema_bounds import budget_chunks, budget_holds, budget_pots
from fairlead.core.amounts import NOTHING, UNITS, Amount
from fairlead.core.budget import Charge, Exhausted, Hold, take, used_of
from fairlead.core.calls import Call, Result, Unknown
from fairlead.core.digests import canonical_json
from fairlead.ports.budgets import PotRecord
from fairlead.ports.clock import Clock

_TRIES = 3
"""A reservation that another worker wrote at the same moment is looked for again."""

_OF_CALL = (budget_holds.c.run_id == sa.bindparam("run")) & (
    budget_holds.c.number == sa.bindparam("call")
)
_HELD = sa.select(budget_holds.c.pot).where(_OF_CALL)
_HOLDS = sa.select(budget_holds).where(_OF_CALL).order_by(budget_holds.c.pot)
_DELETE_HOLDS = sa.delete(budget_holds).where(_OF_CALL)
_INSERT_HOLD = sa.insert(budget_holds)
_MINE = (budget_chunks.c.pot == sa.bindparam("of")) & (
    budget_chunks.c.worker_id == sa.bindparam("worker")
)
_POT = budget_pots.c.id == sa.bindparam("of")


class _TooSmall(Exception):
    """Takes a reservation back: the worker's chunk of a pot is not enough."""

    def __init__(self, pot: str) -> None:
        super().__init__(pot)
        self.pot = pot


class _UsedUp(Exception):
    """Takes a reservation back: a pot is not enough."""

    def __init__(self, exhausted: Exhausted) -> None:
        super().__init__(exhausted.reason)
        self.exhausted = exhausted


class SqlBudgetStore:
    """Keeps pots, chunks of them, and what is reserved for each call."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        now = database.now_sql().label("now")
        # Every call sends them, and to build a statement costs more than to send it.
        self._chunk = sa.select(budget_chunks, now).where(_MINE).with_for_update(of=budget_chunks)
        self._pot = sa.select(budget_pots, now).where(_POT).with_for_update(of=budget_pots)
        self._now = sa.select(now)

    def reserve(
        self, call: Call, charges: Sequence[Charge], worker_id: str, *, forced: bool = False
    ) -> Exhausted | None:
        """Reserve for a call from all pots that concern it, or from none."""
        for tries in range(_TRIES):
            try:
                return self._reserve(call, charges, worker_id, forced)
            except sa.exc.IntegrityError:
                # Another worker reserved for this very call at this moment.
                if tries == _TRIES - 1:
                    raise
        raise AssertionError("the last try returns or raises")

    def _reserve(
        self, call: Call, charges: Sequence[Charge], worker_id: str, forced: bool
    ) -> Exhausted | None:
        # A run's own pot has no chunks: nobody else queues for it.
        from_pot = {charge.pot for charge in charges if charge.budget.scope == "run"}
        while True:
            try:
                with self._database.transaction() as connection:
                    if connection.execute(_HELD, _place(call)).first() is not None:
                        return None
                    for charge in charges:
                        if charge.pot in from_pot:
                            begun = self._from_pot(connection, charge, worker_id, forced)
                        else:
                            begun = self._from_chunk(connection, charge, worker_id)
                        _hold(connection, call, charge, worker_id=worker_id, begins_at=begun)
                    return None
            except _TooSmall as small:
                # From the beginning: a pot is locked before its chunks, by everybody.
                from_pot.add(small.pot)
            except _UsedUp as used_up:
                self._tell(used_up.exhausted)
                return used_up.exhausted

    def _from_chunk(self, connection: sa.Connection, charge: Charge, worker_id: str) -> float:
        """Take from the worker's own chunk; return when its window began.

        Raises:
            _TooSmall: It is too small, of another window, or was leased under another limit.
        """
        mine = {"of": charge.pot, "worker": worker_id}
        row = connection.execute(self._chunk, mine).first()
        if row is None or row.terms != charge.terms:
            raise _TooSmall(charge.pot)
        begins_at, _ = charge.budget.window(row.now)
        left = _amount(row, "left")
        if row.begins_at != begins_at or not left.covers(charge.need):
            raise _TooSmall(charge.pot)
        values = _columns("left", left - charge.need)
        connection.execute(sa.update(budget_chunks).where(_MINE).values(values), mine)
        return begins_at

    def _from_pot(
        self, connection: sa.Connection, charge: Charge, worker_id: str, forced: bool
    ) -> float:
        """Take from the pot and lease a chunk of it; return when its window began.

        Raises:
            _UsedUp: There is not enough, though all that workers have leased was taken back.
        """
        pot, now = self._locked(connection, charge)
        # A clock that was set back does not begin a former window again.
        begins_at, ends_at = charge.budget.window(max(now, pot.begins_at))
        same = pot.begins_at == begins_at
        taken = _amount(pot, "taken") if same else NOTHING
        mine = budget_chunks.c.worker_id == worker_id
        unspent = _take_back(connection, charge.pot, begins_at, mine)
        limit = charge.budget.limit
        plan = partial(take, limit=limit, need=charge.need, chunked=charge.budget.scope != "run")
        found = plan(taken, unspent=unspent)
        if found is None:
            unspent = unspent + _take_back(connection, charge.pot, begins_at, sa.true())
            found = plan(taken, unspent=unspent, forced=forced)
        if found is None:
            raise _UsedUp(Exhausted(charge=charge, used=taken - unspent, ends_at=ends_at))
        values = {
            "limit": canonical_json(limit),
            "begins_at": begins_at,
            "taken_at": now,
            "exhausted_at": pot.exhausted_at if same else None,
            **_columns("taken", found.taken),
        }
        connection.execute(sa.update(budget_pots).where(_POT).values(values), {"of": charge.pot})
        if found.left != NOTHING:
            connection.execute(
                sa.insert(budget_chunks).values(
                    pot=charge.pot,
                    worker_id=worker_id,
                    begins_at=begins_at,
                    terms=charge.terms,
                    **_columns("left", found.left),
                )
            )
        return begins_at

    def _locked(self, connection: sa.Connection, charge: Charge) -> tuple[sa.Row[Any], float]:
        """Return a pot's row, locked, and the database's time; a row that is not there is made."""
        row = connection.execute(self._pot, {"of": charge.pot}).first()
        if row is None:
            # Another worker may make it at the same time: then its row counts.
            values = {
                "id": charge.pot,
                "app": charge.app,
                "name": charge.budget.name,
                "scope": charge.budget.scope,
                "value": charge.value,
                "limit": canonical_json(charge.budget.limit),
                "per_s": charge.budget.per_s,
                "begins_at": -1.0,
                "taken_at": 0.0,
                **_columns("taken", NOTHING),
            }
            connection.execute(_insert_or_leave(connection, values))
            row = connection.execute(self._pot, {"of": charge.pot}).one()
        return row, row.now

    def _tell(self, exhausted: Exhausted) -> None:
        """Record the first time in a window that a pot had not enough, with its event."""
        charge = exhausted.charge
        with self._database.transaction() as connection:
            pot, now = self._locked(connection, charge)
            begins_at, _ = charge.budget.window(max(now, pot.begins_at))
            same = pot.begins_at == begins_at
            if same and pot.exhausted_at is not None:
                return
            values: dict[str, Any] = {"exhausted_at": now, "begins_at": begins_at}
            if not same:
                values |= _columns("taken", NOTHING)
            connection.execute(
                sa.update(budget_pots).where(_POT).values(values), {"of": charge.pot}
            )
            append(connection, self._clock, exhausted.fact)

    def note(self, call: Call, *, busy_s: float, charged: bool) -> None:
        """Add what a failed try used to what is reserved for its call."""
        columns = budget_holds.c
        values = {"spent_ms": columns.spent_ms + round(busy_s * 1000)}
        if charged:
            values["spent_tokens"] = columns.spent_tokens + columns.reserved_tokens
            values["spent_nano_usd"] = columns.spent_nano_usd + columns.reserved_nano_usd
        with self._database.transaction() as connection:
            statement = sa.update(budget_holds).where(_OF_CALL).values(values)
            connection.execute(statement, _place(call))

    def list(self, *, limit: int = 100) -> Sequence[PotRecord]:
        """Return pots in their present windows."""
        of_runs = sa.case((budget_pots.c.scope == "run", 1), else_=0)
        query = sa.select(budget_pots).order_by(of_runs, budget_pots.c.taken_at.desc())
        with self._database.reading() as connection:
            now = float(connection.execute(self._now).scalar_one())
            rows = connection.execute(query.order_by(budget_pots.c.id).limit(limit)).all()
            ids = [row.id for row in rows]
            chunks = connection.execute(
                sa.select(budget_chunks).where(budget_chunks.c.pot.in_(ids))
            ).all()
        return [_record(row, chunks, now) for row in rows]


def settle_budgets(connection: sa.Connection, call: Call, result: Result, *, busy_s: float) -> None:
    """Settle what was reserved for a call, in the transaction that records its outcome.

    What was reserved and not used goes back to the worker's chunk, or to the pot when there is no
    chunk any more. What was used beyond is taken from the pot, whatever is left of it.

    Args:
        connection: A writing transaction; it holds the call's run.
        call: The call.
        result: How it came back; one that nobody knows keeps what is reserved.
        busy_s: Seconds for which its last try was executed.
    """
    if isinstance(result, Unknown):
        return
    for row in connection.execute(_HOLDS, _place(call)).all():
        reserved = _amount(row, "reserved")
        hold = Hold(
            reserved=reserved, spent=_amount(row, "spent"), units=tuple(row.units.split(","))
        )
        used = used_of(hold, result, busy_s=busy_s)
        debt, rest = used.over(reserved), reserved.over(used)
        if debt != NOTHING:
            _change_pot(connection, row, debt)
        if rest != NOTHING:
            mine = {"of": row.pot, "worker": row.worker_id}
            left = {name: budget_chunks.c[name] + n for name, n in _columns("left", rest).items()}
            back = connection.execute(
                sa.update(budget_chunks)
                .where(_MINE, budget_chunks.c.begins_at == row.begins_at)
                .values(left),
                mine,
            )
            if not back.rowcount:
                _change_pot(connection, row, NOTHING - rest)
    connection.execute(_DELETE_HOLDS, _place(call))


def _change_pot(connection: sa.Connection, row: sa.Row[Any], change: Amount) -> None:
    """Change what is taken of a pot, unless its window is over."""
    values = {name: budget_pots.c[name] + n for name, n in _columns("taken", change).items()}
    connection.execute(
        sa.update(budget_pots).where(_POT, budget_pots.c.begins_at == row.begins_at).values(values),
        {"of": row.pot},
    )


def _take_back(
    connection: sa.Connection, pot: str, begins_at: float, whose: sa.ColumnElement[bool]
) -> Amount:
    """Take chunks of a pot back, those of former windows too; return what this one's had left."""
    rows = connection.execute(
        sa.delete(budget_chunks)
        .where(budget_chunks.c.pot == pot, whose)
        .returning(*budget_chunks.c)
    ).all()
    unspent = NOTHING
    for row in rows:
        if row.begins_at == begins_at:
            unspent = unspent + _amount(row, "left")
    return unspent


def _hold(
    connection: sa.Connection, call: Call, charge: Charge, *, worker_id: str, begins_at: float
) -> None:
    values = {
        "run_id": call.run_id,
        "number": call.number,
        "pot": charge.pot,
        "worker_id": worker_id,
        "begins_at": begins_at,
        "units": ",".join(charge.budget.limit),
        **_columns("reserved", charge.need),
        **_columns("spent", NOTHING),
    }
    connection.execute(_INSERT_HOLD, values)


def _insert_or_leave(connection: sa.Connection, values: dict[str, Any]) -> Any:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(budget_pots).values(values).on_conflict_do_nothing()


def _record(row: sa.Row[Any], chunks: Sequence[sa.Row[Any]], now: float) -> PotRecord:
    begins_at = 0.0 if row.per_s is None else now // row.per_s * row.per_s
    same = row.begins_at == begins_at
    leased = NOTHING
    for chunk in chunks:
        if same and chunk.pot == row.id and chunk.begins_at == begins_at:
            leased = leased + _amount(chunk, "left")
    return PotRecord(
        app=row.app,
        name=row.name,
        scope=row.scope,
        value=row.value,
        limit=json.loads(row.limit),
        used=_amount(row, "taken") - leased if same else NOTHING,
        leased=leased,
        begins_at=begins_at,
        ends_at=None if row.per_s is None else begins_at + row.per_s,
        exhausted_at=row.exhausted_at if same else None,
    )


def _place(call: Call) -> dict[str, Any]:
    return {"run": call.run_id, "call": call.number}


def _amount(row: sa.Row[Any], prefix: str) -> Amount:
    return Amount(**{unit: getattr(row, f"{prefix}_{unit}") for unit in UNITS})


def _columns(prefix: str, amount: Amount) -> dict[str, int]:
    return {f"{prefix}_{unit}": n for unit, n in asdict(amount).items()}
