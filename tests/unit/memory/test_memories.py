"""The way into memory and out of it: checked and embedded first, then whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import SqlEventLog
from fairlead.adapters.sql.memory import SqlMemoryStore
from fairlead.core.errors import (
    EmbedderFailed,
    FairleadError,
    MemoryInvalid,
    MemorySchemaOutOfRange,
    VectorNotFinite,
    VectorSizeWrong,
    VectorsMiscounted,
)
from fairlead.core.event import Fact
from fairlead.core.memory import (
    MEMORY_KINDS,
    QUERY_CHARS_MAX,
    TOP_K_MAX,
    MemoryQuery,
    Note,
    Reader,
)
from fairlead.core.memory_terms import MemoryTerms
from fairlead.core.vectors import pack, unit
from fairlead.memory.embedding import CheckedEmbedder
from fairlead.memory.memories import Memories
from fairlead.ports.embedder import Purpose
from fairlead.ports.memory import MemoryStore
from fairlead.testing import FakeClock, FakeMemoryStore

ADA = Reader(tenant="acme", app="desk", user="ada")


@dataclass
class FakeEmbedder:
    """Says how often each of four words comes; `breaks` makes it fail in a way of its own."""

    id: str = "count"
    dimensions: int | None = 5
    breaks: str = ""
    asked: list[tuple[str, Purpose]] = field(default_factory=list)

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Sequence[bytes]:
        self.asked += [(text, purpose) for text in texts]
        words = ("lamp", "kettle", "red", "blue")
        vectors = [unit([0.1, *(text.lower().count(word) for word in words)]) for text in texts]
        if self.breaks == "half-way":
            raise EmbedderFailed("it went away")
        if self.breaks == "nan":
            vectors[-1] = pack([float("nan")] * 5)
        if self.breaks == "size":
            vectors[-1] = unit([1.0, 1.0])
        return vectors[:-1] if self.breaks == "count" else vectors


def memories(store: MemoryStore, model: FakeEmbedder | None = None, **terms: Any) -> Memories:
    guarded = None if model is None else CheckedEmbedder(model)
    named = MemoryTerms(embedder="none" if model is None else model.id, **terms)
    return Memories(store=store, terms=named, embedder=lambda _: guarded)


def said(text: str, **other: Any) -> Note:
    return Note(kind="semantic", text=text, **other)


def query(text: str, **other: Any) -> MemoryQuery:
    return MemoryQuery(text=text, **{"kinds": MEMORY_KINDS, **other})


def recalled(of: Memories, text: str, **other: Any) -> list[str]:
    return [one.item.text for one in of.recall(ADA, of.asked(query(text, **other)))]


@pytest.fixture
def fake() -> FakeMemoryStore:
    return FakeMemoryStore(FakeClock())


@pytest.fixture
def store(database: Database) -> SqlMemoryStore:
    return SqlMemoryStore(database, FakeClock())


def test_what_is_remembered_is_recalled(fake: FakeMemoryStore) -> None:
    of = memories(fake)
    of.remember(ADA, [said("The lamp is red"), said("The kettle is blue")])
    (found,) = of.recall(ADA, of.asked(query("Which lamp?")))
    assert (found.item.text, found.quoted, found.allowed_by) == ("The lamp is red", False, ())
    assert 0.0 < found.score <= 1.0
    assert recalled(of, "Nothing of that") == []


def test_what_is_quarantined_is_recalled_as_quoted(fake: FakeMemoryStore) -> None:
    of = memories(fake)
    of.remember(ADA, [said("The lamp is red", state="quarantined")])
    (found,) = of.recall(ADA, of.asked(query("lamp")))
    assert found.quoted


def test_documents_and_questions_are_embedded_as_such(fake: FakeMemoryStore) -> None:
    model = FakeEmbedder()
    of = memories(fake, model)
    of.remember(ADA, [said("The lamp is red", actor="Bob"), said("The kettle is blue")])
    asked = of.asked(query("lamp"))
    assert model.asked == [
        ("Bob: The lamp is red", "document"),
        ("The kettle is blue", "document"),
        ("lamp", "query"),
    ]
    assert (asked.embedder, len(asked.vector or b"")) == ("count", 20)
    assert {one.embedder for one in fake.kept.values()} == {"count"}


@pytest.mark.parametrize(
    ("breaks", "error"),
    [
        ("half-way", EmbedderFailed),
        ("nan", VectorNotFinite),
        ("size", VectorSizeWrong),
        ("count", VectorsMiscounted),
    ],
)
def test_a_model_that_fails_leaves_nothing(
    store: SqlMemoryStore, database: Database, breaks: str, error: type[FairleadError]
) -> None:
    """Neither items nor the event; what was there before is found by words and by vectors."""
    model = FakeEmbedder()
    of = memories(store, model)
    of.remember(ADA, [said("The lamp is red")])
    model.breaks = breaks
    fact = Fact(chain="memory:acme", type="memory.added", data={})
    with pytest.raises(error):
        of.remember(ADA, [said("The kettle is blue"), said("The lamp is blue")], fact)
    model.breaks = ""
    assert [one.text for one in store.each(ADA)] == ["The lamp is red"]
    assert SqlEventLog(database, FakeClock()).list() == []
    (found,) = of.recall(ADA, of.asked(query("lamp kettle")))
    assert found.item.text == "The lamp is red"


def test_a_note_that_cannot_be_kept_reaches_neither_model_nor_store(fake: FakeMemoryStore) -> None:
    model = FakeEmbedder()
    with pytest.raises(MemoryInvalid, match="item 2 of 2: its text is empty"):
        memories(fake, model).remember(ADA, [said("The lamp is red"), said(" ")])
    assert (model.asked, fake.kept) == ([], {})


def test_nothing_to_remember_asks_no_model(fake: FakeMemoryStore) -> None:
    model = FakeEmbedder()
    assert memories(fake, model).remember(ADA, []) == []
    assert model.asked == []


@pytest.mark.parametrize("top_k", [0, -1, TOP_K_MAX + 1])
def test_a_question_asks_for_so_many_items(fake: FakeMemoryStore, top_k: int) -> None:
    with pytest.raises(MemoryInvalid, match=f"top_k must be from 1 to 100, not {top_k}"):
        memories(fake).asked(query("lamp", top_k=top_k))


def test_k_is_the_most_and_a_bar_leaves_out_what_is_below(fake: FakeMemoryStore) -> None:
    of = memories(fake)
    of.remember(ADA, [said(f"Lamp number {number}") for number in range(30)])
    assert len(recalled(of, "lamp", top_k=7)) == 7
    assert len(recalled(of, "lamp", top_k=100)) == 30
    assert recalled(of, "lamp teapot tureen", top_k=100, min_score=0.99) == []


def test_nothing_is_recalled_when_nothing_is_near(fake: FakeMemoryStore) -> None:
    """A vector is near to some degree to every question; that alone recalls nothing."""
    of = memories(fake, FakeEmbedder())
    of.remember(ADA, [said("Ada has a red lamp"), said("Bob wants a lamp")])
    assert "Ada has a red lamp" in recalled(of, "which lamp is red?")
    assert recalled(of, "a blue kettle", min_score=0.0) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": 5},
        {"text": "a", "top_k": 1.5},
        {"text": "a", "top_k": True},
        {"text": "a", "min_score": float("nan")},
        {"text": "a", "min_score": 7},
        {"text": "a", "min_score": "1"},
        {"text": "a", "known_at": float("nan")},
        {"text": "a", "valid_at": float("inf")},
        {"text": "a", "subject": "a\ud800"},
        {"text": "a", "subject": 5},
    ],
)
def test_what_is_no_question_is_refused(fake: FakeMemoryStore, wrong: dict[str, Any]) -> None:
    with pytest.raises(MemoryInvalid):
        memories(fake).asked(MemoryQuery(**{"kinds": MEMORY_KINDS, **wrong}))


def test_a_question_is_cut_and_made_sound(fake: FakeMemoryStore) -> None:
    model = FakeEmbedder()
    asked = memories(fake, model).asked(query("a\ud800b " + "x" * 100_000))
    assert (len(asked.text), asked.text[:4]) == (QUERY_CHARS_MAX, "a?b ")
    assert model.asked[0][0].startswith("a?b xx")


@pytest.mark.parametrize("text", ["", "  ", '"', "NEAR(", "*", "the of and", '" OR * NEAR("'])
def test_a_question_without_words_recalls_nothing(store: SqlMemoryStore, text: str) -> None:
    of = memories(store)
    of.remember(ADA, [said("The lamp is red")])
    assert recalled(of, text) == []
    assert recalled(of, f"{text} lamp") == ["The lamp is red"]


def test_a_hundred_kilobytes_of_question_are_answered(store: SqlMemoryStore) -> None:
    of = memories(store, FakeEmbedder())
    of.remember(ADA, [said("The lamp is red")])
    many = " ".join(f"word{number}" for number in range(12_000))
    assert recalled(of, f"lamp {many}") == ["The lamp is red"]
    recalled(of, '"' * 100_000)
    recalled(of, "x" * 100_000)


def test_no_kind_is_no_memory(fake: FakeMemoryStore) -> None:
    of = memories(fake)
    of.remember(ADA, [said("The lamp is red")])
    assert recalled(of, "lamp", kinds=()) == []


# Versions of the schema.


def test_memory_of_a_version_that_is_not_read_is_left_alone(fake: FakeMemoryStore) -> None:
    old, new = memories(fake), memories(fake, schema=3, reads=(2, 3))
    old.remember(ADA, [said("The lamp is red")])
    for refused in (
        lambda: new.recall(ADA, new.asked(query("lamp"))),
        lambda: new.remember(ADA, [said("The lamp is blue")]),
    ):
        with pytest.raises(MemorySchemaOutOfRange, match="schema 1; this release reads 2 to 3"):
            refused()
    assert [one.text for one in fake.kept.values()] == ["The lamp is red"]
    assert recalled(old, "lamp") == ["The lamp is red"]


def test_within_a_compatible_range_both_releases_go_on(fake: FakeMemoryStore) -> None:
    old, new = memories(fake, reads=(1, 2)), memories(fake, schema=2, reads=(1, 2))
    old.remember(ADA, [said("The lamp is red")])
    new.remember(ADA, [said("The lamp is blue")])
    assert sorted(recalled(old, "lamp")) == sorted(recalled(new, "lamp"))
    assert {one.schema for one in fake.kept.values()} == {1, 2}


def test_a_trials_version_stops_the_trial_and_nobody_else(fake: FakeMemoryStore) -> None:
    old, new = memories(fake), memories(fake, schema=2, reads=(1, 2))
    trial = replace(ADA, overlay="d1")
    new.remember(trial, [said("The lamp is blue")])
    old.remember(ADA, [said("The lamp is red")])
    assert recalled(old, "lamp") == ["The lamp is red"]
    with pytest.raises(MemorySchemaOutOfRange):
        old.recall(trial, old.asked(query("lamp")))
