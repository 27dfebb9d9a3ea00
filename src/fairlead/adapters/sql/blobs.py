"""Payloads, kept once under their digest."""

from __future__ import annotations

import json

import sqlalchemy as sa

from fairlead.adapters.sql.schema import blobs
from fairlead.core.digests import Json, canonical_json, digest_bytes
from fairlead.core.errors import StoreCorrupt


def put_json(connection: sa.Connection, value: Json, at: float) -> str:
    """Store a JSON value, unless it is there, and return its digest."""
    data = canonical_json(value).encode()
    name = digest_bytes(data)
    there = connection.execute(sa.select(blobs.c.digest).where(blobs.c.digest == name)).first()
    if there is None:
        connection.execute(sa.insert(blobs).values(digest=name, data=data, created_at=at))
    return name


def get_json(connection: sa.Connection, name: str | None) -> Json:
    """Return a JSON value by its digest; None for None."""
    if name is None:
        return None
    data = connection.execute(sa.select(blobs.c.data).where(blobs.c.digest == name)).scalar()
    if data is None or digest_bytes(data) != name:
        what = "is not there" if data is None else "was changed"
        raise StoreCorrupt(f"the payload {name[:12]} {what}", payload=name)
    return json.loads(data)
