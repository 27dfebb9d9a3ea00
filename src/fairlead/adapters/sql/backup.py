"""What a store holds, counted in the same way when it is backed up and when it is restored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from fairlead.adapters.sql.database import SCHEMA_VERSION
from fairlead.adapters.sql.memory_pgvector import VECTORS
from fairlead.adapters.sql.schema import blobs, events, metadata, runs, workers
from fairlead.adapters.sql.schema_releases import archives
from fairlead.core.backup import Content, Heads, Manifest, differences, heads_digest
from fairlead.core.digests import digest_bytes
from fairlead.core.errors import BackupTooNew, RestoreUnsound
from fairlead.core.outcome import OPEN_STATES
from fairlead.ports.backup import Standing

ENGINE = "dbos"
"""Where PostgreSQL has the engine's tables; SQLite has them beside ours."""

BY_HAND = frozenset(("alembic_version", "passages_words", "memories_words", VECTORS))
"""Tables of ours on PostgreSQL that no schema module describes."""

NAMED_MAX = 5
"""Differences that an error names; there may be one for each table."""

_PAYLOADS = 16
"""Payloads in memory at a time; each may have ten million bytes."""


def ours(connection: sa.Connection) -> list[str]:
    """Return our tables on PostgreSQL; what else somebody made there is left alone.

    Args:
        connection: A transaction.
    """
    known = {*metadata.tables, *BY_HAND}
    return sorted(known & set(sa.inspect(connection).get_table_names()))


def engines(connection: sa.Connection) -> list[str]:
    """Return the engine's tables on PostgreSQL.

    Args:
        connection: A transaction.
    """
    return sorted(sa.inspect(connection).get_table_names(schema=ENGINE))


def content_of(connection: sa.Connection) -> Content:
    """Count what a store holds.

    Args:
        connection: A transaction on one consistent view, of a store of any version.
    """
    if connection.dialect.name == "sqlite":
        schema = None
        names = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' "
            "ESCAPE '~' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
        )
        tables = {name: sa.table(name) for name in names.scalars()}
        sequences: dict[str, int] = {}
    else:
        schema = ENGINE
        tables = {name: sa.table(name) for name in ours(connection)}
        tables |= {
            f"{ENGINE}.{name}": sa.table(name, schema=ENGINE) for name in engines(connection)
        }
        sequences = _sequences(connection)
    rows = {
        name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for name, table in tables.items()
    }
    migrations = sa.table("dbos_migrations", sa.column("version", sa.Integer), schema=schema)
    versions = sa.table("alembic_version", sa.column("version_num", sa.Text))
    return Content(
        kind="sqlite" if schema is None else "postgresql",
        schema=connection.execute(sa.select(versions.c.version_num)).scalar() or "none",
        engine=connection.execute(sa.select(sa.func.max(migrations.c.version))).scalar() or 0,
        tables=rows,
        sequences=sequences,
        heads=_heads(connection),
    )


def _heads(connection: sa.Connection) -> Heads:
    last = (
        sa.select(events.c.chain, sa.func.max(events.c.sequence).label("sequence"))
        .group_by(events.c.chain)
        .subquery()
    )
    place = (events.c.chain == last.c.chain) & (events.c.sequence == last.c.sequence)
    # In the order of bytes on both, whatever the database's own order is.
    order = events.c.chain.collate("BINARY" if connection.dialect.name == "sqlite" else "C")
    found = connection.execute(
        sa.select(events.c.chain, events.c.sequence, events.c.hash)
        .join(last, place)
        .order_by(order)
    ).yield_per(1000)
    chains, digest = heads_digest((row.chain, row.sequence, row.hash) for row in found)
    total = connection.execute(sa.select(sa.func.count()).select_from(events)).scalar_one()
    return Heads(events=total, chains=chains, digest=digest)


