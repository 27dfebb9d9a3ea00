"""How large and how deep a JSON value may be, counted without writing it out.

A value that breaks a bound is looked at no further: neither its canonical text nor its digest is
made, no guardrail and no policy reads it, and it is kept nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.core.digests import Json
from fairlead.core.limits import RESULT_BYTES_MAX

TURN_CALLS_MAX = 100
"""Most tool calls in one answer of a model, whatever the run's limits say."""

ANSWER_BYTES_MAX = 20_000_000
"""Largest answer of a model, as JSON."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a JSON value may be, at most.

    Attributes:
        chars: Characters of its texts, names and numbers, and one for each value.
        depth: Objects and lists inside of each other.
    """

    chars: int
    depth: int


ARGUMENTS = Bounds(chars=1_000_000, depth=64)
"""The arguments of one call, and those of all tool calls in one answer of a model together. What is
recorded has some levels around them, and redaction and labels look through 100 and 64."""

RESULT = Bounds(chars=RESULT_BYTES_MAX, depth=200)
"""The result of a call."""

ANSWER = Bounds(chars=ANSWER_BYTES_MAX, depth=RESULT.depth)
"""A model's whole answer."""

UNDOING = Bounds(chars=RESULT.chars + ARGUMENTS.chars, depth=RESULT.depth)
"""The arguments of a call that undoes another one: it gets that one's arguments and result."""


def excess(value: Json, bounds: Bounds) -> str | None:
    """Return which bound a value breaks, in words that follow "has"; None when it breaks none.

    Takes time and memory by the bounds and not by the value: it stops where one is broken. A value
    that holds itself is too deep.

    Args:
        value: JSON; what is no JSON counts as one character.
        bounds: What it may be.
    """
    chars, left = 0, [(value, 0)]
    while left:
        found, depth = left.pop()
        chars += _own_chars(found)
        if chars > bounds.chars:
            return f"more than {bounds.chars} characters"
        if not isinstance(found, dict | list | tuple):
            continue
        if depth >= bounds.depth:
            return f"more than {bounds.depth} levels"
        # Before they are put aside: what holds too many of them is left alone.
        if chars + len(found) > bounds.chars:
            return f"more than {bounds.chars} characters"
        if isinstance(found, dict):
            for name, item in found.items():
                chars += len(name) if isinstance(name, str) else 1
                left.append((item, depth + 1))
        else:
            left.extend((item, depth + 1) for item in found)
    return None


def _own_chars(value: Json) -> int:
    if isinstance(value, str | bytes):
        return 1 + len(value)
    if isinstance(value, int):
        # Three bits and a third for each digit: the text of a large number takes long to make.
        return 1 + value.bit_length() // 4
    return 1
