"""What is remembered: items, their vectors, lineage, readers, tombstones, erasures, exports."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

# The index holds no text of its own: it reads the columns of `memories`, and triggers keep it in
# step with that table, so no writer can forget it.
_SQLITE: tuple[str, ...] = (
    """
    CREATE VIRTUAL TABLE memories_fts USING fts5(
        tags, text, meta,
        content = 'memories', content_rowid = 'number',
        tokenize = 'porter unicode61 remove_diacritics 2'
    )
    """,
    """
    CREATE TRIGGER memories_fts_insert AFTER INSERT ON memories BEGIN
        INSERT INTO memories_fts (rowid, tags, text, meta)
        VALUES (new.number, new.tags, new.text, new.meta);
    END
    """,
    """
    CREATE TRIGGER memories_fts_delete AFTER DELETE ON memories BEGIN
        INSERT INTO memories_fts (memories_fts, rowid, tags, text, meta)
        VALUES ('delete', old.number, old.tags, old.text, old.meta);
    END
    """,
    """
    CREATE TRIGGER memories_fts_update AFTER UPDATE OF tags, text, meta ON memories BEGIN
        INSERT INTO memories_fts (memories_fts, rowid, tags, text, meta)
        VALUES ('delete', old.number, old.tags, old.text, old.meta);
        INSERT INTO memories_fts (rowid, tags, text, meta)
        VALUES (new.number, new.tags, new.text, new.meta);
    END
    """,
    """
    CREATE TABLE memory_vectors (
        number INTEGER PRIMARY KEY,
        scope TEXT NOT NULL,
        embedder TEXT NOT NULL,
        vector BLOB NOT NULL
    )
    """,
    "CREATE INDEX memory_vectors_by_scope ON memory_vectors (scope, embedder, number)",
)

_POSTGRESQL: tuple[str, ...] = (
    """
    CREATE TABLE memories_words (
        number INTEGER PRIMARY KEY REFERENCES memories (number) ON DELETE CASCADE,
        words TSVECTOR NOT NULL
    )
    """,
    "CREATE INDEX memories_words_by_word ON memories_words USING gin (words)",
)


def upgrade() -> None:
    """Create the tables, the search index, and the store's own key."""
    connection = op.get_bind()
    _items()
    _beside()
    _erasing()
    server = connection.dialect.name == "postgresql"
    for statement in _POSTGRESQL if server else _SQLITE:
        connection.exec_driver_sql(statement)
    keys = sa.table("memory_keys", sa.column("id"), sa.column("key", sa.LargeBinary))
    op.bulk_insert(keys, [{"id": 1, "key": secrets.token_bytes(32)}])


def _items() -> None:
    texts = (
        "id", "tenant", "app", "audience", "scope", "tags", "meta", "kind", "state", "subject",
        "predicate", "text", "label", "actor", "thread", "run_id", "release", "by", "source",
        "derivation", "likeness", "supersedes", "overlay", "embedder",
    )  # fmt: skip
    op.create_table(
        "memories",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        sa.Column("value", sa.Text),
        sa.Column("slot", sa.Text),
        sa.Column("write_key", sa.Text),
        sa.Column("valid_from", sa.Float(53), nullable=False),
        sa.Column("valid_to", sa.Float(53)),
        sa.Column("recorded_at", sa.Float(53), nullable=False),
        sa.Column("retired_at", sa.Float(53)),
        sa.Column("expires_at", sa.Float(53), nullable=False),
        *(
            sa.Column(name, sa.Integer, nullable=False)
            for name in ("place", "call", "seen", "schema")
        ),
    )
    op.create_index("memories_by_likeness", "memories", ["scope", "likeness"])
    op.create_index("memories_by_id", "memories", ["id"], unique=True)
    for name, columns, when, unique in (
        ("slot", ["slot", "retired_at"], "slot IS NOT NULL", False),
        ("key", ["write_key"], "write_key IS NOT NULL", True),
        ("overlay", ["overlay"], "overlay <> ''", False),
        ("place", ["thread", "scope", "place"], "thread <> ''", False),
        ("source", ["source", "tenant"], "source <> ''", False),
        ("run", ["run_id"], "run_id <> ''", False),
        ("subject", ["subject", "tenant"], "subject <> ''", False),
    ):
        op.create_index(
            f"memories_by_{name}",
            "memories",
            columns,
            unique=unique,
            sqlite_where=sa.text(when),
            postgresql_where=sa.text(when),
        )


def _beside() -> None:
    op.create_table(
        "memory_scopes",
        sa.Column("scope", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("tenant", "app", "audience")),
        sa.Column("written", sa.Integer, nullable=False),
        sa.Column("removed", sa.Integer, nullable=False),
    )
    op.create_index("memory_scopes_by_tenant", "memory_scopes", ["tenant", "app"])
    op.create_table(
        "memory_lineage",
        sa.Column("child", sa.Text, primary_key=True),
        sa.Column("parent", sa.Text, primary_key=True),
    )
    op.create_index("memory_lineage_by_parent", "memory_lineage", ["parent"])
    op.create_table(
        "memory_reads",
        sa.Column("item", sa.Text, primary_key=True),
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("call", sa.Integer, primary_key=True),
        sa.Column("read_at", sa.Float(53), nullable=False),
    )
    op.create_index("memory_reads_by_run", "memory_reads", ["run_id"])
    op.create_table(
        "memory_schemas",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("app", sa.Text, primary_key=True),
        sa.Column("schema", sa.Integer, primary_key=True),
        sa.Column("overlay", sa.Text, primary_key=True),
    )
    op.create_table(
        "memory_keys",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.LargeBinary, nullable=False),
    )


def _erasing() -> None:
    op.create_table(
        "memory_tombstones",
        sa.Column("digest", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("tenant", "reason", "by")),
        sa.Column("at", sa.Float(53), nullable=False),
    )
    op.create_index("memory_tombstones_by_tenant", "memory_tombstones", ["tenant"])
    texts = ("tenant", "selector", "stage", "by", "reason", "receipt", "holder")
    op.create_table(
        "erasures",
        sa.Column("id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        sa.Column("begun_at", sa.Float(53), nullable=False),
        sa.Column("ended_at", sa.Float(53)),
        sa.Column("held_until", sa.Float(53), nullable=False),
    )
    op.create_index("erasures_by_tenant", "erasures", ["tenant", "begun_at"])
    op.create_table(
        "erased_blobs",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("erasure", sa.Text, nullable=False),
    )
    op.create_table(
        "memory_exports",
        sa.Column("id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("tenant", "path", "digest", "by")),
        sa.Column("at", sa.Float(53), nullable=False),
    )
    op.create_table(
        "memory_exported",
        sa.Column("export", sa.Text, primary_key=True),
        sa.Column("item", sa.Text, primary_key=True),
    )
    op.create_index("memory_exported_by_item", "memory_exported", ["item"])
