"""Compares releases, their archives and where they come from with the event log."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.schema import events
from fairlead.adapters.sql.schema_releases import archives, releases
from fairlead.adapters.sql.stored import as_text
from fairlead.core.digests import digest_bytes

_MADE = ("release.created", "release.amended")


def release_differences(connection: sa.Connection) -> Iterator[str]:
    """Yield, in words, each place where releases and the log do not say the same.

    Args:
        connection: A reading transaction.
    """
    said = _said(connection)
    kept = dict(_archives(connection))
    query = sa.select(releases.c.digest, releases.c.archive, releases.c.provenance, releases.c.by)
    for row in connection.execute(query.order_by(releases.c.digest)):
        made = said.get(f"release:{row.digest}")
        what = f"release {as_text(row.digest)[:12]}"
        if made is None:
            yield f"{what} is on record, and no event says that it was made"
            continue
        if row.archive != made.get("archive"):
            yield f"{what} is not on record with the archive that its events say"
        elif row.archive is not None and row.archive not in kept:
            yield f"the archive of {what} is not there"
        if _json(row.provenance) != made.get("provenance"):
            yield f"{what} does not come from where its events say"
        if row.by != made.get("by"):
            yield f"{what} was not made by whom its events say"
    named = {made.get("archive") for made in said.values()}
    for name, whole in kept.items():
        if not whole:
            yield f"archive {as_text(name)[:12]} was changed"
        elif name not in named:
            yield f"archive {as_text(name)[:12]} is on record, and no event says of what"


def _said(connection: sa.Connection) -> Mapping[str, Mapping[str, Any]]:
    """Return what events say of each release, by chain; what came first counts."""
    found: dict[str, dict[str, Any]] = {}
    query = sa.select(events.c.chain, events.c.type, events.c.data)
    query = query.where(events.c.type.in_(_MADE)).order_by(events.c.chain, events.c.sequence)
    for row in connection.execute(query):
        data = _json(row.data)
        if not isinstance(data, dict):
            continue  # Somebody wrote over it, and what it should say is missed.
        if row.type == "release.created":
            found.setdefault(row.chain, data)
        elif row.chain in found:
            found[row.chain] = {**data, **found[row.chain]}
    return found


def _archives(connection: sa.Connection) -> Iterator[tuple[str, bool]]:
    """Yield the name of each archive, and whether it is what its name says."""
    query = sa.select(archives.c.digest, archives.c.data).order_by(archives.c.digest)
    for row in connection.execute(query).yield_per(1):
        data = row.data if isinstance(row.data, bytes) else b""
        yield row.digest, digest_bytes(data) == row.digest


def _json(text: Any) -> Any:
    try:
        return None if text is None else json.loads(text)
    except (TypeError, ValueError):
        return text
