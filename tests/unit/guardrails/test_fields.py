"""Named fields are taken out of a value, wherever they stand."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fairlead.guardrails.fields import REDACTED, without_fields

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("abcd"), inner),
    max_leaves=12,
)


def fields_of(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        inner = [pair for item in value.values() for pair in fields_of(item)]
        return [*value.items(), *inner]
    if isinstance(value, list):
        return [pair for item in value for pair in fields_of(item)]
    return []


@given(values)
def test_nothing_is_left_of_a_field_and_all_of_the_rest(value: Any) -> None:
    cleaned = without_fields(value, {"a", "b"})
    found = fields_of(cleaned)
    assert all(item in (REDACTED, None) for name, item in found if name in "ab")
    assert without_fields(cleaned, {"a", "b"}) == cleaned
    assert without_fields(value, ()) == value
