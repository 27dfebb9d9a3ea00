"""Compares the other tables with the event log: what they say, the log must say too.

A chain proves that what stands in it was not changed. It cannot prove that its last events were not
cut off, nor that a run's row says what its events say; these comparisons do.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from fairlead.adapters.sql.schema import blobs
from fairlead.core.digests import digest_bytes

_CALLS = """
    SELECT calls.run_id, calls.number FROM calls
    WHERE calls.finished_at IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM events
        WHERE events.chain = 'run:' || calls.run_id AND events.type = 'call.finished'
          AND json_valid(events.data)
          AND json_extract(events.data, '$.key') = calls.key
          AND json_extract(events.data, '$.state') = calls.state
          AND json_extract(events.data, '$.result') = calls.result_digest
    ) ORDER BY calls.run_id, calls.number
"""
_RUNS = """
    SELECT runs.id, runs.state FROM runs
    WHERE runs.state IN ('succeeded', 'escalated', 'denied', 'failed', 'cancelled')
      AND NOT EXISTS (
        SELECT 1 FROM events
        WHERE events.chain = 'run:' || runs.id AND json_valid(events.data) AND (
            events.type = 'run.finished'
                AND json_extract(events.data, '$.state') = runs.state
                AND json_extract(events.data, '$.outcome') IS runs.outcome_digest
            OR events.type = 'run.cancelled' AND runs.state = 'cancelled'
            OR events.type = 'run.quarantined' AND runs.state = 'failed'
        )
    ) ORDER BY runs.id
"""
_ADMITTED = """
    SELECT runs.id FROM runs
    WHERE NOT EXISTS (
        SELECT 1 FROM events
        WHERE events.chain = 'run:' || runs.id AND events.type = 'run.admitted'
          AND json_valid(events.data)
          AND json_extract(events.data, '$.release') = runs.release
          AND json_extract(events.data, '$.input') = runs.input_digest
    ) ORDER BY runs.id
"""
_ACTIVATIONS = """
    SELECT activations.environment, count(*) FROM activations GROUP BY activations.environment
    HAVING count(*) > (
        SELECT count(*) FROM events
        WHERE events.chain = 'environment:' || activations.environment
          AND events.type IN ('release.activated', 'release.rolled_back')
    )
"""
_RELEASES = """
    SELECT releases.digest FROM releases
    WHERE NOT EXISTS (
        SELECT 1 FROM events
        WHERE events.chain = 'release:' || releases.digest AND events.type = 'release.created'
    ) ORDER BY releases.digest
"""


def differences(connection: sa.Connection) -> Iterator[str]:
    """Yield, in words, each place where another table and the log do not say the same.

    Args:
        connection: A reading transaction.
    """
    for run, number in connection.execute(sa.text(_CALLS)):
        yield f"call {number} of run {run} is not on record as its events say"
    for run, state in connection.execute(sa.text(_RUNS)):
        yield f"run {run} is on record as {state}, and its events do not say so"
    for (run,) in connection.execute(sa.text(_ADMITTED)):
        yield f"run {run} is not on record as it was admitted"
    for environment, _ in connection.execute(sa.text(_ACTIVATIONS)):
        yield f"environment {environment} has more activations on record than events"
    for (release,) in connection.execute(sa.text(_RELEASES)):
        yield f"release {release[:12]} is on record, and no event says that it was made"
    for name, data in connection.execute(sa.select(blobs.c.digest, blobs.c.data)).yield_per(100):
        if digest_bytes(data) != name:
            yield f"payload {name[:12]} was changed"
