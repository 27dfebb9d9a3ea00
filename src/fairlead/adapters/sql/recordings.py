"""Recordings of runs on SQL: read in a few statements for many runs, because replays are many."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa

from fairlead.adapters.sql.blobs import get_json
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.journal import record_of
from fairlead.adapters.sql.references import chunks
from fairlead.adapters.sql.runs import load
from fairlead.adapters.sql.schema import blobs, calls, events, runs, waits
from fairlead.adapters.sql.schema_memory import erased_blobs
from fairlead.adapters.sql.schema_releases import releases
from fairlead.core.calls import Done, Result, result_from_json
from fairlead.core.digests import Json, digest_bytes
from fairlead.core.errors import FairleadError, StoreCorrupt
from fairlead.core.history import turn_from_json
from fairlead.core.outcome import FINAL_STATES
from fairlead.ports.journal import CallRecord
from fairlead.ports.recordings import Choice, Recording
from fairlead.ports.runs import RunRecord
from fairlead.ports.waits import Wait

Steps: TypeAlias = Callable[[Sequence[str]], Mapping[str, Sequence[tuple[str, Json]]]]
"""Reads what the engine has on record of some runs that is no call."""

_OWN_END = sorted(FINAL_STATES - {"cancelled"})
_FAMILY_MAX = 1000
_Rows: TypeAlias = Mapping[str, Sequence[sa.Row[Any]]]


class SqlRecordings:
    """Reads recordings; writes nothing."""

    def __init__(self, database: Database, steps: Steps) -> None:
        """Prepare to read.

        Args:
            database: The database.
            steps: Reads the engine's part of the record.
        """
        self._database = database
        self._steps = steps

    def choose(self, choice: Choice) -> Sequence[str]:
        """Return the ids of the newest runs that ended by themselves and are kept, newest first."""
        query = (
            sa.select(runs.c.id)
            .join(releases, releases.c.digest == runs.c.release)
            .where(releases.c.app == choice.app, runs.c.pruned_at.is_(None))
            .where(runs.c.state.in_(_OWN_END), runs.c.purpose == "user")
            # A fork has a part of its record in its origin's.
            .where((runs.c.lineage == runs.c.id) | runs.c.parent_id.is_not(None))
            .order_by(runs.c.created_at.desc(), runs.c.id.desc())
            .limit(choice.most)
        )
        if choice.workflow:
            query = query.where(runs.c.workflow == choice.workflow)
        if choice.tenant is not None:
            query = query.where(runs.c.tenant == choice.tenant)
        if choice.apart_from:
            query = query.where(runs.c.release != choice.apart_from)
        with self._database.reading() as connection:
            return connection.execute(query).scalars().all()

    def load(self, run_ids: Sequence[str]) -> Sequence[Recording]:
        """Return recordings, in the order of the ids; one that cannot be used says why."""
        steps = self._steps(run_ids)
        with self._database.reading() as connection:
            called = _by_run(connection, _CALLS, calls.c.run_id, run_ids)
            waited = _by_run(connection, _WAITS, waits.c.run_id, run_ids)
            read = _Read(
                connection=connection,
                called=called,
                waited=waited,
                steps=steps,
                ended=_ended(connection, run_ids),
                erased=_erased(connection, run_ids, called, waited),
            )
            return [_recording(read, run_id) for run_id in run_ids]


@dataclass(frozen=True, kw_only=True)
class _Read:
    """What was read of many runs at once.

    Attributes:
        connection: The transaction, for what is read one by one.
        called: Rows of calls by run.
        waited: Rows of waits by run.
        steps: What the engine has on record, by run.
        ended: The calls that ended by the log, by chain; with what was decided of each.
        erased: Those of their payloads out of which something was erased.
    """

    connection: sa.Connection
    called: _Rows
    waited: _Rows
    steps: Mapping[str, Sequence[tuple[str, Json]]]
    ended: Mapping[str, Mapping[str, str]]
    erased: frozenset[str]


_CALLS = (
    sa.select(calls, blobs.c.data)
    .join_from(calls, blobs, blobs.c.digest == calls.c.result_digest, isouter=True)
    .order_by(calls.c.run_id, calls.c.number)
)
_WAITS = (
    sa.select(waits, blobs.c.data)
    .join_from(waits, blobs, blobs.c.digest == waits.c.answer_digest, isouter=True)
    .order_by(waits.c.run_id, waits.c.opened_at, waits.c.key)
)


def _by_run(
    connection: sa.Connection, query: Any, column: sa.Column[str], run_ids: Iterable[str]
) -> _Rows:
    found: dict[str, list[sa.Row[Any]]] = defaultdict(list)
    for some in chunks(run_ids):
        for row in connection.execute(query.where(column.in_(some))):
            found[row.run_id].append(row)
    return found


def _ended(connection: sa.Connection, run_ids: Iterable[str]) -> Mapping[str, dict[str, str]]:
    """Return the calls that ended by the log, by the run's chain, with what was decided of each.

    Runs of one lineage share keys, and chains they do not.
    """
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for some in chunks(f"run:{run_id}" for run_id in run_ids):
        query = sa.select(events.c.chain, events.c.data)
        query = query.where(events.c.chain.in_(some), events.c.type == "call.finished")
        for row in connection.execute(query):
            data = json.loads(row.data)
            policy = data.get("policy")
            said = "" if policy is None else " ".join([policy["effect"], *policy["rules"]])
            found[row.chain][data["key"]] = said
    return found


def _erased(
    connection: sa.Connection, run_ids: Iterable[str], called: _Rows, waited: _Rows
) -> frozenset[str]:
    """Return those of the runs' payloads out of which something was erased."""
    named = {row.result_digest for rows in called.values() for row in rows}
    named |= {row.answer_digest for rows in waited.values() for row in rows}
    for some in chunks(run_ids):
        query = sa.select(runs.c.input_digest, runs.c.outcome_digest).where(runs.c.id.in_(some))
        named.update(one for row in connection.execute(query) for one in row)
    found: set[str] = set()
    for some in chunks(one for one in named if one is not None):
        query_one = sa.select(erased_blobs.c.digest).where(erased_blobs.c.digest.in_(some))
        found.update(connection.execute(query_one).scalars())
    return frozenset(found)


