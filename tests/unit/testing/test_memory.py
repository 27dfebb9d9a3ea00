"""The store in a dict shows a test what it was told. Its rules are held by the published suite."""

from __future__ import annotations

import pytest

from fairlead.core.event import Fact
from fairlead.core.memory import Note, Reader
from fairlead.core.vectors import unit
from fairlead.ports.memory import Change, MemoryStore, Stamp
from fairlead.testing import FakeClock, FakeMemoryStore

ADA = Reader(tenant="acme", app="desk", user="ada")


def said(text: str) -> Note:
    return Note(kind="semantic", text=text)


def fact(kind: str) -> Fact:
    return Fact(chain="memory:acme", type=kind, data={})


def test_it_is_a_memory_store() -> None:
    store: MemoryStore = FakeMemoryStore(FakeClock())
    assert store.write(ADA, []) == []


def test_it_shows_items_reads_and_facts() -> None:
    store = FakeMemoryStore(FakeClock())
    (one,) = store.write(ADA, [said("A lamp")], Stamp(fact=fact("memory.added")))
    store.note_reads("r1", 2, [one.id, one.id])
    gone = Change(by="user:ada", reason="a test", fact=fact("memory.forgotten"))
    store.settle(ADA, [one.id], "forgotten", gone)
    store.settle(ADA, [one.id], "forgotten", gone)
    store.drop_overlay("desk", "d1", Change(by="a", reason="b", fact=fact("memory.dropped")))
    assert {kept.id: kept.state for kept in store.kept.values()} == {one.id: "forgotten"}
    assert store.reads == [(one.id, "r1", 2)]
    assert [said.type for said in store.facts] == ["memory.added", "memory.forgotten"]


def test_a_write_that_fails_leaves_nothing() -> None:
    store = FakeMemoryStore(FakeClock())
    with pytest.raises(ValueError, match="1 vectors for 2 notes"):
        store.write(ADA, [said("One"), said("Two")], Stamp(vectors=[unit([1.0])]))
    assert (store.kept, store.facts) == ({}, [])
