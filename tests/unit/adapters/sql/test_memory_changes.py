"""Changes of memory say so in the event log, in the same transaction, and only when there are."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import SqlEventLog
from fairlead.adapters.sql.memory import SqlMemoryStore
from fairlead.adapters.sql.memory_changes import purge
from fairlead.adapters.sql.schema_memory import memories, memory_lineage, memory_reads
from fairlead.core.event import Fact
from fairlead.core.memory import Note, Provenance, Reader
from fairlead.core.vectors import unit
from fairlead.ports.memory import Change, Stamp
from fairlead.testing import FakeClock

ADA = Reader(tenant="acme", app="desk", user="ada")
TRIAL = replace(ADA, overlay="d1")


@pytest.fixture
def store(database: Database) -> SqlMemoryStore:
    return SqlMemoryStore(database, FakeClock())


@pytest.fixture
def log(database: Database) -> SqlEventLog:
    return SqlEventLog(database, FakeClock())


def said(text: str, **other: object) -> Note:
    return Note(**{"kind": "semantic", "text": text, **other})  # type: ignore[arg-type]


def change(kind: str) -> Change:
    fact = Fact(chain="memory:acme", type=kind, data={})
    return Change(by="user:ada", reason="a test", fact=fact)


def kinds(log: SqlEventLog) -> list[str]:
    return [event.type for event in log.list()]


def test_each_change_is_an_event(store: SqlMemoryStore, log: SqlEventLog) -> None:
    added = Stamp(fact=Fact(chain="memory:acme", type="memory.added", data={}))
    (one,) = store.write(ADA, [said("One")], added)
    store.write(TRIAL, [said("Two")])
    store.settle(ADA, [one.id], "forgotten", change("memory.forgotten"))
    store.merge_overlay("desk", "d1", change("memory.merged"))
    store.write(TRIAL, [said("Three")])
    store.drop_overlay("desk", "d1", change("memory.dropped"))
    assert kinds(log) == ["memory.added", "memory.forgotten", "memory.merged", "memory.dropped"]


def test_what_changes_nothing_is_no_event(store: SqlMemoryStore, log: SqlEventLog) -> None:
    store.settle(ADA, ["m-none"], "forgotten", change("memory.forgotten"))
    store.merge_overlay("desk", "d1", change("memory.merged"))
    store.drop_overlay("desk", "d1", change("memory.dropped"))
    assert kinds(log) == []


def test_a_change_whose_event_fails_did_not_happen(
    store: SqlMemoryStore, log: SqlEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = store.write(ADA, [said("One")])
    store.write(TRIAL, [said("Two")])

    def fails(*_: object) -> None:
        raise RuntimeError("the log is full")

    for room in ("memory", "memory_changes"):
        monkeypatch.setattr(f"fairlead.adapters.sql.{room}.append", fails)
    for attempt in (
        lambda: store.settle(ADA, [one.id], "forgotten", change("memory.forgotten")),
        lambda: store.merge_overlay("desk", "d1", change("memory.merged")),
        lambda: store.drop_overlay("desk", "d1", change("memory.dropped")),
        lambda: store.write(ADA, [said("Three")], Stamp(fact=change("memory.added").fact)),
    ):
        with pytest.raises(RuntimeError):
            attempt()
    assert [(item.text, item.state, item.overlay) for item in store.each(TRIAL)] == [
        ("One", "active", ""),
        ("Two", "active", "d1"),
    ]
    assert not store.write(ADA, [said("One", subject="s")])[0].refused
    assert kinds(log) == []


def test_a_purge_leaves_no_row_behind(store: SqlMemoryStore, database: Database) -> None:
    """Neither of words, nor of vectors, lineage and reads; of others all stays."""
    stamp = Stamp(embedder="e", vectors=[unit([1.0, 2.0])])
    (gone,) = store.write(ADA, [said("Gone")], stamp)
    made = Provenance(derivation="x@1", derived_from=(gone.id,))
    (left,) = store.write(ADA, [said("Left", provenance=made)], stamp)
    store.note_reads("r1", 1, [gone.id, left.id])
    words = "memories_words" if database.engine.dialect.name == "postgresql" else "memories_fts"
    counted = [
        sa.select(sa.func.count()).select_from(table)
        for table in (sa.text(words), sa.text("memory_vectors"), memory_reads, memory_lineage)
    ]
    with database.transaction() as connection:
        before = [connection.execute(one).scalar_one() for one in counted]
        query = sa.select(memories.c.number).where(memories.c.id == gone.id)
        purge(connection, list(connection.execute(query).scalars()))
        after = [connection.execute(one).scalar_one() for one in counted]
    assert (before, after) == ([2, 2, 2, 1], [1, 1, 1, 0])
    assert [item.text for item in store.each(ADA)] == ["Left"]
