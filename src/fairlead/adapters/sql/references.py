"""Who refers to a payload. What nobody refers to may be removed.

The event log is no such place: its digests are facts, and keep no payload alive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import sqlalchemy as sa

from fairlead.adapters.sql.schema import (
    approvals,
    blobs,
    calls,
    effects,
    history,
    runs,
    signals,
    stream_items,
    waits,
)
from fairlead.adapters.sql.schema_memory import erased_blobs

CHUNK = 500
"""Most values in one list of a statement; databases have a bound."""

# Of a pruned run the digests stay in its row as facts.
_KEPT = runs.c.pruned_at.is_(None)
REFERENCES: tuple[tuple[sa.Column[str], sa.Column[str], sa.ColumnElement[bool]], ...] = (
    (runs.c.id, runs.c.input_digest, _KEPT),
    (runs.c.id, runs.c.outcome_digest, _KEPT),
    (runs.c.id, runs.c.said_digest, _KEPT),
    (history.c.run_id, history.c.said_digest, sa.true()),
    (calls.c.run_id, calls.c.result_digest, sa.true()),
    (calls.c.run_id, calls.c.query_digest, sa.true()),
    (waits.c.run_id, waits.c.answer_digest, sa.true()),
    (signals.c.run_id, signals.c.payload_digest, sa.true()),
    (approvals.c.run_id, approvals.c.subject, sa.true()),
    (stream_items.c.run_id, stream_items.c.payload_digest, sa.true()),
    (effects.c.run_id, effects.c.payload_digest, sa.true()),
    (effects.c.run_id, effects.c.result_digest, sa.true()),
)
"""Every column that names a payload: the run, the payload, and when the row counts.

A new column that names one belongs here, or its payloads are removed under it; a test compares
this with what `put_json` was asked for.
"""


def chunks(values: Iterable[str]) -> Iterator[list[str]]:
    """Yield values in lists that one statement can take, in order."""
    rest = sorted(values)
    for start in range(0, len(rest), CHUNK):
        yield rest[start : start + CHUNK]


def held_by(connection: sa.Connection, run_ids: Iterable[str]) -> set[str]:
    """Return the payloads that runs refer to."""
    found: set[str] = set()
    for some in chunks(run_ids):
        for run_id, digest, counts in REFERENCES:
            query = sa.select(digest).distinct().where(run_id.in_(some), counts)
            found.update(connection.execute(query.where(digest.is_not(None))).scalars())
    return found


def remove_unheld(connection: sa.Connection, digests: Iterable[str]) -> tuple[int, int]:
    """Remove those payloads that nobody refers to.

    Args:
        connection: A writing transaction, in which their last references were removed.
        digests: Payloads that may have lost their last reference.

    Returns:
        How many were removed, and their bytes.
    """
    count = size = 0
    for some in chunks(digests):
        # The lock and the look are two statements: what a writer that held the lock has committed,
        # the second one sees. A payload that is locked at this moment is about to be referred to.
        rows = connection.execute(
            sa.select(blobs.c.digest, sa.func.length(blobs.c.data).label("size"))
            .where(blobs.c.digest.in_(some))
            .order_by(blobs.c.digest)
            .with_for_update(skip_locked=True)
        ).all()
        sizes = {row.digest: row.size for row in rows}
        for _, digest, counts in REFERENCES:
            query = sa.select(digest).distinct().where(digest.in_(list(sizes)), counts)
            for held in connection.execute(query).scalars().all():
                sizes.pop(held, None)
        connection.execute(sa.delete(blobs).where(blobs.c.digest.in_(list(sizes))))
        connection.execute(sa.delete(erased_blobs).where(erased_blobs.c.digest.in_(list(sizes))))
        count, size = count + len(sizes), size + sum(sizes.values())
    return count, size


def missing(connection: sa.Connection) -> Iterator[tuple[str, str]]:
    """Yield each run that refers to a payload which is not there, with the payload."""
    for run_id, digest, counts in REFERENCES:
        query = (
            sa.select(run_id, digest)
            .outerjoin_from(run_id.table, blobs, blobs.c.digest == digest)
            .where(digest.is_not(None), counts, blobs.c.digest.is_(None))
        )
        for row in connection.execute(query.order_by(run_id)):
            yield row[0], row[1]
