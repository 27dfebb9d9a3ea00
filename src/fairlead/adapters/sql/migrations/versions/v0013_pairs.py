"""Chinese and Japanese in the search index, as pairs of characters."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from fairlead.adapters.sql.index_tsvector import vector_of

revision = "0013"
down_revision = "0012"

BATCH_ROWS = 1_000

# At least what `paired` cuts, as a class of characters.
_RUNS = (
    "[\u3005\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U000323af]"
)

# Each index with its table, the table's number, its columns, of which the first holds words of our
# own, and whose changes count. `paired` is a function of ours that each connection has; the view
# lets the index be made anew of the same words.
_INDEXES = (
    ("memories", "number", ("tags", "text", "meta"), " OF tags, text, meta"),
    ("passages", "id", ("scope", "title", "text"), ""),
)


def upgrade() -> None:
    """Make the words of the index anew where they are cut otherwise now."""
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        _memories(connection)
        _passages(connection)
        return
    for index in _INDEXES:
        for statement in _sqlite(*index):
            connection.exec_driver_sql(statement)


def _sqlite(table: str, number: str, columns: Sequence[str], of: str) -> Sequence[str]:
    index, named = f"{table}_fts", ", ".join(columns)

    def words(row: str) -> str:
        each = (f"paired({row}{one})" if one != columns[0] else f"{row}{one}" for one in columns)
        return ", ".join(each)

    insert = f"INSERT INTO {index} (rowid, {named}) VALUES (new.{number}, {words('new.')});"
    delete = (
        f"INSERT INTO {index} ({index}, rowid, {named}) "
        f"VALUES ('delete', old.{number}, {words('old.')});"
    )
    view = ", ".join(f"paired({one}) AS {one}" if one != columns[0] else one for one in columns)
    return (
        f"DROP TRIGGER {index}_insert",
        f"DROP TRIGGER {index}_delete",
        f"DROP TRIGGER {index}_update",
        f"DROP TABLE {index}",
        f"DROP VIEW IF EXISTS {index}_rows",
        f"CREATE VIEW {index}_rows AS SELECT {number}, {view} FROM {table}",
        f"CREATE VIRTUAL TABLE {index} USING fts5({named}, content = '{index}_rows', "
        f"content_rowid = '{number}', tokenize = 'porter unicode61 remove_diacritics 2')",
        f"CREATE TRIGGER {index}_insert AFTER INSERT ON {table} BEGIN {insert} END",
        f"CREATE TRIGGER {index}_delete AFTER DELETE ON {table} BEGIN {delete} END",
        f"CREATE TRIGGER {index}_update AFTER UPDATE{of} ON {table} BEGIN {delete} {insert} END",
        f"INSERT INTO {index} ({index}) VALUES ('rebuild')",
    )


def _memories(connection: sa.Connection) -> None:
    read = sa.text(
        "SELECT number, tags, meta, text FROM memories WHERE number > :behind "
        "AND (text ~ :runs OR meta ~ :runs) ORDER BY number LIMIT :most"
    )
    write = sa.text(
        "UPDATE memories_words SET words = CAST(:words AS tsvector) WHERE number = :number"
    )
    for rows in _batches(connection, read):
        words = [
            {"number": row[0], "words": vector_of(row.tags.split(), row.meta, row.text)}
            for row in rows
        ]
        connection.execute(write, words)


def _passages(connection: sa.Connection) -> None:
    read = sa.text(
        "SELECT id, scope, title, text FROM passages WHERE id > :behind "
        "AND (text ~ :runs OR title ~ :runs) ORDER BY id LIMIT :most"
    )
    write = sa.text(
        "UPDATE passages_words SET words = CAST(:words AS tsvector) WHERE passage_id = :number"
    )
    for rows in _batches(connection, read):
        words = [
            {"number": row[0], "words": vector_of([row.scope], row.title, row.text)} for row in rows
        ]
        connection.execute(write, words)


def _batches(connection: sa.Connection, read: sa.TextClause) -> Any:
    behind = 0
    while True:
        values = {"behind": behind, "runs": _RUNS, "most": BATCH_ROWS}
        rows = connection.execute(read, values).all()
        if not rows:
            return
        yield rows
        behind = rows[-1][0]