def _sequences(connection: sa.Connection) -> dict[str, int]:
    # A sequence is in no snapshot; read after the others it is never below what a row has.
    found = connection.exec_driver_sql(
        "SELECT schemaname, schemaname = current_schema() AS own, sequencename, last_value "
        "FROM pg_sequences WHERE schemaname IN (current_schema(), %s) AND last_value IS NOT NULL",
        (ENGINE,),
    )
    return {
        (row.sequencename if row.own else f"{row.schemaname}.{row.sequencename}"): row.last_value
        for row in found
    }


def same_as(manifest: Manifest, connection: sa.Connection) -> None:
    """Refuse a restored store that does not hold what its backup says.

    Args:
        manifest: The backup's.
        connection: A transaction on what was restored.

    Raises:
        RestoreUnsound: It does not.
    """
    found = differences(manifest.content, content_of(connection))
    if found:
        said = "; ".join(found[:NAMED_MAX])
        raise RestoreUnsound(f"what was restored is not what the backup says: {said}")


def known(manifest: Manifest) -> None:
    """Refuse a backup of a schema that this version does not know.

    Args:
        manifest: The backup's.

    Raises:
        BackupTooNew: It does not.
    """
    from fairlead.adapters.sql.migrations import known_versions

    if manifest.content.schema not in known_versions():
        raise BackupTooNew(
            f"the backup has schema {manifest.content.schema} and was written by Fairlead "
            f"{manifest.fairlead}; this version knows up to {SCHEMA_VERSION}"
        )


def broken_payloads(connection: sa.Connection) -> Iterator[str]:
    """Yield each payload that is not what its name says.

    Args:
        connection: A transaction.
    """
    for row in connection.execute(sa.select(blobs.c.digest, blobs.c.data)).yield_per(_PAYLOADS):
        if digest_bytes(row.data) != row.digest:
            yield f"the payload {row.digest[:12]} was changed"
    if not sa.inspect(connection).has_table(archives.name):
        return  # The backup is older than archives.
    for row in connection.execute(sa.select(archives.c.digest, archives.c.data)).yield_per(1):
        if digest_bytes(row.data) != row.digest:
            yield f"the archive {row.digest[:12]} was changed"


def standing_of(
    connection: sa.Connection, now: sa.ColumnElement[float], lease_s: float
) -> Standing:
    """Say what stands in a store; one without our tables holds nothing.

    Args:
        connection: A transaction.
        now: The database's clock.
        lease_s: Seconds for which a worker's lease holds.
    """
    there = set(sa.inspect(connection).get_table_names())
    if "alembic_version" not in there:
        return Standing(there=bool(there))

    def count(table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
        if table.name not in there:
            return 0
        query = sa.select(sa.func.count()).select_from(table).where(*conditions)
        return int(connection.execute(query).scalar_one())

    living = (workers.c.stopped_at.is_(None), workers.c.heartbeat_at >= now - lease_s)
    return Standing(
        there=True,
        runs=count(runs),
        alive=count(runs, runs.c.state.in_(sorted(OPEN_STATES))),
        events=count(events),
        workers=count(workers, *living),
    )


def quoted(connection: sa.Connection, name: str) -> str:
    """Return a table's name for a statement; with a dot, the schema stands before it.

    Args:
        connection: A connection to the database.
        name: As the manifest has it.
    """
    quote = connection.dialect.identifier_preparer.quote_identifier
    return ".".join(map(quote, name.split(".")))


def in_order(connection: sa.Connection, names: Sequence[str]) -> list[str]:
    """Return tables so that whatever a row refers to is there before it.

    Args:
        connection: A transaction on PostgreSQL.
        names: As the manifest has them.
    """
    inspector = sa.inspect(connection)
    sorted_names: list[str] = []
    for schema, prefix in ((None, ""), (ENGINE, f"{ENGINE}.")):
        for table, _ in inspector.get_sorted_table_and_fkc_names(schema=schema):
            if table is not None and f"{prefix}{table}" in names:
                sorted_names.append(f"{prefix}{table}")
    return sorted_names
