"""Vectors on SQLite: what is kept in memory is bounded, and of a scope it is whole."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.adapters.sql import memory_blobs
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.memory import SqlMemoryStore
from fairlead.core.errors import VectorsUnavailable
from fairlead.core.label import Label
from fairlead.core.memory import MemoryQuery, Note, Reader
from fairlead.core.vectors import unit
from fairlead.ports.memory import Search, Stamp
from fairlead.testing import FakeClock

DICE = random.Random(1)


def vector() -> bytes:
    return unit([DICE.gauss(0, 1) for _ in range(16)])


def reader(name: str) -> Reader:
    return Reader(tenant="acme", app="desk", user=name)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlMemoryStore]:
    database = Database(f"sqlite:///{tmp_path}/a.db", synchronous="normal")
    yield SqlMemoryStore(database, FakeClock())
    database.close()


def write(store: SqlMemoryStore, name: str, many: int, subject: str = "") -> None:
    label = Label(readers=(f"tenant:acme/user:{name}",))
    notes = [
        Note(kind="semantic", text=f"{name} {one} {subject}", subject=subject, label=label)
        for one in range(many)
    ]
    store.write(reader(name), notes, Stamp(embedder="e", vectors=[vector() for _ in notes]))


def nearest(store: SqlMemoryStore, name: str, **other: object) -> list[str]:
    query = MemoryQuery(
        text="",
        kinds=("semantic",),
        vector=vector(),
        embedder="e",
        **other,  # type: ignore[arg-type]
    )
    found = store.candidates(reader(name), query, Search(terms={}, vector_max=5)).found
    return [one.text for one in found]


def kept(store: SqlMemoryStore) -> int:
    blobs = store._vectors
    assert isinstance(blobs, memory_blobs.MemoryBlobs)
    return sum(one.vectors.nbytes for one in blobs._kept.values())


def test_what_is_kept_is_bounded_and_the_answers_are_the_same(
    store: SqlMemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_blobs, "CACHE_BYTES_MAX", 2_000)
    names = [f"user{number}" for number in range(6)]
    for name in names:
        write(store, name, 12)
    for name in (*names, *names):
        found = nearest(store, name)
        assert len(found) == 5
        assert all(text.startswith(name) for text in found)
        assert kept(store) <= 2_000


def test_the_scope_that_was_asked_for_last_stays(
    store: SqlMemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even when it is larger than the bound."""
    monkeypatch.setattr(memory_blobs, "CACHE_BYTES_MAX", 100)
    write(store, "ada", 12)
    assert len(nearest(store, "ada")) == 5
    assert kept(store) == 12 * 16 * 4


def test_a_wide_subject_is_walked_and_a_narrow_one_looked_up(
    store: SqlMemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, "ada", 30, "s")
    write(store, "ada", 30, "t")
    for most in (20_000, 10):
        monkeypatch.setattr(memory_blobs, "NARROW_MAX", most)
        found = nearest(store, "ada", subject="s")
        assert len(found) == 5
        assert all(text.endswith(" s") for text in found)
        assert nearest(store, "ada", subject="none") == []


def test_without_numpy_vectors_are_refused_in_words(
    store: SqlMemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, "ada", 1)
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(VectorsUnavailable, match="numpy"):
        nearest(store, "ada")
