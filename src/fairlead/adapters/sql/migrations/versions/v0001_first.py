"""The first schema, frozen: later changes are later migrations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

metadata = sa.MetaData()


blobs = sa.Table(
    "blobs",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("workflow", sa.String(100), nullable=False),
    sa.Column("release", sa.String(64), nullable=False),
    sa.Column("code_digest", sa.String(64), nullable=False),
    sa.Column("tenant", sa.String(100), nullable=False),
    sa.Column("user", sa.String(200), nullable=False),
    sa.Column("purpose", sa.String(20), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("input_digest", sa.String(64), nullable=False),
    sa.Column("outcome_digest", sa.String(64)),
    sa.Column("reason", sa.Text),
    sa.Column("takeovers", sa.Integer, nullable=False, default=0),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("started_at", sa.Float),
    sa.Column("finished_at", sa.Float),
    sa.Index("runs_by_time", "created_at"),
    sa.Index("runs_by_state", "state", "release"),
)

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("key", sa.String(100), primary_key=True),
    sa.Column("run_id", sa.String(40), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("effect", sa.String(20), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("arguments_digest", sa.String(64), nullable=False),
    sa.Column("result_digest", sa.String(64)),
    sa.Column("attempts", sa.Integer, nullable=False, default=1),
    sa.Column("input_tokens", sa.Integer, nullable=False, default=0),
    sa.Column("output_tokens", sa.Integer, nullable=False, default=0),
    sa.Column("cost_usd", sa.Float, nullable=False, default=0.0),
    sa.Column("reason", sa.Text),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("finished_at", sa.Float),
    sa.Index("calls_by_run", "run_id", "number"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("chain", sa.String(100), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("type", sa.String(60), nullable=False),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Index("events_by_time", "time"),
)

releases = sa.Table(
    "releases",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("app", sa.String(100), nullable=False),
    sa.Column("code_digest", sa.String(64), nullable=False),
    sa.Column("bundle_digest", sa.String(64), nullable=False),
    sa.Column("manifest", sa.Text, nullable=False),
    sa.Column("bad", sa.Boolean, nullable=False, default=False),
    sa.Column("created_at", sa.Float, nullable=False),
)

gate_evidence = sa.Table(
    "gate_evidence",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("release", sa.String(64), nullable=False),
    sa.Column("conclusion", sa.String(20), nullable=False),
    sa.Column("checks", sa.Text, nullable=False),
    sa.Column("time", sa.Float, nullable=False),
)

activations = sa.Table(
    "activations",
    metadata,
    sa.Column("environment", sa.String(60), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("release", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("by", sa.String(200), nullable=False),
    sa.Column("time", sa.Float, nullable=False),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("code_digest", sa.String(64), nullable=False),
    sa.Column("host", sa.String(200), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("heartbeat_at", sa.Float, nullable=False),
    sa.Column("stopped_at", sa.Float),
)

documents = sa.Table(
    "documents",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("tenant", sa.String(100), nullable=False),
    sa.Column("collection", sa.String(100), nullable=False),
    sa.Column("path", sa.String(500), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.UniqueConstraint("tenant", "collection", "path", name="documents_by_path"),
)

passages = sa.Table(
    "passages",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("document_id", sa.Integer, sa.ForeignKey("documents.id"), nullable=False),
    sa.Column("scope", sa.String(40), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("start", sa.Integer, nullable=False),
    sa.Column("end", sa.Integer, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Index("passages_by_document", "document_id"),
)

# The index holds no text of its own: it reads the columns of `passages`, and triggers keep it in
# step with that table, so no writer can forget it.
_SQLITE: tuple[str, ...] = (
    """
    CREATE VIRTUAL TABLE passages_fts USING fts5(
        scope, title, text,
        content = 'passages', content_rowid = 'id',
        tokenize = 'porter unicode61 remove_diacritics 2'
    )
    """,
    """
    CREATE TRIGGER passages_fts_insert AFTER INSERT ON passages BEGIN
        INSERT INTO passages_fts (rowid, scope, title, text)
        VALUES (new.id, new.scope, new.title, new.text);
    END
    """,
    """
    CREATE TRIGGER passages_fts_delete AFTER DELETE ON passages BEGIN
        INSERT INTO passages_fts (passages_fts, rowid, scope, title, text)
        VALUES ('delete', old.id, old.scope, old.title, old.text);
    END
    """,
    """
    CREATE TRIGGER passages_fts_update AFTER UPDATE ON passages BEGIN
        INSERT INTO passages_fts (passages_fts, rowid, scope, title, text)
        VALUES ('delete', old.id, old.scope, old.title, old.text);
        INSERT INTO passages_fts (rowid, scope, title, text)
        VALUES (new.id, new.scope, new.title, new.text);
    END
    """,
)

_POSTGRESQL: tuple[str, ...] = (
    # Our own words and not the server's, so that both databases find the same.
    """
    CREATE TABLE passages_words (
        passage_id INTEGER PRIMARY KEY REFERENCES passages (id) ON DELETE CASCADE,
        words TSVECTOR NOT NULL
    )
    """,
    "CREATE INDEX passages_words_by_word ON passages_words USING gin (words)",
    # A member of an object as text; NULL when the text is no JSON or holds no such member, because
    # somebody may have written over it. NUL is read as it is stored in every other column.
    r"""
    CREATE FUNCTION fairlead_member(data TEXT, name TEXT) RETURNS TEXT
    LANGUAGE plpgsql IMMUTABLE STRICT AS $$
    BEGIN
        RETURN regexp_replace(
            data, '(?<!\\)((\\\\)*)\\u0000', '\1\\ufffd', 'g'
        )::json ->> name;
    EXCEPTION WHEN others THEN
        RETURN NULL;
    END $$
    """,
)


def upgrade() -> None:
    """Create all tables and the search index."""
    connection = op.get_bind()
    server = connection.dialect.name == "postgresql"
    if server:
        # A length is a remark on SQLite and a limit here; what the one keeps, the other keeps too.
        for column in (column for table in metadata.tables.values() for column in table.columns):
            if isinstance(column.type, sa.String):
                column.type = sa.Text()
    metadata.create_all(connection)
    for statement in _POSTGRESQL if server else _SQLITE:
        connection.exec_driver_sql(statement)
