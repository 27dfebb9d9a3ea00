"""Tables of what is remembered. Times are seconds since 1970 in UTC."""

from __future__ import annotations

import sqlalchemy as sa

from fairlead.adapters.sql.schema import metadata

IN_SLOT = sa.text("slot IS NOT NULL")
WITH_KEY = sa.text("write_key IS NOT NULL")
IN_OVERLAY = sa.text("overlay <> ''")

memories = sa.Table(
    "memories",
    metadata,
    # The search index and the vectors know an item by this number.
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("app", sa.Text, nullable=False),
    sa.Column("audience", sa.Text, nullable=False),
    # Tenant, app and audience as one word; see memory_scopes.py.
    sa.Column("scope", sa.Text, nullable=False),
    # What the search index filters by, each as one word, and what it finds beside the text.
    sa.Column("tags", sa.Text, nullable=False),
    sa.Column("meta", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("predicate", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("value", sa.Text),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("valid_from", sa.Float(53), nullable=False),
    sa.Column("valid_to", sa.Float(53)),
    sa.Column("recorded_at", sa.Float(53), nullable=False),
    sa.Column("retired_at", sa.Float(53)),
    sa.Column("expires_at", sa.Float(53), nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("thread", sa.Text, nullable=False),
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("call", sa.Integer, nullable=False),
    sa.Column("release", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("derivation", sa.Text, nullable=False),
    # Subject and predicate within a scope: one item of each is current. Empty without a predicate.
    sa.Column("slot", sa.Text),
    # Keyed digest of what it says; an equal one in a scope says the same.
    sa.Column("likeness", sa.Text, nullable=False),
    sa.Column("supersedes", sa.Text, nullable=False),
    sa.Column("seen", sa.Integer, nullable=False),
    sa.Column("schema", sa.Integer, nullable=False),
    # The release whose trial it belongs to; empty once it belongs to all.
    sa.Column("overlay", sa.Text, nullable=False),
    sa.Column("embedder", sa.Text, nullable=False),
    sa.Column("write_key", sa.Text),
    sa.Index("memories_by_id", "id", unique=True),
    sa.Index("memories_by_likeness", "scope", "likeness"),
    sa.Index(
        "memories_by_slot", "slot", "retired_at", sqlite_where=IN_SLOT, postgresql_where=IN_SLOT
    ),
    sa.Index(
        "memories_by_key",
        "write_key",
        unique=True,
        sqlite_where=WITH_KEY,
        postgresql_where=WITH_KEY,
    ),
    sa.Index(
        "memories_by_overlay", "overlay", sqlite_where=IN_OVERLAY, postgresql_where=IN_OVERLAY
    ),
    # The tenant comes last: else a database takes it for a way to items that are named by id.
    *(
        sa.Index(
            f"memories_by_{name}",
            *columns,
            sqlite_where=sa.text(f"{columns[0]} <> ''"),
            postgresql_where=sa.text(f"{columns[0]} <> ''"),
        )
        for name, columns in (
            ("place", ("thread", "scope", "place")),
            ("source", ("source", "tenant")),
            ("run", ("run_id",)),
            ("subject", ("subject", "tenant")),
        )
    ),
)

memory_scopes = sa.Table(
    "memory_scopes",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("app", sa.Text, nullable=False),
    sa.Column("audience", sa.Text, nullable=False),
    # Counts its writes, so that a copy in memory knows when it is old; and what was removed.
    sa.Column("written", sa.Integer, nullable=False),
    sa.Column("removed", sa.Integer, nullable=False),
    sa.Index("memory_scopes_by_tenant", "tenant", "app"),
)

memory_lineage = sa.Table(
    "memory_lineage",
    metadata,
    sa.Column("child", sa.Text, primary_key=True),
    sa.Column("parent", sa.Text, primary_key=True),
    sa.Index("memory_lineage_by_parent", "parent"),
)

memory_reads = sa.Table(
    "memory_reads",
    metadata,
    # Which run got which item, and by which call: how far a bad item reached.
    sa.Column("item", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("call", sa.Integer, primary_key=True),
    sa.Column("read_at", sa.Float(53), nullable=False),
    sa.Index("memory_reads_by_run", "run_id"),
)

memory_tombstones = sa.Table(
    "memory_tombstones",
    metadata,
    # A keyed digest of what may not be remembered again; it has no end.
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", sa.Float(53), nullable=False),
    # How many words and symbols it has, by which it is found within a document; 0 for what is
    # refused as an item only, null when nobody knows.
    sa.Column("words", sa.Integer),
    sa.Index("memory_tombstones_by_tenant", "tenant"),
)

memory_schemas = sa.Table(
    "memory_schemas",
    metadata,
    # Which versions of an app's memory schema have written, for the range that a release reads.
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("app", sa.Text, primary_key=True),
    sa.Column("schema", sa.Integer, primary_key=True),
    sa.Column("overlay", sa.Text, primary_key=True),
)

memory_keys = sa.Table(
    "memory_keys",
    metadata,
    # The store's key for likenesses and tombstones; made with the table.
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("key", sa.LargeBinary, nullable=False),
)

erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    # What is to be erased, without the values themselves.
    sa.Column("selector", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("begun_at", sa.Float(53), nullable=False),
    sa.Column("ended_at", sa.Float(53)),
    # Counts and digests; see core/erasure.py.
    sa.Column("receipt", sa.Text, nullable=False),
    # Who works at it, until when nobody else may.
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("held_until", sa.Float(53), nullable=False),
    sa.Index("erasures_by_tenant", "tenant", "begun_at"),
)

erased_blobs = sa.Table(
    "erased_blobs",
    metadata,
    # Payloads out of which something was erased: they do not match their names any more.
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("erasure", sa.Text, nullable=False),
)

memory_exports = sa.Table(
    "memory_exports",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", sa.Float(53), nullable=False),
)

memory_exported = sa.Table(
    "memory_exported",
    metadata,
    sa.Column("export", sa.Text, primary_key=True),
    sa.Column("item", sa.Text, primary_key=True),
    sa.Index("memory_exported_by_item", "item"),
)
