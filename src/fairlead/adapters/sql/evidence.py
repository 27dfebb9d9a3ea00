"""Evidence of gates on SQL: each piece is named by the digest of all that it says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.schema_releases import gate_evidence
from fairlead.core.digests import canonical_json, digest
from fairlead.core.errors import StoreCorrupt
from fairlead.core.event import Fact
from fairlead.ports.releases import Evidence


def write_evidence(connection: sa.Connection, evidence: Evidence) -> Fact:
    """Store a gate's conclusion.

    Args:
        connection: A writing transaction.
        evidence: What the gate concluded.

    Returns:
        What the log says of it: under `evidence` the digest.
    """
    text = canonical_json(evidence.checks)
    name = digest(asdict(evidence) | {"checks": json.loads(text), "time": float(evidence.time)})
    connection.execute(
        sa.insert(gate_evidence).values(**asdict(evidence) | {"checks": text, "digest": name})
    )
    data = {
        "gate": evidence.gate,
        "environment": evidence.environment,
        "conclusion": evidence.conclusion,
        "by": evidence.by,
        "evidence": name,
    }
    return Fact(chain=f"release:{evidence.release}", type="gate.finished", data=data)


def read_evidence(
    connection: sa.Connection, release: str, place: tuple[str, str] | None, limit: int
) -> Sequence[Evidence]:
    """Return a gate's evidence on a release, the newest first.

    Args:
        connection: A reading transaction.
        release: Digest of the release.
        place: The gate, and the environment; evidence that holds everywhere is found there too.
            None for all of it.
        limit: Most of it.

    Raises:
        StoreCorrupt: One piece is not as it was stored.
    """
    query = sa.select(gate_evidence).where(gate_evidence.c.release == release)
    if place is not None:
        gate, environment = place
        query = query.where(
            gate_evidence.c.gate == gate, gate_evidence.c.environment.in_(("", environment))
        )
    found = connection.execute(query.order_by(gate_evidence.c.id.desc()).limit(limit))
    return [_evidence(row) for row in found]


def read_words(
    connection: sa.Connection, release: str, place: tuple[str, str], limit: int
) -> Sequence[Evidence]:
    """Return the newest evidence of each person, what is no success first; else as `read_evidence`.

    Args:
        connection: A reading transaction.
        release: Digest of the release.
        place: The gate, and the environment.
        limit: Most of it.

    Raises:
        StoreCorrupt: One piece is not as it was stored.
    """
    gate, environment = place
    newest = (
        sa.select(sa.func.max(gate_evidence.c.id))
        .where(
            gate_evidence.c.release == release,
            gate_evidence.c.gate == gate,
            gate_evidence.c.environment.in_(("", environment)),
        )
        .group_by(gate_evidence.c.by, gate_evidence.c.verified)
    )
    denied_first = sa.case((gate_evidence.c.conclusion == "success", 1), else_=0)
    query = sa.select(gate_evidence).where(gate_evidence.c.id.in_(newest))
    found = connection.execute(query.order_by(denied_first, gate_evidence.c.id.desc()).limit(limit))
    return [_evidence(row) for row in found]


def is_sound(row: sa.Row[Any]) -> bool:
    """Say whether a row says what its digest does; what is older than digests has none."""
    if not row.digest:
        return (row.gate, row.environment, row.by) == ("check", "", "")
    try:
        evidence = _read(row)
        return bool(digest(asdict(evidence)) == row.digest)
    except (TypeError, ValueError, RecursionError):
        return False


def _evidence(row: sa.Row[Any]) -> Evidence:
    if not is_sound(row):
        raise StoreCorrupt(
            f"the evidence of gate {row.gate} on release {row.release[:12]} is damaged",
            release=row.release,
        )
    return _read(row)


def _read(row: sa.Row[Any]) -> Evidence:
    return Evidence(
        release=row.release,
        conclusion=row.conclusion,
        checks=json.loads(row.checks),
        time=row.time,
        gate=row.gate,
        environment=row.environment,
        by=row.by,
        verified=bool(row.verified),
    )
