"""What of a conversation is kept: the newest turns, each call with its result, within bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead import Limits, ToolUse, Turn
from fairlead.core.history import (
    CUT,
    MESSAGE_TOKENS,
    bounded,
    compact,
    turn_from_json,
    turn_to_json,
    words_of,
)
from fairlead.core.limits import estimated_tokens

TEXTS = st.text(max_size=40)
USES = st.builds(
    ToolUse,
    name=st.sampled_from(["look", "pay"]),
    arguments=st.dictionaries(TEXTS, st.integers(), max_size=2),
    result=st.one_of(st.none(), TEXTS, st.lists(st.integers(), max_size=5)),
)
TURNS = st.builds(Turn, question=TEXTS, answer=TEXTS, uses=st.lists(USES, max_size=4).map(tuple))
BOUNDS = st.builds(
    Limits,
    history_messages=st.integers(0, 30),
    history_chars=st.integers(0, 400),
    context_tokens=st.integers(1, 20_000),
)


def saying(text: str, *, uses: int = 0) -> Turn:
    """Return a turn of eight characters, with uses of seven each."""
    return Turn(
        question=f"q{text}".ljust(4),
        answer=f"a{text}".ljust(4),
        uses=(ToolUse(name="see", arguments={}, result=17),) * uses,
    )


def limits(messages: int = 40, chars: int = 1000) -> Limits:
    return Limits(history_messages=messages, history_chars=chars)


@given(st.lists(TURNS, max_size=12), BOUNDS)
def test_what_is_kept_is_the_newest_within_the_bounds(turns: list[Turn], bounds: Limits) -> None:
    kept = compact(turns, bounds)
    assert sum(one.messages for one in kept) <= bounds.history_messages
    assert sum(one.chars for one in kept) <= bounds.history_chars
    assert sum(one.tokens for one in kept) <= bounds.context_tokens // 2
    whole = turns[len(turns) - len(kept) :]
    for left, one in zip(kept, whole, strict=True):
        # Whole, or without all that its tools said: no call is left without its result.
        assert left in (one, replace(one, uses=()))
    if len(kept) < len(turns):
        more = replace(turns[-len(kept) - 1], uses=())
        messages = sum(one.messages for one in kept) + more.messages
        chars = sum(one.chars for one in kept) + more.chars
        tokens = sum(one.tokens for one in kept) + more.tokens
        assert (
            messages > bounds.history_messages
            or chars > bounds.history_chars
            or tokens > bounds.context_tokens // 2
        )


@given(st.lists(TURNS, max_size=12), BOUNDS)
def test_what_was_kept_is_kept_again(turns: list[Turn], bounds: Limits) -> None:
    kept = compact(turns, bounds)
    assert compact(turns[len(turns) - len(kept) :], bounds) == kept


def test_what_is_kept_does_not_hang_on_what_its_own_run_may_read() -> None:
    """A turn of another workflow may read more."""
    turn = Turn(question="q" * 100, answer="a" * 20_000, uses=saying("", uses=3).uses)
    for bounds in (limits(chars=0), limits(messages=0), limits(chars=100_000)):
        assert bounded(turn, bounds) == turn


def test_older_turns_are_dropped_first() -> None:
    turns = [saying(str(number)) for number in range(5)]
    assert compact(turns, limits(messages=6)) == tuple(turns[2:])
    assert compact(turns, limits(chars=17)) == tuple(turns[3:])
    assert compact(turns, limits()) == tuple(turns)
    assert compact(turns, limits(messages=1)) == ()
    assert compact(turns, limits(chars=7)) == ()


def test_a_turn_that_is_too_large_goes_without_its_tools() -> None:
    big, small = saying("1", uses=3), saying("2", uses=1)
    assert (big.messages, big.chars) == (8, 29)
    assert compact([big, small], limits(messages=10)) == (replace(big, uses=()), small)
    assert compact([big, small], limits(chars=15 + 8)) == (replace(big, uses=()), small)


def test_a_text_that_is_too_long_is_cut_and_says_so() -> None:
    long = Turn(question="why " * 10_000, answer="so " * 20_000, uses=saying("", uses=1).uses)
    kept = bounded(long, limits())
    assert (len(kept.question), len(kept.answer), kept.uses) == (30_000, 30_000, ())
    assert kept.question.startswith("why why") and kept.question.endswith(CUT)
    # What one side leaves the other one has.
    kept = bounded(replace(long, question="why?"), limits())
    assert (kept.question, len(kept.answer)) == ("why?", 59_996)
    kept = bounded(replace(long, answer="so"), limits(chars=70_000))
    assert (kept.question, kept.answer) == (long.question, "so")
    assert bounded(replace(long, answer="a" * 20_000), limits()).uses == ()


def test_a_history_leaves_half_of_the_context_to_the_turn_itself() -> None:
    """Else a thread would end for good when its history alone filled the context."""
    turns = [Turn(question="q" * 300, answer="a" * 300) for _ in range(20)]
    kept = compact(turns, Limits(context_tokens=8000))
    assert 0 < len(kept) < 20
    assert sum(one.tokens for one in kept) <= 4000
    assert estimated_tokens("q" * 300) * 2 + 2 * MESSAGE_TOKENS <= turns[0].tokens


@given(TURNS)
def test_a_turn_comes_back_from_json(turn: Turn) -> None:
    assert turn_from_json(turn_to_json(turn)) == turn


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("hello", "hello"),
        ({"text": "hello", "citations": []}, "hello"),
        ({"question": "why?"}, "why?"),
        ({"question": "why?", "lang": "en"}, '{"lang":"en","question":"why?"}'),
        ({"score": 7}, '{"score":7}'),
        ({"text": None}, '{"text":null}'),
        ({}, "{}"),
        (None, "null"),
        ([1], "[1]"),
    ],
)
def test_words_are_the_text_of_a_value_or_all_of_it(value: Any, words: str) -> None:
    assert words_of(value) == words


def test_invariant_11_a_history_has_bounds_by_default() -> None:
    assert (Limits().history_messages, Limits().history_chars) == (40, 60_000)
