"""How a model's input is counted without a tokenizer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.limits import Limits, estimated_tokens


@pytest.mark.parametrize(
    ("payload", "tokens"),
    [("", 1), ("a", 1), ("abcd", 2), ("x" * 298, 100), ("漢字" * 50, 101)],
    ids=["empty", "short", "rounded up", "a hundred", "three bytes each"],
)
def test_three_bytes_are_a_token(payload: str, tokens: int) -> None:
    assert estimated_tokens(payload) == tokens


@given(st.text(max_size=50), st.text(min_size=1, max_size=50))
def test_more_text_is_never_fewer_tokens(text: str, more: str) -> None:
    text, more = (part.encode(errors="replace").decode() for part in (text, more))
    assert estimated_tokens(text + more) >= estimated_tokens(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("context_tokens", 0),
        ("reasks", -1),
        ("history_messages", 10_001),
        ("history_messages", 2.5),
        ("history_chars", -1),
        ("steps", 2.5),
        ("steps", True),
    ],
)
def test_invariant_11_the_bounds_of_a_turn_cannot_be_taken_away(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        Limits(**{name: value})


def test_a_model_need_not_be_asked_again() -> None:
    assert Limits(reasks=0).reasks == 0
