"""The items of one slot: which of them is current when, and what ends or replaces which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.schema_memory import memories
from fairlead.core.memory_times import earlier, fate_of, next_begin, waits

_TRUSTED = '%"integrity":"trusted"%'

KNOWN = (
    memories.c.number,
    memories.c.id,
    memories.c.scope,
    memories.c.likeness,
    memories.c.slot,
    memories.c.state,
    memories.c.overlay,
    memories.c.valid_from,
    memories.c.valid_to,
    memories.c.recorded_at,
    memories.c.retired_at,
    memories.c.write_key,
    memories.c.run_id,
    memories.c.release,
    memories.c.label.like(_TRUSTED).label("trusted"),
)
"""The columns that `known_of` reads."""


@dataclass(kw_only=True)
class Known:
    """An item that is current, or has a key: on record, or new in this write.

    Attributes:
        trusted: Whether it is current and believed.
        same: Its scope and its likeness.
        value: What it says as data, where a key is looked up.
        fresh: Its row, while it is to be inserted.
    """

    number: int
    id: str
    state: str
    trusted: bool
    overlay: str
    valid_from: float
    valid_to: float | None
    recorded_at: float
    retired_at: float | None
    same: tuple[str, str]
    slot: str | None
    run: tuple[str, str]
    value: str | None = None
    fresh: dict[str, Any] | None = None

    def waits(self, now: float) -> bool:
        """Return whether it is still to begin."""
        return waits(self.valid_from, self.recorded_at, now)


def known_of(row: Any, *, fresh: dict[str, Any] | None = None) -> Known:
    """Return a row of `KNOWN`, or one that is to be inserted."""
    of = row._mapping if fresh is None else row
    return Known(
        number=of["number"],
        id=of["id"],
        state=of["state"],
        trusted=bool(of["trusted"]) and of["state"] == "active",
        overlay=of["overlay"],
        valid_from=of["valid_from"],
        valid_to=of["valid_to"],
        recorded_at=of["recorded_at"],
        retired_at=of["retired_at"],
        same=(of["scope"], of["likeness"]),
        slot=of["slot"],
        run=(of["run_id"], of["release"]),
        value=of.get("value"),
        fresh=fresh,
    )


def ends_again(gone: Known, others: Iterable[Known]) -> Iterable[tuple[Known, float | None]]:
    """Yield what was to end where an item began that never will, with the new end of each.

    An end of its own that was later is not kept apart: then it has none.

    Args:
        gone: The item that is replaced or taken back before it began.
        others: The rest of its slot.
    """
    beside = [one for one in others if one.overlay == gone.overlay and one.id != gone.id]
    for one in beside:
        if one.valid_to == gone.valid_from and one.valid_from < gone.valid_from:
            begins = [o.valid_from for o in beside if o.trusted or not one.trusted]
            yield one, next_begin(one.valid_from, begins)


def replaced(since: float, now: float) -> dict[str, Any]:
    """Return what becomes of the row of an item that another one replaces.

    It held until the other one began, or until its own end; what was only quoted never held.

    Args:
        since: Seconds since 1970 from which the other one is so.
        now: Seconds since 1970.
    """
    begun, ended = memories.c.valid_from, memories.c.valid_to
    until = sa.case((begun > since, begun), else_=since)
    until = sa.case((memories.c.state == "quarantined", begun), (ended < until, ended), else_=until)
    return {"state": "superseded", "retired_at": now, "valid_to": until}


def take_place(connection: sa.Connection, row: Mapping[str, Any], now: float) -> None:
    """Retire or end what an item replaces that becomes current: what it names, and its slot's.

    Args:
        connection: A writing transaction.
        row: The item.
        now: Seconds since 1970.
    """
    before = (memories.c.id == row["supersedes"]) & (memories.c.scope == row["scope"])
    if row["slot"]:
        before |= (memories.c.slot == row["slot"]) & (memories.c.state == "active")
    before &= memories.c.retired_at.is_(None) & (memories.c.number != row["number"])
    before &= memories.c.overlay == row["overlay"]
    begins, ends = row["valid_from"], row["valid_to"]
    later = waits(begins, row["recorded_at"], now)
    for one in _known(connection, before):
        waiting = one.waits(now)
        fate = fate_of(one.valid_from, begins, waiting=waiting, later=later)
        if fate == "stays" and one.id != row["supersedes"]:
            ends = earlier(ends, one.valid_from)
        elif fate == "ends":
            _set(connection, one.number, valid_to=earlier(one.valid_to, begins))
        else:
            _set(connection, one.number, **replaced(begins, now))
            if waiting:
                reopen(connection, one)
    if ends != row["valid_to"]:
        _set(connection, row["number"], valid_to=ends)


def reopen(connection: sa.Connection, gone: Known) -> None:
    """Have what was to end where an item began go on, since that one never will begin.

    Args:
        connection: A writing transaction.
        gone: The item; it is not current any more.
    """
    if gone.slot is None:
        return
    within = (memories.c.slot == gone.slot) & memories.c.retired_at.is_(None)
    for one, until in ends_again(gone, _known(connection, within)):
        _set(connection, one.number, valid_to=until)


def _known(connection: sa.Connection, where: sa.ColumnElement[bool]) -> Sequence[Known]:
    query = sa.select(*KNOWN).where(where).order_by(memories.c.number)
    return [known_of(row) for row in connection.execute(query).all()]


def _set(connection: sa.Connection, number: int, **values: Any) -> None:
    one = memories.c.number == number
    connection.execute(sa.update(memories).where(one).values(**values))
