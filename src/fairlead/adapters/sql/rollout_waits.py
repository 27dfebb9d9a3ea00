"""For how long runs of a rollout waited for people, on SQL: that is no time of their release."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.references import chunks
from fairlead.adapters.sql.schema import runs, waits

_KINDS = ("approval", "signal")
"""What somebody else must do. A timer is the run's own, and a child counts by what it waits for."""


@dataclass(frozen=True, kw_only=True)
class Waited:
    """For how long a run waited.

    Attributes:
        seconds: So long, with its children; what overlaps counts once.
        now: Whether it goes on.
    """

    seconds: float
    now: bool


def read_waited(
    connection: sa.Connection, run_ids: Iterable[str], now: float
) -> Mapping[str, Waited]:
    """Return for how long runs waited for approvals and signals; those that never did are left out.

    Args:
        connection: A transaction.
        run_ids: The runs; what their children waited is theirs.
        now: Seconds since 1970.
    """
    found: dict[str, list[sa.Row[Any]]] = {}
    for some in chunks(run_ids):
        query = (
            sa.select(runs.c.root_id, runs.c.finished_at, waits)
            .join_from(waits, runs, runs.c.id == waits.c.run_id)
            .where(runs.c.root_id.in_(some), waits.c.kind.in_(_KINDS))
        )
        for row in connection.execute(query.order_by(waits.c.opened_at)):
            found.setdefault(row.root_id, []).append(row)
    return {run_id: _waited(rows, now) for run_id, rows in found.items()}


def _waited(rows: Sequence[sa.Row[Any]], now: float) -> Waited:
    """Add waits up, in the order in which they began."""
    seconds, until, waiting = 0.0, -math.inf, False
    for row in rows:
        # One that nobody answered is over when its time is, or with its run.
        ends = [at for at in (row.ended_at, row.due_at, row.finished_at) if at is not None]
        end = min(*ends, now)
        waiting = waiting or min(ends) > now
        seconds += max(end - max(row.opened_at, until), 0.0)
        until = max(until, end)
    return Waited(seconds=seconds, now=waiting)
