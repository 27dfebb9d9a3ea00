"""A value's size and depth are counted without writing it out."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.bounds import ARGUMENTS, Bounds, excess

WIDE = Bounds(chars=10**9, depth=10**6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=30,
)


def nested(levels: int) -> Any:
    value: Any = "x"
    for number in range(levels):
        value = [value] if number % 2 else {"a": value}
    return value


def depth_of(value: Any) -> int:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(depth_of, inner), default=0)
    return 0


@given(VALUES)
def test_the_depth_bound_is_exact(value: Any) -> None:
    depth = depth_of(value)
    assert excess(value, Bounds(chars=10**9, depth=depth)) is None
    if depth:
        found = excess(value, Bounds(chars=10**9, depth=depth - 1))
        assert found == f"more than {depth - 1} levels"


@given(VALUES)
def test_what_passes_is_no_longer_than_a_few_times_the_bound(value: Any) -> None:
    size = len(json.dumps(value, ensure_ascii=False))
    # A number of JSON has at most 24 characters or counts by its digits, a text may be escaped.
    assert excess(value, Bounds(chars=size // 30 - 1, depth=10**6)) or size < 30
    assert excess(value, Bounds(chars=2 * size + 1, depth=10**6)) is None


@given(st.integers(1, 200), st.integers(1, 200))
def test_a_depth_passes_up_to_the_bound(levels: int, most: int) -> None:
    assert (excess(nested(levels), Bounds(chars=10**6, depth=most)) is None) == (levels <= most)


def test_no_depth_and_no_size_is_too_much_to_be_looked_at() -> None:
    itself: list[Any] = []
    itself.append(itself)
    assert excess(itself, ARGUMENTS) == "more than 64 levels"
    assert excess(nested(100_000), ARGUMENTS) == "more than 64 levels"
    doubled: Any = "x"
    for _ in range(60):
        doubled = [doubled, doubled]
    assert excess(doubled, ARGUMENTS) == "more than 1000000 characters"
    assert excess([0] * 10_000_000, ARGUMENTS) == "more than 1000000 characters"
    assert excess({"x" * 2_000_000: 1}, ARGUMENTS) == "more than 1000000 characters"
    assert excess(1 << 10_000_000, ARGUMENTS) == "more than 1000000 characters"
