"""Migrations: what all of them lead to, on each database, whoever else opens it at that moment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

from fairlead.adapters.sql import (
    schema,
    schema_bounds,
    schema_delivery,
    schema_memory,
    schema_releases,
)
from fairlead.adapters.sql.database import SCHEMA_VERSION, Database
from fairlead.adapters.sql.documents import SqlDocumentStore
from fairlead.adapters.sql.memory import SqlMemoryStore
from fairlead.adapters.sql.migrations import known_versions, upgrade
from fairlead.adapters.sql.migrations.versions import v0013_pairs
from fairlead.core.errors import StoreTooNew
from fairlead.core.grounding import Passage
from fairlead.core.memory import MemoryQuery, Note, Reader
from fairlead.core.text import stem
from fairlead.ports.documents import Document, Query
from fairlead.ports.memory import Search
from fairlead.testing import FakeClock
from fairlead.testing.postgres import PostgresServer
from tests.databases import KINDS

# What belongs to the search index and is made by hand.
BY_HAND = (
    "passages_fts",
    "passages_words",
    "memories_fts",
    "memories_words",
    "memory_vectors",
    "alembic_version",
)

OPERATOR = Reader(tenant="acme", app="desk")

OPEN = """
import sys
from fairlead.adapters.dbos.queue import DbosRunQueue
from fairlead.adapters.sql.database import Database
print("ready", flush=True)
sys.stdin.readline()
database = Database(sys.argv[1])
engine = database.make_engine(immediate=False)
queue = DbosRunQueue(database.url, engine)
with database.transaction() as connection:
    queue.start(connection, sys.argv[2], "worker", "code")
queue.close()
engine.dispose()
database.close()
"""


@pytest.fixture(params=KINDS)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database that has nothing in it."""
    if request.param == "sqlite":
        (tmp_path / "fairlead.db").touch()
        yield f"sqlite:///{tmp_path}/fairlead.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


def test_the_newest_version_is_the_one_that_the_code_names() -> None:
    assert max(known_versions()) == SCHEMA_VERSION


def test_the_migrations_lead_to_the_tables_that_the_code_uses(empty: str) -> None:
    def ours(_: object, name: str | None, kind: str, *__: object) -> bool:
        # SQLite does not tell of an index which of its columns count downwards.
        if kind == "index" and name == "runs_by_queue":
            return False
        return not (kind == "table" and str(name).startswith(BY_HAND))

    assert schema_bounds.metadata is schema_releases.metadata is schema.metadata
    assert schema_memory.metadata is schema_delivery.metadata is schema.metadata
    database = Database(empty)
    with closing(database), database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_object": ours, "compare_type": False}
        )
        assert compare_metadata(context, schema.metadata) == []


@pytest.mark.postgresql
def test_no_text_has_a_length_that_sqlite_does_not_know(postgres: PostgresServer) -> None:
    limited = sa.text(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = "
        "'public' AND character_maximum_length IS NOT NULL AND table_name <> 'alembic_version'"
    )
    with postgres.database("template_fairlead") as url:
        database = Database(url)
        with database.reading() as connection:
            assert connection.execute(limited).all() == []
        database.close()


def test_the_first_migration_does_not_look_at_what_came_later(empty: str) -> None:
    later = sa.Table("of_a_later_version", schema.metadata, sa.Column("id", sa.Integer))
    try:
        database = Database(empty)
        with database.engine.connect() as connection:
            assert "of_a_later_version" not in sa.inspect(connection).get_table_names()
        database.close()
    finally:
        schema.metadata.remove(later)


def test_an_old_database_is_brought_up_to_date(empty: str) -> None:
    made = Database(empty)
    with made.transaction() as connection:
        for table in reversed(sa.inspect(connection).get_table_names()):
            if not table.startswith(("passages_fts_", "memories_fts_")):
                cascade = " CASCADE" if connection.dialect.name == "postgresql" else ""
                connection.execute(sa.text(f'DROP TABLE IF EXISTS "{table}"{cascade}'))
        for view in sa.inspect(connection).get_view_names():
            connection.execute(sa.text(f'DROP VIEW "{view}"'))
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("DROP FUNCTION IF EXISTS fairlead_member"))
    with made.transaction() as connection:
        upgrade(connection, to="0001")
    made.close()
    again = Database(empty)
    with again.reading() as connection:
        version = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
        assert connection.execute(sa.select(schema.runs)).all() == []
    assert version == SCHEMA_VERSION
    again.close()


def test_a_database_of_a_newer_version_is_refused(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreTooNew, match="9999"):
        Database(database.url)


def test_processes_that_open_a_new_database_at_once_all_succeed(empty: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, empty, f"run{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, "\n".join(said)


def test_what_was_written_before_pairs_were_indexed_is_found(empty: str) -> None:
    """Words of a version that took a run of Chinese or Japanese for one word."""
    made = Database(empty)
    SqlMemoryStore(made, FakeClock()).write(
        OPERATOR, [Note(kind="semantic", text=text) for text in ("東京都に住む", "A needle")]
    )
    passage = Passage(collection="kb", document="a.md", title="a", start=0, end=4, text="返品可能")
    kept = Document(path="a.md", title="a", text="返品可能", digest="d", passages=(passage,))
    SqlDocumentStore(made).replace("acme", "kb", [kept])
    with made.transaction() as connection:
        _index_as_before(connection)
        with Operations.context(MigrationContext.configure(connection)):
            v0013_pairs.upgrade()
    made.close()
    again = Database(empty)
    store = SqlMemoryStore(again, FakeClock())
    for asked, found in (("東京", ["東京都に住む"]), ("needle", ["A needle"])):
        query = MemoryQuery(text=asked, kinds=("semantic",))
        search = Search(terms={stem(asked): asked})
        assert [one.text for one in store.candidates(OPERATOR, query, search).found] == found
    wanted = Query(text="可能", tenant="acme", collections=("kb",), top_k=3)
    assert [hit.passage.document for hit in SqlDocumentStore(again).search(wanted)] == ["a.md"]
    again.close()


def _index_as_before(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            "UPDATE memories_words SET words = replace(words::text, '東京', 'x')::tsvector"
        )
        connection.exec_driver_sql(
            "UPDATE passages_words SET words = replace(words::text, '可能', 'x')::tsvector"
        )
        return
    for table, number in (("memories", "number"), ("passages", "id")):
        index = f"{table}_fts"
        columns = "tags, text, meta" if table == "memories" else "scope, title, text"
        for name in ("insert", "delete", "update"):
            connection.exec_driver_sql(f"DROP TRIGGER {index}_{name}")
        connection.exec_driver_sql(f"DROP TABLE {index}")
        connection.exec_driver_sql(f"DROP VIEW {index}_rows")
        connection.exec_driver_sql(
            f"CREATE VIRTUAL TABLE {index} USING fts5({columns}, content = '{table}', "
            f"content_rowid = '{number}', tokenize = 'porter unicode61 remove_diacritics 2')"
        )
        connection.exec_driver_sql(f"INSERT INTO {index} ({index}) VALUES ('rebuild')")
        for name in ("insert", "delete", "update"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER {index}_{name} AFTER DELETE ON {table} BEGIN SELECT 1; END"
            )
