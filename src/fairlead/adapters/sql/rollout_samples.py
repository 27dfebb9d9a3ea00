"""What became of the runs of a rollout, read and ticked off on SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.blobs import get_json
from fairlead.adapters.sql.references import chunks
from fairlead.adapters.sql.rollout_breaches import read_breaches
from fairlead.adapters.sql.rollout_waits import read_waited
from fairlead.adapters.sql.rollout_words import read_words
from fairlead.adapters.sql.schema import runs
from fairlead.adapters.sql.schema_delivery import assignments, feedback, observed, rollouts
from fairlead.core.errors import StoreCorrupt
from fairlead.core.outcome import FINAL_STATES, OPEN_STATES
from fairlead.core.rollout import Rollout
from fairlead.ports.rollouts import Counted, Ended, Sample, Tally

SAMPLES_MAX = 500
"""Runs of which something is counted at one look; the next look goes on with the others."""

_JOINED = (
    assignments,
    runs.c.state,
    runs.c.finished_at,
    runs.c.held_s,
    runs.c.spent_usd,
    runs.c.spent_calls,
    runs.c.outcome_digest,
)


def read_look(
    connection: sa.Connection, rollout: Rollout, now: float
) -> tuple[tuple[Sample, ...], Mapping[tuple[str, str], Counted]]:
    """Return the runs of which something is to be counted, and what their units were counted as.

    Args:
        connection: A transaction that holds the rollout.
        rollout: The rollout.
        now: Seconds since 1970.
    """
    said = read_words(connection, rollout, SAMPLES_MAX)
    mine = assignments.c.rollout == rollout.id
    fresh = mine & assignments.c.place.is_(None)
    ended = mine & ~assignments.c.ended & runs.c.state.in_(FINAL_STATES)
    overdue = mine & (assignments.c.due_at <= now)
    spoken = mine & assignments.c.run_id.in_(list(said))
    found_out = read_breaches(connection, rollout)
    breached = mine & assignments.c.run_id.in_(list(found_out))
    joined = sa.select(*_JOINED).join_from(assignments, runs, runs.c.id == assignments.c.run_id)
    found: dict[int, sa.Row[Any]] = {}
    reached: sa.ColumnElement[bool] = sa.true()
    # One after the other: each has an index of its own.
    for which in (fresh, ended, overdue, spoken, breached):
        query = joined.where(which, reached).order_by(assignments.c.number).limit(SAMPLES_MAX)
        for row in connection.execute(query):
            found[row.number] = row
        if which is fresh and len(found) == SAMPLES_MAX:
            # Places follow admission: a run that has ended gets none before one that is older.
            reached = assignments.c.place.is_not(None) | (assignments.c.number <= max(found))
    waited = read_waited(connection, [row.run_id for row in found.values()], now)
    samples = tuple(
        replace(
            _sample(connection, row),
            said=tuple(said.get(row.run_id, ())),
            breaches=tuple(found_out.get(row.run_id, ())),
            waited_s=waited[row.run_id].seconds if row.run_id in waited else 0.0,
            waits=row.run_id in waited and waited[row.run_id].now,
        )
        for _, row in sorted(found.items())
    )
    return samples, _counted(connection, rollout, {one.unit or one.run_id for one in samples})


def _sample(connection: sa.Connection, row: sa.Row[Any]) -> Sample:
    ended = _ended(connection, row) if row.state in FINAL_STATES else None
    return Sample(
        number=row.number,
        run_id=row.run_id,
        arm=row.arm,
        probability=row.probability,
        unit=row.unit or row.run_id,
        admitted_at=row.admitted_at,
        place=row.place,
        was_counted=row.ended,
        ended=ended,
    )


def _ended(connection: sa.Connection, row: sa.Row[Any]) -> Ended:
    held_s = row.held_s or 0.0
    ended = Ended(
        state=row.state,
        duration_s=max((row.finished_at or row.admitted_at) - row.admitted_at - held_s, 0.0),
        cost_usd=row.spent_usd,
        calls=row.spent_calls,
    )
    try:
        outcome = get_json(connection, row.outcome_digest)
        data = outcome if isinstance(outcome, dict) else {}
        failed = [str(check["name"]) for check in data.get("checks", ()) if not check["passed"]]
    except StoreCorrupt as error:
        # Of one run; all others, and what else is known of this one, are counted all the same.
        return replace(ended, unread=error.message)
    except (KeyError, TypeError, ValueError) as error:
        return replace(ended, unread=f"its outcome has another form: {error!r}")
    return replace(ended, failed_checks=tuple(failed), code=str(data.get("code", "")))


def _counted(
    connection: sa.Connection, rollout: Rollout, units: Iterable[str]
) -> dict[tuple[str, str], Counted]:
    found: dict[tuple[str, str], Counted] = {}
    for some in chunks(units):
        query = sa.select(observed).where(
            observed.c.rollout == rollout.id, observed.c.unit.in_(some)
        )
        for row in connection.execute(query):
            found[row.metric, row.unit] = Counted(
                metric=row.metric,
                unit=row.unit,
                counted=row.counted,
                arm=row.arm,
                place=row.place,
            )
    return found


def write_tally(connection: sa.Connection, rollout: str, tally: Tally) -> None:
    """Tick off what was counted.

    Args:
        connection: A transaction that holds the rollout.
        rollout: Its id.
        tally: What was counted.
    """
    for one in tally.counted:
        _put(connection, rollout, one)
    number = assignments.c.number
    by_number = number == sa.bindparam("of")
    places = [{"of": of, "at": place} for of, place in tally.places.items()]
    if places:
        placed = sa.update(assignments).where(by_number).values(place=sa.bindparam("at"))
        connection.execute(placed, places)
    dues = [{"of": of, "at": at} for of, at in tally.due.items()]
    if dues:
        due = sa.update(assignments).where(by_number)
        connection.execute(due.values(due_at=sa.bindparam("at", type_=sa.Float(53))), dues)
    if tally.ended:
        rows = [{"of": of} for of in tally.ended]
        connection.execute(sa.update(assignments).where(by_number).values(ended=True), rows)
    if tally.said:
        rows = [{"of": of} for of in tally.said]
        by_word = feedback.c.number == sa.bindparam("of")
        connection.execute(sa.update(feedback).where(by_word).values(counted=True), rows)


def _put(connection: sa.Connection, rollout: str, one: Counted) -> None:
    place = (
        (observed.c.rollout == rollout)
        & (observed.c.metric == one.metric)
        & (observed.c.unit == one.unit)
    )
    values = {"counted": one.counted, "arm": one.arm, "place": one.place}
    changed = connection.execute(sa.update(observed).where(place).values(**values))
    if not changed.rowcount:
        key = {"rollout": rollout, "metric": one.metric, "unit": one.unit}
        connection.execute(sa.insert(observed).values(**key, **values))


def in_flight_query(rollout_id: str) -> sa.Select[Any]:
    """Select the runs that a rollout gave to its candidate and that have not ended.

    A retry or a fork of such a run counts as well, as long as it is not on another release. Another
    environment may have runs of the same release, and they are none of its business.
    """
    given = (assignments.c.rollout == rollout_id) & (assignments.c.arm == "canary")
    candidate = sa.select(rollouts.c.candidate).where(rollouts.c.id == rollout_id)
    joined = sa.select(runs.c.id).join_from(
        assignments, runs, runs.c.lineage == assignments.c.run_id
    )
    here = runs.c.release == candidate.scalar_subquery()
    return joined.where(given, here, runs.c.state.in_(OPEN_STATES))


def in_flight_of(connection: sa.Connection, rollout_id: str) -> int:
    """Return how many runs of a rollout's candidate have not ended."""
    counted = sa.select(sa.func.count()).select_from(in_flight_query(rollout_id).subquery())
    return int(connection.execute(counted).scalar_one())
