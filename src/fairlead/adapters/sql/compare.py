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
          AND json_extract(events.data, '$.workflow') = runs.workflow
          AND json_extract(events.data, '$.tenant') = runs.tenant
          AND json_extract(events.data, '$.user') = runs."user"
          AND json_extract(events.data, '$.purpose') = runs.purpose
    ) ORDER BY runs.id
"""
_UNDONE_RUNS = """
    SELECT runs.id FROM runs JOIN events ON events.chain = 'run:' || runs.id
    WHERE runs.state IN ('queued', 'running')
      AND events.type IN ('run.finished', 'run.cancelled', 'run.quarantined')
    ORDER BY runs.id
"""
_UNDONE_CALLS = """
    SELECT calls.run_id, calls.number FROM calls
    JOIN events ON events.chain = 'run:' || calls.run_id AND events.type = 'call.finished'
    WHERE calls.finished_at IS NULL AND json_valid(events.data)
      AND json_extract(events.data, '$.key') = calls.key
    ORDER BY calls.run_id, calls.number
"""
_ACTIVATIONS = """
    SELECT activations.environment, activations.sequence FROM activations
    WHERE NOT EXISTS (
        SELECT 1 FROM events
        WHERE events.chain = 'environment:' || activations.environment
          AND events.sequence = activations.sequence
          AND json_valid(events.data)
          AND json_extract(events.data, '$.release') = activations.release
          AND json_extract(events.data, '$.kind') = activations.kind
          AND json_extract(events.data, '$.by') = activations."by"
          AND json_extract(events.data, '$.reason') = activations.reason
    ) ORDER BY activations.environment, activations.sequence
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
    for (run,) in connection.execute(sa.text(_UNDONE_RUNS)):
        yield f"run {run} has ended, and is on record as if it had not"
    for run, number in connection.execute(sa.text(_UNDONE_CALLS)):
        yield f"call {number} of run {run} has ended, and is on record as if it had not"
    for environment, number in connection.execute(sa.text(_ACTIVATIONS)):
        yield f"activation {number} of environment {environment} is not as its event says"
    for (release,) in connection.execute(sa.text(_RELEASES)):
        yield f"release {release[:12]} is on record, and no event says that it was made"
    for name, data in connection.execute(sa.select(blobs.c.digest, blobs.c.data)).yield_per(100):
        if digest_bytes(data) != name:
            yield f"payload {name[:12]} was changed"
