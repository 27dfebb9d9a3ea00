"""A document is kept without secrets and without what was erased; all else keeps its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from fairlead.adapters.files.reader import FolderReader
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.documents import SqlDocumentStore
from fairlead.adapters.sql.erasures import SqlErasureStore
from fairlead.adapters.sql.memory import SqlMemoryStore
from fairlead.adapters.sql.schema import documents
from fairlead.adapters.sql.schema_memory import memory_tombstones
from fairlead.core.erasure import Target
from fairlead.core.memory import Note, Reader
from fairlead.guardrails.content import masked
from fairlead.guardrails.content.erasing import Eraser
from fairlead.memory.ingest import Ingestion
from fairlead.ports.documents import Query
from fairlead.ports.memory import Stamp
from fairlead.ports.runs import Order
from fairlead.testing import FakeClock, FakeEvents

KEY = "AKIA" + "Q7" * 8


def test_a_key_in_a_document_is_blanked_out(database: Database, tmp_path: Path) -> None:
    text = f"# Access\n\nThe store opens with {KEY} and a smile.\n"
    (tmp_path / "a.md").write_text(text)
    store = SqlDocumentStore(database)
    ingestion = Ingestion(
        source=FolderReader(max_bytes=10_000), store=store, events=FakeEvents(), mask=masked
    )
    ingestion.ingest("default", "notes", tmp_path)
    [hit] = store.search(Query(text="store", tenant="default", collections=("notes",), top_k=5))
    assert hit.passage.text == masked(text)[hit.passage.start : hit.passage.end]
    assert "opens with ******************** and a smile" in hit.passage.text


TEXT = "Ada Moor lives in Rue Blanche, flat 7"
CODE = "P-4471-ZQ98"


class Library:
    """Documents in a store in which something was erased."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.file = folder / "a.md"
        self.store = SqlDocumentStore(database)
        self.database = database
        clock = FakeClock()
        memory = SqlMemoryStore(database, clock)
        memory.write(Reader(tenant="acme", app="a"), [Note(kind="semantic", text=TEXT)], Stamp())
        self.erasures = SqlErasureStore(database, clock, Eraser)
        target = Target(ids=tuple(one.id for one in memory.each(Reader(tenant="acme", app="a"))))
        order = Order(by="ann", reason="asked for")
        self.erasures.begin("acme", "a", replace(target, values=(CODE,)), order)

    def ingest(self, text: str, tenant: str = "acme") -> str:
        """Ingest a text; return what is kept of it."""
        self.file.write_text(text)
        Ingestion(
            source=FolderReader(max_bytes=10_000),
            store=self.store,
            events=FakeEvents(),
            mask=masked,
            tombstones=self.erasures,
        ).ingest(tenant, "notes", self.file.parent)
        query = sa.select(documents.c.text).where(documents.c.tenant == tenant)
        with self.database.reading() as connection:
            return str(connection.execute(query).scalar_one())


@pytest.fixture
def library(database: Database, tmp_path: Path) -> Library:
    return Library(database, tmp_path)


def test_what_was_erased_is_blanked_out_of_what_is_ingested(library: Library) -> None:
    kept = library.ingest(f"# Moves\n\nBob left. {TEXT.upper()}! Code: {CODE}; Bob has 7.\n")
    assert kept == f"# Moves\n\nBob left. {'*' * len(TEXT)}! Code: {'*' * len(CODE)}; Bob has 7.\n"
    query = Query(text="code", tenant="acme", collections=("notes",), top_k=5)
    [hit] = library.store.search(query)
    assert hit.passage.text == kept[hit.passage.start : hit.passage.end]


def test_another_tenant_keeps_what_it_has(library: Library) -> None:
    assert CODE in library.ingest(f"Code {CODE}.\n", tenant="other")


def test_a_tombstone_that_does_not_say_its_words_is_looked_for_as_well(library: Library) -> None:
    with library.database.transaction() as connection:
        connection.execute(sa.update(memory_tombstones).values(words=None))
    assert CODE not in library.ingest(f"Code {CODE} and {TEXT}.\n")


def test_a_file_that_is_as_it_was_is_not_written_again(library: Library) -> None:
    library.ingest(f"Code {CODE}.\n")
    with library.database.transaction() as connection:
        connection.execute(sa.update(documents).values(text="Code [scrubbed]."))
    assert library.ingest(f"Code {CODE}.\n") == "Code [scrubbed]."
