"""What cannot be kept is refused before anything is written, in words that name it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import MemoryInvalid
from fairlead.core.memory import (
    LINEAGE_MAX,
    TEXT_CHARS_MAX,
    TIME_MAX,
    TIME_MIN,
    VALUE_BYTES_MAX,
    WRITE_ITEMS_MAX,
    Note,
    Provenance,
)
from fairlead.memory.notes import PLACE_MAX, check_notes, note_finding, text_finding

NAMES = {"subject": 500, "predicate": 200, "actor": 200, "thread": 500}
SELF: list[Any] = []
SELF.append(SELF)


def said(**other: Any) -> Note:
    return Note(**{"kind": "semantic", "text": "The lamp is red", **other})


@pytest.mark.parametrize(
    ("note", "finding"),
    [
        (said(kind="other"), "no memory of kind 'other'"),
        (said(text=""), "its text is empty"),
        (said(text=" \n\t"), "its text is empty"),
        (said(text="x" * (TEXT_CHARS_MAX + 1)), "100001 characters; 100000 are the most"),
        (said(text="a\x00b"), r"control character U\+0000"),
        (said(provenance=Provenance(derivation="x" * 201)), "derivation has 201 characters"),
        (said(text="a\x7f"), r"control character U\+007F"),
        (said(text="a\ud800b"), "no sound Unicode"),
        *((said(**{name: "x" * (most + 1)}), name) for name, most in NAMES.items()),
        *((said(**{name: "\x01"}), f"its {name} holds") for name in NAMES),
        (said(value={1, 2}), "its value is not JSON"),
        (said(value=float("nan")), "its value is not JSON"),
        (said(value=SELF), "its value is not JSON"),
        (said(value="x" * VALUE_BYTES_MAX), "65538 bytes as JSON; 65536 are the most"),
        (said(valid_from=TIME_MIN - 1), "its valid_from is not in the years 1 to 9999"),
        (said(valid_to=TIME_MAX + 1), "its valid_to is not"),
        (said(expires_at=float("inf")), "its expires_at is not"),
        (said(valid_from=float("nan")), "its valid_from is not"),
        (said(valid_from=2.0, valid_to=2.0), "it ends before it begins"),
        (said(place=PLACE_MAX + 1), "its place 2147483648 is too far"),
        (
            said(provenance=Provenance(derived_from=tuple(map(str, range(LINEAGE_MAX + 1))))),
            "derived from 1001 items; 1000 are the most",
        ),
    ],
)
def test_what_cannot_be_kept_is_named(note: Note, finding: str) -> None:
    with pytest.raises(MemoryInvalid, match=finding):
        check_notes([note])
    with pytest.raises(MemoryInvalid, match="item 2 of 3: "):
        check_notes([said(), note, said()])


def test_what_is_just_within_the_bounds_is_kept() -> None:
    names = {name: "x" * most for name, most in NAMES.items()}
    check_notes([said(**names, text="x" * TEXT_CHARS_MAX, value="x" * (VALUE_BYTES_MAX - 2))])
    check_notes([said(valid_from=TIME_MIN, valid_to=TIME_MAX, place=-PLACE_MAX)])
    check_notes([said(text="two\nlines\tand a tab")])
    check_notes([])
    check_notes([said()] * WRITE_ITEMS_MAX)


def test_a_write_has_so_many_items() -> None:
    with pytest.raises(MemoryInvalid, match="10001 items at once; 10000 are the most"):
        check_notes([said()] * (WRITE_ITEMS_MAX + 1))


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=50))
def test_any_sound_text_can_be_kept(text: str) -> None:
    assert text_finding(text, 50) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": 5},
        {"text": None},
        {"subject": 5},
        {"actor": b"ada"},
        {"valid_from": "2026-01-01"},
        {"valid_to": True},
        {"place": True},
        {"place": 1.5},
    ],
)
def test_what_has_the_wrong_type_is_named(wrong: dict[str, Any]) -> None:
    found = note_finding(Note(**{"kind": "semantic", "text": "Ada", **wrong}))
    assert found is not None and next(iter(wrong)) in found
