"""Payloads, kept once under their digest."""

from __future__ import annotations

import json

import sqlalchemy as sa

from fairlead.adapters.sql.schema import blobs
from fairlead.adapters.sql.schema_memory import erased_blobs
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
_ERASED = sa.exists().where(erased_blobs.c.digest == sa.bindparam("name"))
_HELD = Statement(
    sa.select(blobs.c.digest, _ERASED.label("erased"))
    .where(blobs.c.digest == sa.bindparam("name"))
    .with_for_update(read=True, of=blobs)
)
_IS_ERASED = sa.select(erased_blobs.c.digest)


def put_json(connection: sa.Connection, value: Json, at: float) -> str:
    """Store a JSON value, unless it is there, and return its digest."""
    data = canonical_json(value).encode()
    name = digest_bytes(data)
    # Shared, until the caller's transaction ends: nobody removes what it is about to refer to.
    held = {"name": name}
    if len(data) > _SENT_UNASKED:
        found = _HELD.send(connection, held).first()
        if found is not None and not found.erased:
            return name
    row = {"digest": name, "data": data, "created_at": at}
    # What this transaction inserts is locked by that, and nobody sees it before the end. What was
    # there may be removed between the two statements.
    while _PUT.send(connection, row).first() is None:
        found = _HELD.send(connection, held).first()
        if found is not None:
            if found.erased:
                _put_whole(connection, name, data)
            break
    return name


def _put_whole(connection: sa.Connection, name: str, data: bytes) -> None:
    """Store a payload anew out of which something was erased: whoever stores it now means it."""
    connection.execute(sa.update(blobs).where(blobs.c.digest == name).values(data=data))
    connection.execute(sa.delete(erased_blobs).where(erased_blobs.c.digest == name))


def get_json(connection: sa.Connection, name: str | None) -> Json:
    """Return a JSON value by its digest; None for None."""
    if name is None:
        return None
    data = _GET.send(connection, {"name": name}).scalar()
    if data is None or (digest_bytes(data) != name and not is_erased(connection, name)):
        what = "is not there" if data is None else "was changed"
        raise StoreCorrupt(f"the payload {name[:12]} {what}", payload=name)
    return json.loads(data)


def is_erased(connection: sa.Connection, name: str) -> bool:
    """Say whether something was erased out of a payload, which so does not fit its name."""
    return connection.execute(_IS_ERASED.where(erased_blobs.c.digest == name)).first() is not None
