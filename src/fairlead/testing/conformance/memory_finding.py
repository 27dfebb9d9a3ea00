"""Candidates: exact by vectors, within their bounds, and unharmed by whatever is asked."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from fairlead.core.label import Label
from fairlead.core.memory import QUERY_CHARS_MAX, TIME_MAX, TIME_MIN, MemoryQuery, Note, Reader
from fairlead.core.vectors import unit, unpack
from fairlead.ports.memory import Embedding, Roots, Search, Stamp
from fairlead.testing.conformance.memory_site import (
    ADA,
    BOB,
    OPERATOR,
    TRIAL,
    MemorySite,
    note,
    outside,
    private,
    searched,
    texts,
)

SIZE = 8
BY_VECTOR = Search(terms={}, vector_max=10)
STRANGE = (
    "'; DROP TABLE memories; --",
    "../../etc/passwd",
    "a/b\\c%_*",
    '" OR 1=1',
    "NEAR(a, b)",
    "{text}: x",
    "🎈 ünï",
    "\n",
)


def vector_of(random_: random.Random, size: int = SIZE) -> bytes:
    """Return a vector in a random direction."""
    return unit([random_.gauss(0, 1) for _ in range(size)])


def cosine(one: bytes, other: bytes) -> float:
    """Return the cosine of two vectors of length 1."""
    return sum(a * b for a, b in zip(unpack(one), unpack(other), strict=True))


class MemoryFindingConformance:
    """Candidates."""

    def test_vectors_are_exact_under_each_filter(self, memory: MemorySite) -> None:
        """Against every vector, compared one by one; many others are nearer and not to be seen."""
        dice = random.Random(7)
        kept: list[tuple[Note, Reader, bytes]] = []
        for reader in (ADA, BOB, replace(ADA, tenant="umbra")):
            shared = Label(readers=(f"tenant:{reader.tenant}",))
            notes = [
                replace(
                    note(f"Item {reader.tenant} {reader.user} {number}", subject=f"s{number % 7}"),
                    label=private(reader) if number % 3 else shared,
                    kind="semantic" if number % 2 else "episodic",
                )
                for number in range(120)
            ]
            vectors = [vector_of(dice) for _ in notes]
            written = memory.write(*notes, by=reader, stamp=Stamp(embedder="e", vectors=vectors))
            memory.settle(*written[::5], state="retracted", by=reader)
            kept += [
                (said, reader, vector)
                for place, (said, vector) in enumerate(zip(notes, vectors, strict=True))
                if place % 5
            ]
        cases: list[tuple[Reader, dict[str, object]]] = [
            (ADA, {}),
            (BOB, {}),
            (OPERATOR, {}),
            (replace(OPERATOR, tenant="umbra"), {}),
            (ADA, {"subject": "s3"}),
            (BOB, {"kinds": ("episodic",)}),
            (ADA, {"subject": "s1", "kinds": ("semantic",)}),
            (ADA, {"subject": "none"}),
        ]
        for reader, query in cases:
            asked = vector_of(dice)
            nearest = sorted(
                (
                    (cosine(vector, asked), said.text)
                    for said, by, vector in kept
                    if by.tenant == reader.tenant
                    and (not reader.user or by == reader or said.label != private(by))
                    and query.get("subject") in (None, said.subject)
                    and said.kind in query.get("kinds", (said.kind,))  # type: ignore[operator]
                ),
                reverse=True,
            )[:10]
            found = memory.candidates("", reader, BY_VECTOR, vector=asked, embedder="e", **query)
            ranked = sorted(found, key=lambda one: -(one.similarity or 0.0))
            assert texts(ranked) == [text for _, text in nearest], (reader, query)
            for one, (near, _) in zip(ranked, nearest, strict=True):
                assert one.similarity == pytest.approx(near, abs=1e-5)

    def test_vectors_of_another_size_or_model_are_not_compared(self, memory: MemorySite) -> None:
        """Whichever was asked for first; they are found by their words."""
        dice = random.Random(1)
        short, long = vector_of(dice, 4), vector_of(dice, 6)
        memory.write(note("A short one"), stamp=Stamp(embedder="e", vectors=[short]))
        memory.write(note("A long one"), stamp=Stamp(embedder="e", vectors=[long]))
        memory.write(note("Another one"), stamp=Stamp(embedder="f", vectors=[short]))
        memory.write(note("A plain one"))
        for vector, text in ((short, "A short one"), (long, "A long one"), (short, "A short one")):
            found = memory.candidates("", search=BY_VECTOR, vector=vector, embedder="e")
            assert texts(found) == [text]
            known = {
                one.text: one.similarity
                for one in memory.candidates("one", vector=vector, embedder="e")
            }
            assert len(known) == 4
            assert [name for name, near in known.items() if near is not None] == [text]

    def test_another_process_writes_and_deletes_under_a_reader(self, memory: MemorySite) -> None:
        """What the reader keeps in memory of the vectors is never older than the database."""
        other = memory.open(memory.clock)
        dice = random.Random(3)
        asked = vector_of(dice)

        def nearest() -> list[str]:
            found = memory.candidates("", search=BY_VECTOR, vector=asked, embedder="e")
            return texts(sorted(found, key=lambda one: -(one.similarity or 0.0)))

        stamp = Stamp(embedder="e", vectors=[vector_of(dice)])
        memory.write(note("First"), stamp=stamp)
        assert nearest() == ["First"]
        exact = Stamp(embedder="e", vectors=[asked])
        memory.clock.time += 1
        brief = memory.clock.now() + 50.0
        other.write(ADA, [note("Second", expires_at=brief)], exact)
        assert nearest() == ["Second", "First"]
        memory.clock.time += 100.0
        assert nearest() == ["First"]
        assert other.expire() == 1
        # The new item may get the number of the one that is gone.
        other.write(ADA, [note("Third")], stamp)
        assert sorted(nearest()) == ["First", "Third"]
        other.write(ADA, [note("Fourth")], exact)
        assert nearest()[0] == "Fourth"

    def test_neighbours_in_a_thread_are_candidates(self, memory: MemorySite) -> None:
        """So many to each side, of the same thread; none when none are wanted."""
        memory.write(
            *(note(f"Turn {place}", thread="t", place=place) for place in range(9)),
            *(note(f"Else {place}", thread="u", place=place) for place in range(9)),
            note("A needle", thread="t", place=9),
        )
        found = memory.candidates("needle", search=searched("needle", around=2))
        assert sorted(texts(found)) == ["A needle", "Turn 7", "Turn 8"]
        assert texts(memory.candidates("needle", search=searched("needle", around=0))) == [
            "A needle"
        ]

    def test_candidates_are_bounded(self, memory: MemorySite) -> None:
        """By words, by vectors, and beside those, however many stand at one place."""
        dice = random.Random(5)
        notes = [note(f"Needle {number}", thread="t") for number in range(300)]
        vectors = [vector_of(dice) for _ in notes]
        memory.write(*notes, stamp=Stamp(embedder="e", vectors=vectors))
        few = searched("needle", lexical_max=5, vector_max=7, around=0)
        found = memory.candidates("needle", search=few, vector=vectors[0], embedder="e")
        assert 7 <= len(found) <= 12
        default = searched("needle", around=0)
        assert len(memory.candidates("needle", search=default)) == default.lexical_max
        around = searched("needle", lexical_max=5, around=1, seeds_max=2)
        assert len(memory.candidates("needle", search=around)) <= 5 + 2 * 3 * 4
        least = searched("needle", around=5, most=9)
        assert 1 <= len(memory.candidates("needle", search=least)) <= 9

    @pytest.mark.parametrize("text", ["", "   ", '"', "*", "NEAR(", '" * NEAR( AND OR NOT', "\x00"])
    def test_a_question_without_words_finds_nothing(self, memory: MemorySite, text: str) -> None:
        """And raises nothing; a word finds its item in the same store."""
        memory.one(note("A needle"))
        assert memory.found(text, kinds=("semantic",)) == []
        assert memory.found(f"{text} needle") == ["A needle"]

    def test_what_is_written_without_spaces_is_found_within(self, memory: MemorySite) -> None:
        """Chinese and Japanese: in the text and in whom it is about, and nothing else is found."""
        memory.write(
            note("顧客は東京都に住んでいます"),
            note("客户用信用卡付款"),
            note("A needle", subject="田中商店"),
            note("𠮷野家のカード"),
        )
        assert memory.found("東京") == ["顧客は東京都に住んでいます"]
        assert memory.found("信用卡") == ["客户用信用卡付款"]
        assert memory.found("商店") == ["A needle"]
        assert memory.found("𠮷野") == memory.found("カード") == ["𠮷野家のカード"]
        assert memory.found("大阪") == []

    def test_items_get_vectors_of_another_model(self, memory: MemorySite) -> None:
        """They are near by the new ones alone, also where the old ones were read before."""
        dice = random.Random(3)
        old, new = ([vector_of(dice) for _ in range(4)] for _ in range(2))
        notes = [note(f"Item {number}") for number in range(4)]
        written = memory.write(*notes, stamp=Stamp(embedder="old", vectors=old))
        bare = memory.one(note("Item without"))

        def near(vector: bytes, embedder: str) -> list[str]:
            asked: dict[str, Any] = {"search": BY_VECTOR, "vector": vector, "embedder": embedder}
            return sorted(one.text for one in memory.candidates("", **asked))

        assert near(old[0], "old") == [f"Item {number}" for number in range(4)]
        assert near(new[0], "new") == []
        waiting = memory.store.unembedded(OPERATOR, "new")
        assert [one.id for one in waiting] == [one.id for one in (*written, bare)]
        first = {one.id: vector for one, vector in zip(written[:2], new, strict=False)}
        embedding = Embedding(embedder="new", vectors=first)
        assert memory.store.embed(OPERATOR, embedding) == 2
        # What was done is not done again, and the rest waits.
        assert memory.store.embed(OPERATOR, embedding) == 0
        rest = memory.store.unembedded(OPERATOR, "new", most=2)
        assert [one.id for one in rest] == [one.id for one in written[2:]]
        behind = memory.store.unembedded(OPERATOR, "new", after=written[3].id)
        assert [one.id for one in behind] == [bare.id]
        assert near(new[0], "new") == ["Item 0", "Item 1"]
        assert near(old[0], "old") == ["Item 2", "Item 3"]
        (found,) = memory.store.get(ADA, [written[0].id])
        assert found.embedder == "new"
        asked: dict[str, Any] = {"search": BY_VECTOR, "vector": new[1], "embedder": "new"}
        cosines = {one.text: one.similarity for one in memory.candidates("", **asked)}
        assert cosines["Item 1"] == pytest.approx(1.0, abs=1e-6)

    def test_what_is_not_embedded_anew(self, memory: MemorySite) -> None:
        """What was taken back, is on trial, past its retention, or somebody else's."""
        kept = memory.one(note("Kept"))
        gone = memory.one(note("Taken back"))
        memory.settle(gone, state="retracted")
        memory.one(note("On trial"), by=TRIAL)
        short = memory.one(note("Short", expires_at=memory.clock.time + 5))
        theirs = memory.one(note("Theirs"), by=replace(ADA, tenant="umbra"))
        assert texts(memory.store.unembedded(OPERATOR, "e")) == ["Kept", "Short"]
        memory.clock.time += 10
        assert texts(memory.store.unembedded(OPERATOR, "e")) == ["Kept"]
        ids = [one.id for one in (kept, gone, short, theirs)]
        vectors = {one: unit([1.0, 0.0]) for one in ids}
        assert memory.store.embed(OPERATOR, Embedding(embedder="e", vectors=vectors)) == 1

    def test_a_long_question_is_answered(self, memory: MemorySite) -> None:
        """Of as many different words as are looked for, and of one endless word."""
        memory.one(note("A needle"))
        many = " ".join(["needle", *(f"word{number}" for number in range(63))])
        assert memory.found(many) == ["A needle"]
        assert memory.found("x" * QUERY_CHARS_MAX) == []
        assert memory.found("needle " + "y" * QUERY_CHARS_MAX) == ["A needle"]

    @pytest.mark.parametrize("name", STRANGE)
    def test_names_may_hold_anything(self, memory: MemorySite, name: str) -> None:
        """They are values, and never a part of a statement or of a path."""
        reader = Reader(tenant=name, app=name, user=name, run_root=name, overlay="")
        said = note(
            "A needle",
            subject=name,
            predicate=name,
            actor=name,
            thread=name,
            key=name,
            label=private(reader),
        )
        written = memory.one(said, by=reader)
        assert memory.found("needle", reader, subject=name) == ["A needle"]
        assert memory.found("needle") == []
        (item,) = memory.store.history(reader, name, name)
        assert (item.id, item.tenant, item.audience) == (written.id, name, f"user:{name}")
        assert memory.store.reach(reader, Roots(source=name)).items == ()
        assert memory.settle(written, state="forgotten", by=reader) == [written.id]
        assert memory.one(said, by=reader).merged
        assert memory.one(replace(said, key=""), by=reader).refused

    def test_the_first_and_the_last_year_are_years(self, memory: MemorySite) -> None:
        """Also as the time that is asked for."""
        memory.write(
            note("A needle of old", valid_from=TIME_MIN, valid_to=TIME_MIN + 1),
            note("A needle to come", valid_from=TIME_MAX - 1, valid_to=TIME_MAX),
            note("A needle", valid_from=TIME_MIN, valid_to=TIME_MAX, expires_at=TIME_MAX),
        )
        assert memory.found("needle", valid_at=TIME_MIN) == ["A needle", "A needle of old"]
        assert memory.found("needle", valid_at=TIME_MAX - 1) == ["A needle", "A needle to come"]
        assert memory.found("needle", known_at=TIME_MIN) == []

    def test_how_common_a_word_is_counts_what_the_reader_may_see(self, memory: MemorySite) -> None:
        """Of each word that is asked for."""
        memory.write(note("A needle"), note("A needle and a pin"), outside("Hay"))
        memory.one(note("Bob's needle", label=private(BOB)), by=BOB)
        asked = searched("needle pin straw")
        query = MemoryQuery(text="", kinds=("semantic",))
        of_ada, of_bob = (
            memory.store.candidates(one, query, asked).statistics for one in (ADA, BOB)
        )
        needle, pin, straw = asked.terms
        assert (of_ada.items, of_bob.items) == (3, 4)
        assert [of_ada.found_in.get(one, 0) for one in (needle, pin, straw)] == [2, 1, 0]
        assert of_bob.found_in[needle] == 3
        assert of_ada.mean_words > 0
