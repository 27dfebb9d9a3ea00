"""Compares the other tables with the event log: what they say, the log must say too.

A chain proves that what stands in it was not changed. It cannot prove that its last events were not
cut off, nor that a run's row says what its events say; these comparisons do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.compare_gates import gate_differences
from fairlead.adapters.sql.compare_releases import release_differences
from fairlead.adapters.sql.references import missing
from fairlead.adapters.sql.schema import blobs
from fairlead.core.digests import digest_bytes

# In these statements `$name` is a member of an event's data, and `$valid` says that it is JSON.
# What is none has no members: somebody wrote over it, and what it should say is missed.
_CALLS = """
    SELECT calls.run_id, calls.number FROM calls
    WHERE calls.finished_at IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM events
        WHERE events.chain = 'run:' || calls.run_id AND events.type = 'call.finished'
          AND $valid
          AND $key = calls.key
          AND $state = calls.state
          AND $result = calls.result_digest
    ) ORDER BY calls.run_id, calls.number
"""
_RUNS = """
    SELECT runs.id, runs.state FROM runs
    WHERE runs.state IN ('succeeded', 'escalated', 'denied', 'failed', 'cancelled')
      AND NOT EXISTS (
        SELECT 1 FROM events
        WHERE events.chain = 'run:' || runs.id AND $valid AND (
            events.type = 'run.finished'
                AND $state = runs.state
                AND coalesce($outcome, '') = coalesce(runs.outcome_digest, '')
                AND coalesce($said, '') = coalesce(runs.said_digest, '')
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
          AND $valid
          AND $release = runs.release
          AND $input = runs.input_digest
          AND $workflow = runs.workflow
          AND $tenant = runs.tenant
          AND $user = runs."user"
          AND $purpose = runs.purpose
          AND coalesce($grants, '') = coalesce(runs.grants, '')
          AND coalesce($environment, '') = coalesce(runs.environment, '')
          AND coalesce($conversation, '') = coalesce(runs.conversation, '')
          AND coalesce(CAST($turn AS TEXT), '')
            = CASE WHEN runs.aside THEN '' ELSE coalesce(CAST(runs.turn AS TEXT), '') END
          AND coalesce(CAST($beside AS TEXT), '')
            = CASE WHEN runs.aside THEN coalesce(CAST(runs.turn AS TEXT), '') ELSE '' END
    ) ORDER BY runs.id
"""
# Each run with its place is compared above; whose a conversation is follows from its first turn.
_CONVERSATIONS = """
    SELECT tenant, id FROM conversations
    WHERE turns <> (
        SELECT coalesce(max(turn), 0) FROM runs
        WHERE runs.tenant = conversations.tenant AND runs.conversation = conversations.id
          AND NOT runs.aside
    ) OR NOT EXISTS (
        SELECT 1 FROM runs
        WHERE runs.tenant = conversations.tenant AND runs.conversation = conversations.id
          AND NOT runs.aside AND runs.turn = 1 AND runs."user" = conversations."user"
    )
    UNION
    SELECT tenant, conversation FROM runs
    WHERE conversation IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM conversations
        WHERE runs.tenant = conversations.tenant AND runs.conversation = conversations.id
    ) ORDER BY 1, 2
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
    WHERE calls.finished_at IS NULL AND $valid
      AND $key = calls.key
    ORDER BY calls.run_id, calls.number
"""
_GONE_RUNS = """
    SELECT substr(events.chain, 5) FROM events
    WHERE events.type = 'run.admitted' AND events.chain LIKE 'run:%' AND NOT EXISTS (
        SELECT 1 FROM runs WHERE runs.id = substr(events.chain, 5)
    ) ORDER BY events.chain
"""
# What was pruned says so in its chain; what is gone and does not say so was taken away.
_GONE_CALLS = """
    SELECT DISTINCT runs.id FROM runs
    JOIN events ON events.chain = 'run:' || runs.id AND events.type = 'call.finished'
    WHERE $valid AND NOT EXISTS (
        SELECT 1 FROM calls
        WHERE calls.run_id = runs.id AND calls.key = $key
    ) AND NOT EXISTS (
        SELECT 1 FROM events AS pruned
        WHERE pruned.chain = 'run:' || runs.id AND pruned.type = 'run.pruned'
    ) ORDER BY 1
"""
_PRUNED = """
    SELECT runs.id FROM runs
    WHERE runs.pruned_at IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM events WHERE events.chain = 'run:' || runs.id AND events.type = 'run.pruned'
    ) ORDER BY runs.id
"""
_UNPRUNED = """
    SELECT runs.id FROM runs
    JOIN events ON events.chain = 'run:' || runs.id AND events.type = 'run.pruned'
    WHERE runs.pruned_at IS NULL ORDER BY runs.id
"""
# What was erased out of a payload is no change that nobody owns up to: the log knows the erasure.
_ERASED = """
    SELECT erased_blobs.digest FROM erased_blobs
    JOIN erasures ON erasures.id = erased_blobs.erasure
    WHERE EXISTS (
        SELECT 1 FROM events
        WHERE events.chain = 'memory:' || erasures.tenant AND events.type = 'memory.erasing'
          AND $valid AND $erasure = erasures.id
    )
