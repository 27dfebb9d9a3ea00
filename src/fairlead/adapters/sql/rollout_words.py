"""What people say of runs, on SQL: kept for the rollout that counts it, and read by it alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.database import serialize
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.schema import runs
from fairlead.adapters.sql.schema_delivery import assignments, feedback, rollouts
from fairlead.core.digests import canonical_json
from fairlead.core.errors import FeedbackUnfit
from fairlead.core.event import Fact
from fairlead.core.rollout import Rollout
from fairlead.ports.clock import Clock
from fairlead.ports.rollouts import Feedback, Heard, Said


def say(connection: sa.Connection, clock: Clock, told: Feedback) -> Heard:
    """Record what somebody says of a run, with its event, unless it was said before.

    Args:
        connection: A transaction.
        clock: Time and ids.
        told: What is said.

    Raises:
        FeedbackUnfit: The id was given to a word on another run.
    """
    id, order = told.id or clock.id(), told.order
    serialize(connection, f"feedback:{id}")
    family = sa.select(runs.c.root_id).where(
        runs.c.id == told.run_id, runs.c.parent_id.is_not(None)
    )
    # A child was given to no side: its root was.
    run_id = connection.execute(family).scalar() or told.run_id
    rollout, open_ = _counted_by(connection, run_id)
    heard = Heard(new=True, run_id=run_id, rollout=rollout, counts=open_)
    known = sa.select(feedback.c.run_id).where(feedback.c.id == id)
    of = connection.execute(known).scalar()
    if of == run_id:
        return Heard(new=False, run_id=run_id, rollout=rollout, counts=open_)
    if of is not None:
        raise FeedbackUnfit(f"the id {id!r} was given to a word on run {of}")
    connection.execute(
        sa.insert(feedback).values(
            id=id,
            run_id=run_id,
            name=told.name,
            value=canonical_json(told.value),
            reason=order.reason,
            by=order.by,
            at=clock.now(),
            # What no rollout counts is done: it would be looked for at each look of all others.
            counted=not open_,
        )
    )
    data = {**order.fact(), "name": told.name, "value": told.value}
    if run_id != told.run_id:
        data["of"] = told.run_id
    append(connection, clock, Fact(chain=f"run:{run_id}", type="feedback.given", data=data))
    return heard


def _counted_by(connection: sa.Connection, run_id: str) -> tuple[str, bool]:
    """Return the rollout that a run is in, empty for none, and whether it goes on."""
    query = sa.select(rollouts.c.id, rollouts.c.ended_at)
    query = query.join_from(assignments, rollouts, rollouts.c.id == assignments.c.rollout)
    row = connection.execute(query.where(assignments.c.run_id == run_id)).first()
    return ("", False) if row is None else (row.id, row.ended_at is None)


def read_words(
    connection: sa.Connection, rollout: Rollout, limit: int
) -> Mapping[str, Sequence[Said]]:
    """Return what was said of a rollout's runs and is not counted yet, by id of the run.

    Args:
        connection: A transaction that holds the rollout.
        rollout: The rollout.
        limit: Most words.
    """
    query = sa.select(feedback).where(~feedback.c.counted, _of(rollout.id))
    found: dict[str, list[Said]] = {}
    for row in connection.execute(query.order_by(feedback.c.number).limit(limit)):
        found.setdefault(row.run_id, []).append(_word(row))
    return found


def _word(row: sa.Row[Any]) -> Said:
    try:
        return Said(number=row.number, name=str(row.name), value=json.loads(row.value))
    except (RecursionError, TypeError, ValueError) as error:
        # Of one run: all other words, and what else is known, are counted all the same.
        why = f"it is no JSON: {error}"
        return Said(number=row.number, name=str(row.name), value=None, unread=why)


def drop_words(connection: sa.Connection, rollout: Rollout) -> None:
    """Tick off what was said of a rollout's runs: it has ended, and counts nothing any more.

    Args:
        connection: A transaction that holds the rollout.
        rollout: The rollout.
    """
    left = sa.update(feedback).where(~feedback.c.counted, _of(rollout.id))
    connection.execute(left.values(counted=True))


def _of(rollout_id: str) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        assignments.c.run_id == feedback.c.run_id, assignments.c.rollout == rollout_id
    )
