"""Vectors on PostgreSQL: made with the first one, and refused where pgvector is too old."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from fairlead.adapters.sql import memory_pgvector
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.memory import SqlMemoryStore
from fairlead.core.errors import VectorsUnavailable
from fairlead.core.memory import MemoryQuery, Note, Reader
from fairlead.core.vectors import unit
from fairlead.ports.memory import Search, Stamp
from fairlead.testing import FakeClock

ADA = Reader(tenant="acme", app="desk", user="ada")
NEAR = unit([1.0, 2.0])
STAMP = Stamp(embedder="e", vectors=[NEAR])
QUERY = MemoryQuery(text="", kinds=("semantic",), vector=NEAR, embedder="e")


@pytest.fixture
def server(database: Database) -> Database:
    if database.engine.dialect.name != "postgresql":
        pytest.skip("about PostgreSQL alone")
    return database


def said(text: str) -> Note:
    return Note(kind="semantic", text=text)


def test_without_a_vector_no_extension_is_needed(server: Database) -> None:
    store = SqlMemoryStore(server, FakeClock())
    store.write(ADA, [said("A lamp")])
    found = store.candidates(ADA, QUERY, Search(terms={"lamp": "lamp"})).found
    assert [(one.text, one.similarity) for one in found] == [("A lamp", None)]
    with server.reading() as connection:
        made = connection.execute(sa.text("SELECT to_regclass('memory_vectors')")).scalar()
    assert made is None
    store.write(ADA, [said("A kettle")], STAMP)
    (near,) = store.candidates(ADA, QUERY, Search(terms={})).found
    assert near.text == "A kettle"


def test_an_old_extension_is_refused_in_words_and_nothing_is_written(
    server: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_pgvector, "PGVECTOR_MIN", (99, 0))
    store = SqlMemoryStore(server, FakeClock())
    with pytest.raises(VectorsUnavailable, match="vectors need"):
        store.write(ADA, [said("A lamp")], STAMP)
    assert list(store.each(ADA)) == []
    store.write(ADA, [said("A lamp")])


def test_no_approximate_index_is_made(server: Database) -> None:
    store = SqlMemoryStore(server, FakeClock())
    store.write(ADA, [said("A lamp")], STAMP)
    query = "SELECT indexdef FROM pg_indexes WHERE tablename = 'memory_vectors'"
    with server.reading() as connection:
        made = connection.execute(sa.text(query)).scalars().all()
    assert made
    assert all("USING btree" in one for one in made)
