"""Payloads, kept once under their digest."""

from __future__ import annotations

import json

import sqlalchemy as sa

from fairlead.adapters.sql.schema import blobs
from fairlead.core.digests import Json, canonical_json, digest_bytes
from fairlead.core.errors import StoreCorrupt

# Two transactions may store the same payload at the same moment.
_PUT = sa.text(
    "INSERT INTO blobs (digest, data, created_at) VALUES (:digest, :data, :created_at) "
    "ON CONFLICT (digest) DO NOTHING"
).bindparams(sa.bindparam("data", type_=sa.LargeBinary))


def put_json(connection: sa.Connection, value: Json, at: float) -> str:
    """Store a JSON value, unless it is there, and return its digest."""
    data = canonical_json(value).encode()
    name = digest_bytes(data)
    # Shared, until the caller's transaction ends: nobody removes what it is about to refer to.
    held = sa.select(blobs.c.digest).where(blobs.c.digest == name).with_for_update(read=True)
    if connection.execute(held).first() is None:
        connection.execute(_PUT, {"digest": name, "data": data, "created_at": at})
        connection.execute(held).first()
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