"""
_ACTIVATIONS = """
    SELECT activations.environment, activations.sequence FROM activations
    WHERE NOT EXISTS (
        SELECT 1 FROM events
        WHERE events.chain = 'environment:' || activations.environment
          AND events.sequence = activations.sequence
          AND $valid
          AND $release = activations.release
          AND $kind = activations.kind
          AND $by = activations."by"
          AND $reason = activations.reason
    ) ORDER BY activations.environment, activations.sequence
"""
_ENFORCEMENTS = """
    SELECT enforcements.sequence FROM enforcements
    WHERE NOT EXISTS (
        SELECT 1 FROM events
        WHERE events.chain = 'baselines' AND events.type = 'baseline.enforced'
          AND $valid
          AND CAST($number AS INTEGER) = enforcements.sequence
          AND $baseline = enforcements.baseline
          AND CAST($window_s AS REAL) = CAST(enforcements.window_s AS REAL)
          AND $by = enforcements."by"
    ) ORDER BY enforcements.sequence
"""
_UNENFORCED = """
    SELECT events.sequence FROM events
    WHERE events.chain = 'baselines' AND events.type = 'baseline.enforced'
      AND $valid
      AND NOT EXISTS (
        SELECT 1 FROM enforcements
        WHERE enforcements.sequence = CAST($number AS INTEGER)
    ) ORDER BY events.sequence
"""
_BASELINES = """
    SELECT baselines.digest FROM baselines
    WHERE NOT EXISTS (
        SELECT 1 FROM events
        WHERE events.chain = 'baselines' AND events.type = 'baseline.published'
          AND $valid
          AND $baseline = baselines.digest
          AND $version = baselines.version
          AND $name = baselines.name
    ) ORDER BY baselines.digest
"""


def differences(connection: sa.Connection) -> Iterator[str]:
    """Yield, in words, each place where another table and the log do not say the same.

    Args:
        connection: A reading transaction.
    """
    for run, number in _rows(connection, _CALLS):
        yield f"call {number} of run {run} is not on record as its events say"
    for run, state in _rows(connection, _RUNS):
        yield f"run {run} is on record as {state}, and its events do not say so"
    for (run,) in _rows(connection, _ADMITTED):
        yield f"run {run} is not on record as it was admitted"
    for tenant, name in _rows(connection, _CONVERSATIONS):
        yield f"conversation {name!r} of tenant {tenant} is not on record as its turns say"
    for (run,) in _rows(connection, _UNDONE_RUNS):
        yield f"run {run} has ended, and is on record as if it had not"
    for run, number in _rows(connection, _UNDONE_CALLS):
        yield f"call {number} of run {run} has ended, and is on record as if it had not"
    yield from _removed(connection)
    for environment, number in _rows(connection, _ACTIVATIONS):
        yield f"activation {number} of environment {environment} is not as its event says"
    yield from release_differences(connection)
    yield from gate_differences(connection)
    yield from _baselines(connection)
    erased = frozenset(name for (name,) in _rows(connection, _ERASED))
    for name, data in connection.execute(sa.select(blobs.c.digest, blobs.c.data)).yield_per(100):
        if digest_bytes(data) != name and name not in erased:
            yield f"payload {name[:12]} was changed"


def _baselines(connection: sa.Connection) -> Iterator[str]:
    """Yield where the baselines on record are not those that the log says."""
    for (number,) in _rows(connection, _ENFORCEMENTS):
        yield f"enforcement {number} of a baseline is not as its event says"
    for (number,) in _rows(connection, _UNENFORCED):
        yield f"event {number} of baselines says that one was enforced, and it is not on record"
    for (baseline,) in _rows(connection, _BASELINES):
        yield f"baseline {baseline[:12]} is on record, and no event says that it was published"


def _removed(connection: sa.Connection) -> Iterator[str]:
    """Yield what is gone, unless its chain says that it was pruned; and what says so and is not."""
    for (run,) in _rows(connection, _GONE_RUNS):
        yield f"run {run} was admitted, and is on record no more"
    for (run,) in _rows(connection, _GONE_CALLS):
        yield f"a call of run {run} has ended, and is on record no more"
    for (run,) in _rows(connection, _PRUNED):
        yield f"run {run} is on record as pruned, and its events do not say so"
    for (run,) in _rows(connection, _UNPRUNED):
        yield f"run {run} was pruned, and is on record as if it had not been"
    for run, payload in missing(connection):
        yield f"payload {payload[:12]} of run {run} is not there"


def _rows(connection: sa.Connection, statement: str) -> Sequence[Any]:
    valid, member = {
        "postgresql": ("events.data IS JSON", r"fairlead_member(events.data, '\1')"),
        "sqlite": ("json_valid(events.data)", r"json_extract(events.data, '$.\1')"),
    }[connection.dialect.name]
    statement = re.sub(r"\$(\w+)", member, statement.replace("$valid", valid))
    return connection.execute(sa.text(statement)).all()