def _recording(read: _Read, run_id: str) -> Recording:
    run = load(read.connection, run_id, bare=True)
    unusable = _unusable(run) or _erasure(read, run_id)
    if unusable:
        return Recording(run=run, unusable=unusable)
    try:
        return _whole(read, load(read.connection, run_id))
    except (FairleadError, ValueError, TypeError, LookupError) as error:
        said = error.message if isinstance(error, FairleadError) else str(error)
        return Recording(run=run, unusable=f"its record cannot be read: {said}")


def _unusable(run: RunRecord) -> str:
    if run.pruned_at is not None:
        return "its payloads were pruned"
    if run.state not in FINAL_STATES:
        return f"it is {run.state}: only a run that has ended is a recording"
    if run.state == "cancelled":
        return "a person cancelled it"
    if run.parent_id is None and run.lineage not in ("", run.id):
        return "it is a fork: a part of its record stands in its origin's"
    return ""


def _whole(read: _Read, run: RunRecord) -> Recording:
    """Put a recording together; what is missing makes it unusable.

    Raises:
        FairleadError: A payload is not there, or was changed.
    """
    recorded = tuple(_call(row) for row in read.called.get(run.id, ()))
    ended, steps = read.ended.get(f"run:{run.id}", {}), read.steps.get(run.id, ())
    names = [name for step, value in steps if step == "history" for name in value["said"]]
    unusable = _gap(recorded, ended)
    if _any_erased(read.connection, names):
        unusable = unusable or "something was erased out of what it read of its conversation"
    return Recording(
        run=run,
        calls=recorded,
        decisions={call.number: ended.get(call.key, "") for call in recorded},
        waits=tuple(_wait(row) for row in read.waited.get(run.id, ())),
        steps=tuple(steps),
        history={name: turn_from_json(get_json(read.connection, name)) for name in names},
        family=_family(read.connection, run, recorded),
        unusable=unusable,
    )


def _gap(recorded: Sequence[CallRecord], ended: Mapping[str, str]) -> str:
    for place, call in enumerate(recorded, start=1):
        if call.number != place:
            return f"call {place} is not on record"
        if call.result is None:
            return f"call {place} has no outcome on record"
    missing = len(ended.keys() - {call.key for call in recorded})
    return f"{missing} calls of it are not on record any more" if missing else ""


def _erasure(read: _Read, run_id: str) -> str:
    if not read.erased:
        return ""
    own = {row.result_digest for row in read.called.get(run_id, ())}
    own |= {row.answer_digest for row in read.waited.get(run_id, ())}
    query = sa.select(runs.c.input_digest, runs.c.outcome_digest).where(runs.c.id == run_id)
    own.update(read.connection.execute(query).one())
    return "" if read.erased.isdisjoint(own) else "something was erased out of its record"


def _any_erased(connection: sa.Connection, names: Iterable[str]) -> bool:
    query = sa.select(erased_blobs.c.digest)
    return any(
        connection.execute(query.where(erased_blobs.c.digest.in_(some))).first()
        for some in chunks(names)
    )


def _family(
    connection: sa.Connection, run: RunRecord, recorded: Sequence[CallRecord]
) -> dict[str, RunRecord]:
    """Return the run's ancestors, and the children whose outcomes it got."""
    found: dict[str, RunRecord] = {}
    above = run.parent_id
    while above is not None and len(found) < _FAMILY_MAX:
        found[above] = load(connection, above)
        above = found[above].parent_id
    for call in recorded:
        if call.kind == "child" and isinstance(call.result, Done):
            child = str(call.result.value)
            if len(found) < _FAMILY_MAX:
                found[child] = load(connection, child)
    return found


def _payload(data: bytes | None, name: str | None) -> Json:
    if name is None:
        return None
    if data is None or digest_bytes(data) != name:
        what = "is not there" if data is None else "was changed"
        raise StoreCorrupt(f"the payload {name[:12]} {what}", payload=name)
    return json.loads(data)


def _call(row: sa.Row[Any]) -> CallRecord:
    payload = _payload(row.data, row.result_digest)
    result: Result | None = None if payload is None else result_from_json(payload)
    return record_of(row, result)


def _wait(row: sa.Row[Any]) -> Wait:
    return Wait(
        run_id=row.run_id,
        key=row.key,
        kind=row.kind,
        topic=row.topic,
        opened_at=row.opened_at,
        due_at=row.due_at,
        ended_at=row.due_at if row.ended_at is None else row.ended_at,
        over=True,
        answered=row.answer_digest is not None,
        answer=_payload(row.data, row.answer_digest),
    )
