"""A JSON text is read where it stands: its values, its names, and what its escapes stand for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.guardrails.jsontext import Part, behind_escape, inner, opens_json, parts, unescaped

TEXTS = st.text(st.sampled_from('ab"\\/\n\t{}[]:,é😀 '), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def named(value: Any) -> list[tuple[str, Any]]:
    """Return what has a name in a value: what is inside first, as it ends first."""
    if isinstance(value, dict):
        return [pair for name, item in value.items() for pair in (*named(item), (name, item))]
    return [pair for item in value for pair in named(item)] if isinstance(value, list) else []


@given(VALUES, st.booleans(), st.sampled_from([None, 2]))
def test_every_named_value_is_found_where_it_stands(
    value: Any, ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    found = [
        (part.name, text[part.start : part.end]) for part in parts(text) if part.name is not None
    ]
    names = [name for name, _ in named(value)]
    if "😀" not in text and "\\ud83d" not in text:
        assert [name for name, _ in found] == names
    read = [json.loads(written) for _, written in found]
    assert repr(read) == repr([item for _, item in named(value)])


@given(st.text(st.sampled_from('{}[]:,"\\ aé1')))
def test_any_text_is_read_as_far_as_it_goes(text: str) -> None:
    for part in parts(text):
        assert 0 <= part.start < part.end <= len(text)
        span = inner(text, part)
        assert span is None or part.start < span[0] <= span[1] <= part.end


def test_names_that_come_twice_and_what_is_broken_are_read() -> None:
    text = '{"a": 1e999, "a": {"b": [NaN]}, "c": "x'
    assert [(part.name, text[part.start : part.end]) for part in parts(text) if part.name] == [
        ("a", "1e999"),
        ("b", "[NaN]"),
        ("a", '{"b": [NaN]}'),
        ("c", '"x'),
    ]


def test_no_depth_is_too_deep() -> None:
    text = '{"a":' * 100_000
    assert sum(1 for _ in parts(text)) == 2 * 100_000 - 1


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (r"a\nb", "a\nb"),
        (r"a\\nb", r"a\nb"),
        (r"\u005f\x41\/\"", '_A/"'),
        ("%0Aa%5f", "\na_"),
        (r"C:\Users", None),
        ("50% of %zz", None),
        ("plain", None),
    ],
)
def test_escapes_are_read_once(text: str, read: str | None) -> None:
    reading = unescaped(text, urls=True)
    assert (reading.text if reading else None) == read


@given(st.text(st.sampled_from('\\nu0041%ab"'), max_size=40))
def test_what_is_read_is_traced_to_where_it_is_written(text: str) -> None:
    reading = unescaped(text, urls=True)
    if reading is None:
        return
    spans = [reading.span(place, place + 1) for place in range(len(reading.text))]
    # The characters stand side by side and cover the text.
    assert [start for start, _ in spans] == [0, *(end for _, end in spans[:-1])]
    assert spans[-1][1] == len(text)
    for char, (start, end) in zip(reading.text, spans, strict=True):
        assert text[start:end] == char or end - start > 1


@pytest.mark.parametrize("escape", [r"\n", r"\\n", r"\u00e9", r"\\\\u00e9", r"\x0a"])
def test_a_place_in_an_escape_moves_behind_it(escape: str) -> None:
    text, first = f"ab{escape}cd", 2 + escape.rindex("\\")
    end = 2 + len(escape)
    moved = [behind_escape(text, place) for place in range(len(text))]
    assert moved == [*range(first + 1), *[end] * (end - first - 1), *range(end, len(text))]


def test_a_percent_sign_is_no_escape_of_json() -> None:
    assert unescaped("%41") is None


@pytest.mark.parametrize(
    ("text", "opens"),
    [(' \n{"a": 1}', True), ("[1]", True), ('"{}"', True), ("\ufeff[1]", True), ("a {}", False)],
)
def test_what_begins_as_json(text: str, opens: bool) -> None:
    assert opens_json(text) is opens


def test_an_object_without_a_name_is_no_part() -> None:
    around = (None, None)
    assert list(parts('[{"a": 1}]')) == [Part(None, 2, 5, around), Part("a", 7, 8, around)]
