"""Digests: equal content gives equal digests, other content gives others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.digests import (
    NESTED_MAX,
    canonical_json,
    digest,
    digest_bytes,
    digest_files,
    read_canonical,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), inner)
    ),
    max_leaves=10,
)


@given(JSON)
def test_the_text_of_a_value_is_the_value_and_the_only_one(value: Any) -> None:
    text = canonical_json(value)
    assert canonical_json(json.loads(text)) == text
    assert digest(json.loads(text)) == digest(value)


@given(JSON)
def test_what_was_written_is_read_back_and_nothing_else_is(value: Any) -> None:
    text = canonical_json(value)
    assert canonical_json(read_canonical(text)) == text
    for other in (f" {text}", f"{text}\n", f"[{text}", f'{{"a":{text},"a":{text}}}'):
        with pytest.raises(ValueError, match=r"."):
            read_canonical(other)


@pytest.mark.parametrize("depth", [NESTED_MAX + 1, 500, 100_000])
def test_what_is_nested_too_deep_is_not_read(depth: int) -> None:
    assert read_canonical("[" * NESTED_MAX + "]" * NESTED_MAX)
    for text in ("[" * depth + "]" * depth, "[" * depth, '{"a":' * depth + "1" + "}" * depth):
        with pytest.raises(ValueError, match=r"nested|Expecting"):
            read_canonical(text)


@given(st.dictionaries(st.text(max_size=3), st.integers(), min_size=2), st.randoms())
def test_the_order_of_keys_does_not_count(value: dict[str, int], random: Any) -> None:
    items = list(value.items())
    random.shuffle(items)
    assert digest(dict(items)) == digest(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"x": float("-inf")}])
def test_what_json_has_no_number_for_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(value)


@pytest.mark.parametrize("value", [{1, 2}, object(), b"x"])
def test_what_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        canonical_json(value)


def test_known_values() -> None:
    assert (
        canonical_json({"b": [1, 1.5, True, None], "a": "é"}) == '{"a":"é","b":[1,1.5,true,null]}'
    )
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert digest_bytes(b"") == empty


FILES = {"a.py": b"1", "b/c.py": b"2"}


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"a.py": b"1"},
        {"a.py": b"2", "b/c.py": b"1"},
        {"a.py": b"1", "b/d.py": b"2"},
        {"a.py": b"1", "b/c.py": b"2", "e.py": b""},
        {"a.py": b"12", "b/c.py": b""},
    ],
)
def test_name_and_content_of_each_file_count(other: dict[str, bytes]) -> None:
    assert digest_files(other) != digest_files(FILES)
    assert digest_files(dict(reversed(FILES.items()))) == digest_files(FILES)
