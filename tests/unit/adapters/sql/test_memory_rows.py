"""Words of the index, digests and slots: each a name of its own."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.adapters.sql.memory_rows import (
    Likenesses,
    house_of,
    meta_of,
    row_of,
    scope_of,
    slot_of,
    spoken,
    subject_of,
    word_of,
    write_key_of,
)
from fairlead.core.label import Label
from fairlead.core.memory import TIME_MAX, TIME_MIN, Note, Reader
from fairlead.core.text import stem, tokens

ADA = Reader(tenant="acme", app="desk", user="ada", run_root="r1", overlay="d1")
LIKE = Likenesses(b"k" * 32)
NAMES = st.text(max_size=8)


def said(**other: object) -> Note:
    return Note(**{"kind": "semantic", "text": "The lamp is red", **other})  # type: ignore[arg-type]


@given(NAMES, NAMES, NAMES)
def test_a_name_is_one_word_that_no_index_cuts(tenant: str, app: str, audience: str) -> None:
    for word in (scope_of(tenant, app, audience), house_of(tenant, app), subject_of(tenant)):
        assert tokens(word) == [word]
        assert stem(word) == word


@given(st.lists(NAMES, min_size=1, max_size=3), st.lists(NAMES, min_size=1, max_size=3))
def test_other_names_are_other_words(one: list[str], other: list[str]) -> None:
    assert (word_of("s", *one) == word_of("s", *other)) == (one == other)
    assert word_of("s", *one) != word_of("h", *one)


def test_a_key_belongs_to_a_tenants_app() -> None:
    keys = {
        write_key_of(Reader(tenant=tenant, app=app), key)
        for tenant, app, key in permutations(("a", "b", "c"))
    }
    assert len(keys) == 6
    assert write_key_of(ADA, "") is None


def test_a_slot_is_a_subjects_predicate_in_a_scope() -> None:
    slots = {
        slot_of(*one)
        for one in (
            ("s", said(subject="a", predicate="b")),
            ("s", said(subject="b", predicate="a")),
            ("s", said(subject="", predicate="b")),
            ("t", said(subject="a", predicate="b")),
        )
    }
    assert len(slots) == 4
    assert slot_of("s", said(subject="a")) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [("yes", "yes"), (7, "7"), (1.5, "1.5"), (True, ""), (None, ""), (["x"], ""), ({}, "")],
)
def test_a_plain_value_is_spoken(value: object, words: str) -> None:
    assert spoken(value) == words


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (0.0, "thursday 1 january 1970"),
        (-1.0, "wednesday 31 december 1969"),
        (TIME_MIN, "monday 1 january 1"),
        (TIME_MAX, "friday 31 december 9999"),
    ],
)
def test_an_item_is_found_by_its_day(at: float, day: str) -> None:
    assert meta_of(said(actor="Ada", subject="s"), at).lower() == f"ada s {day}"


def test_a_row_belongs_to_its_writer_and_its_readers() -> None:
    own = Label(readers=("tenant:acme/user:ada",))
    row = row_of(ADA, said(label=own, supersedes="m-1", key="k"), LIKE, 5.0)
    assert (row["tenant"], row["app"], row["audience"]) == ("acme", "desk", "user:ada")
    assert (row["overlay"], row["valid_from"], row["recorded_at"]) == ("d1", 5.0, 5.0)
    assert row["scope"] in row["tags"].split()
    assert row_of(ADA, said(kind="working"), LIKE, 5.0)["audience"] == "run:r1"
    nobody = said(kind="working", label=Label(readers=()))
    assert row_of(ADA, nobody, LIKE, 5.0)["audience"] == "-"


def test_tombstones_are_of_a_subject_and_erasures_of_a_tenant() -> None:
    note = said(subject="s", predicate="p", value="red")
    stones = set(LIKE.refusals(ADA, note))
    assert LIKE.erased("acme", "the LAMP is red!") in stones
    assert LIKE.erased("acme", "Red") in stones
    assert LIKE.rejected(ADA, "s", "lamp is red") in stones
    assert LIKE.rejected(ADA, "s", "red", "p") in stones
    for other in (
        LIKE.erased("umbra", note.text),
        LIKE.rejected(ADA, "t", note.text),
        LIKE.rejected(ADA, "s", "red", "q"),
        LIKE.rejected(Reader(tenant="acme", app="shop"), "s", note.text),
        Likenesses(b"other").erased("acme", note.text),
    ):
        assert other not in stones


def test_what_happened_twice_in_a_thread_is_two_things() -> None:
    one, two = (said(kind="episodic", thread="t", place=place) for place in (1, 2))
    assert LIKE.of(one) != LIKE.of(two)
    assert LIKE.of(said(thread="t", place=1)) == LIKE.of(said(thread="t", place=2))
    assert LIKE.of(said(subject="a", predicate="b")) != LIKE.of(said(subject="b", predicate="a"))
