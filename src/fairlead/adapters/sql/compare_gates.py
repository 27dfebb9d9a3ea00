"""Compares the evidence of gates, and the rules of environments, with the event log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.evidence import is_sound
from fairlead.adapters.sql.schema import events
from fairlead.adapters.sql.schema_releases import environments, gate_evidence
from fairlead.adapters.sql.stored import as_text
from fairlead.core.digests import digest_bytes, read_canonical


def gate_differences(connection: sa.Connection) -> Iterator[str]:
    """Yield, in words, each place where evidence or rules and the log do not say the same.

    Args:
        connection: A reading transaction.
    """
    yield from _evidence(connection)
    yield from _rules(connection)


def _evidence(connection: sa.Connection) -> Iterator[str]:
    named: set[tuple[str, str]] = set()
    before: set[tuple[str, str]] = set()
    for chain, data in _said(connection, "gate.finished"):
        if "evidence" in data:
            named.add((chain, str(data["evidence"])))
        else:
            before.add((chain, str(data.get("conclusion"))))
    there = set()
    for row in connection.execute(sa.select(gate_evidence).order_by(gate_evidence.c.id)).all():
        chain = f"release:{row.release}"
        there.add((chain, row.digest))
        known = (chain, row.digest) in named
        if not row.digest:
            # It is older than digests, and so is its event.
            known = (chain, row.conclusion) in before
        if not known or not is_sound(row):
            what = f"gate {as_text(row.gate)} on release {as_text(row.release)[:12]}"
            yield f"evidence {row.id} of {what} is not as its event says"
    for chain, name in sorted(named - there):
        yield f"evidence {name[:12]} of {chain[:20]} is on record no more"


def _rules(connection: sa.Connection) -> Iterator[str]:
    said = {
        (chain.removeprefix("rules:"), data.get("number")): data
        for chain, data in _said(connection, "environment.changed")
    }
    for row in connection.execute(sa.select(environments)).all():
        data = said.pop((row.name, row.number), {})
        kept = (row.digest, row.by, row.reason)
        whole = isinstance(row.rules, str) and digest_bytes(row.rules.encode()) == row.digest
        if not whole or kept != (data.get("rules"), data.get("by"), data.get("reason")):
            what = f"rules {row.number} of environment {as_text(row.name)}"
            yield f"{what} are not as their event says"
    for name, number in said:
        yield f"rules {number} of environment {name} are on record no more"


def _said(connection: sa.Connection, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield chain and data of each event of a type; what somebody wrote over says nothing."""
    query = sa.select(events.c.chain, events.c.data).where(events.c.type == kind)
    for row in connection.execute(query.order_by(events.c.chain, events.c.sequence)):
        try:
            data = read_canonical(row.data)
        except (TypeError, ValueError):
            continue
        if isinstance(data, dict):
            yield row.chain, data
