"""What was decided of calls, on SQL."""

from __future__ import annotations

import json
from collections.abc import Sequence

import sqlalchemy as sa

from fairlead.adapters.sql.blobs import get_json
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.schema import calls, events, runs
from fairlead.adapters.sql.schema_releases import releases
from fairlead.ports.recorded import Difference, RecordedCall

_DECIDED = ("model", "tool", "retrieval", "child")
"""Kinds of calls that policies are asked about."""


class SqlRecordedCalls:
    """Reads what was decided."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def calls(self, app: str, runs: int) -> Sequence[RecordedCall]:
        """Return the calls of an app's newest runs that are kept, newest run first."""
        newest = _newest(app, runs)
        query = (
            sa.select(calls, newest.c.release, newest.c.workflow)
            .join(newest, newest.c.id == calls.c.run_id)
            .where(calls.c.kind.in_(_DECIDED), calls.c.finished_at.is_not(None))
            .order_by(newest.c.created_at.desc(), newest.c.id, calls.c.number)
        )
        with self._database.reading() as connection:
            return [
                RecordedCall(
                    run_id=row.run_id,
                    release=row.release,
                    workflow=row.workflow,
                    number=row.number,
                    kind=row.kind,
                    name=row.name,
                    query=get_json(connection, row.query_digest),
                )
                for row in connection.execute(query).all()
            ]

    def differences(self, app: str, limit: int) -> Sequence[Difference]:
        """Return differences of an app's runs, newest first."""
        query = (
            sa.select(events.c.chain, events.c.time, events.c.data)
            .join(runs, events.c.chain == sa.literal("run:") + runs.c.id)
            .join(releases, releases.c.digest == runs.c.release)
            .where(events.c.type == "policy.differs", releases.c.app == app)
            .order_by(events.c.time.desc(), events.c.chain, events.c.sequence.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [_difference(row.chain, row.time, json.loads(row.data)) for row in rows]


def _newest(app: str, most: int) -> sa.Subquery:
    return (
        sa.select(runs.c.id, runs.c.release, runs.c.workflow, runs.c.created_at)
        .join(releases, releases.c.digest == runs.c.release)
        .where(releases.c.app == app, runs.c.pruned_at.is_(None))
        .order_by(runs.c.created_at.desc(), runs.c.id)
        .limit(most)
        .subquery()
    )


def _difference(chain: str, time: float, data: dict[str, object]) -> Difference:
    said: dict[str, dict[str, object]] = data  # type: ignore[assignment]
    rules = said["shadow"]["rules"]
    return Difference(
        run_id=chain.removeprefix("run:"),
        number=int(str(data["call"])),
        kind=str(data["kind"]),
        name=str(data["name"]),
        enforced=str(said["enforced"]["effect"]),
        shadow=str(said["shadow"]["effect"]),
        rules=tuple(str(rule) for rule in rules) if isinstance(rules, list) else (),
        time=time,
    )
