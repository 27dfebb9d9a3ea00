"""Payloads, kept once under their digest."""

from __future__ import annotations

import json

import sqlalchemy as sa

from fairlead.adapters.sql.schema import blobs
from fairlead.adapters.sql.statement import Statement
from fairlead.core.digests import Json, canonical_json, digest_bytes
from fairlead.core.errors import StoreCorrupt

_SENT_UNASKED = 65_536
"""Bytes of a payload up to which it is cheaper to send it than to ask whether it is there."""

# Two transactions may store the same payload at the same moment.
_PUT = Statement(
    sa.text(
        "INSERT INTO blobs (digest, data, created_at) VALUES (:digest, :data, :created_at) "
        "ON CONFLICT (digest) DO NOTHING RETURNING digest"
    ).bindparams(sa.bindparam("data", type_=sa.LargeBinary))
)
_GET = Statement(sa.select(blobs.c.data).where(blobs.c.digest == sa.bindparam("name")))
_HELD = Statement(
    sa.select(blobs.c.digest)
    .where(blobs.c.digest == sa.bindparam("name"))
    .with_for_update(read=True)
)


def put_json(connection: sa.Connection, value: Json, at: float) -> str:
    """Store a JSON value, unless it is there, and return its digest."""
    data = canonical_json(value).encode()
    name = digest_bytes(data)
    # Shared, until the caller's transaction ends: nobody removes what it is about to refer to.
    held = {"name": name}
    if len(data) > _SENT_UNASKED and _HELD.send(connection, held).first() is not None:
        return name
    row = {"digest": name, "data": data, "created_at": at}
    # What this transaction inserts is locked by that, and nobody sees it before the end. What was
    # there may be removed between the two statements.
    while _PUT.send(connection, row).first() is None:
        if _HELD.send(connection, held).first() is not None:
            break
    return name


def get_json(connection: sa.Connection, name: str | None) -> Json:
    """Return a JSON value by its digest; None for None."""
    if name is None:
        return None
    data = _GET.send(connection, {"name": name}).scalar()
    if data is None or digest_bytes(data) != name:
        what = "is not there" if data is None else "was changed"
        raise StoreCorrupt(f"the payload {name[:12]} {what}", payload=name)
    return json.loads(data)
