"""Bounds how deep a rule nests, before Cedar reads it and before its JSON form is used.

Cedar's parser calls itself for each bracket and walks down each chain of operators. A stack that
overflows there ends the process, and no `except` sees it. So the text is looked through first, in
one pass without recursion. The bounds hold on a thread with 512 kB of stack: there it overflows at
about 35 brackets, or at 300 chained operators.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

TEXT_CHARS_MAX = 1_000_000
"""Most characters of one file."""

BRACKETS_MAX = 20
"""How deep brackets may nest, with the braces of `when { }`."""

OPERATORS_MAX = 100
"""How deep the operators of a rule may nest, as its text lets one estimate: never too low."""

DEPTH_MAX = 110
"""How deep conditions may nest in Cedar's JSON form, which is read to 127 levels; the difference
is for what stands around a condition, also where rules are checked."""

ADVICE = "split the rule, or write `[...].contains(...)` in place of many `||`"

# A text and a comment end where they end for Cedar; an open text hides all that follows, and Cedar
# refuses it where it begins.
_TOKEN = re.compile(
    r'"(?:[^"\\]|\\.?)*(?:"|\Z)|//[^\r\n]*|\w+|&&|\|\||[-+*.,;(\[{)\]}]',
    re.DOTALL,
)
_CHAINED = frozenset(("&&", "||", "+", "-", "*", "if", "when", "unless"))


@dataclass
class _Level:
    """What stands between two brackets, or in the rule around all of them.

    Attributes:
        operators: Operators so far; they may all stand below each other.
        steps: The steps of the present path, such as `.a` and `["a"]`.
        longest: Steps of the longest path.
        inner: The deepest of the brackets inside.
        deepest: The deepest of what commas separated before.
    """

    operators: int = 0
    steps: int = 0
    longest: int = 0
    inner: int = 0
    deepest: int = 0

    @property
    def depth(self) -> int:
        """How deep it nests at most."""
        return max(self.deepest, self.operators + self.longest + self.inner)

    def read(self, token: str) -> None:
        """Count a token that opens and closes nothing."""
        if token in _CHAINED:
            self.operators, self.steps = self.operators + 1, 0
        elif token == ",":
            self.deepest, self.operators, self.steps = self.depth, 0, 0
            self.longest = self.inner = 0
        elif token == ".":
            self.step()

    def step(self) -> None:
        """Count one step of a path."""
        self.steps += 1
        self.longest = max(self.longest, self.steps)


def too_deep(text: str) -> str | None:
    """Say where a text is too long, or nests too deep for Cedar to read it safely.

    Args:
        text: A file of rules.

    Returns:
        What is wrong, and in which line, in words that follow the file's name; None when it may be
        read.
    """
    if len(text) > TEXT_CHARS_MAX:
        return f" has {len(text)} characters, and a file may have {TEXT_CHARS_MAX}"
    levels = [_Level()]
    for found in _TOKEN.finditer(text):
        token, here = found[0], levels[-1]
        if token in "([{":
            if token == "[":
                here.step()  # It may be a set, or the step `["name"]` of a path.
            levels.append(_Level())
        elif token in ")]}":
            if len(levels) > 1:  # Cedar says what closes and was not open.
                levels.pop()
                levels[-1].inner = max(levels[-1].inner, here.depth)
        elif token == ";":
            if len(levels) == 1:  # What is still open hides no depth behind a semicolon.
                levels = [_Level()]
        else:
            here.read(token)
        wrong = _too_much(levels)
        if wrong:
            return f", line {text.count(chr(10), 0, found.start()) + 1}: {wrong}"
    return None


def _too_much(levels: list[_Level]) -> str | None:
    if len(levels) - 1 > BRACKETS_MAX:
        return f"brackets nest deeper than {BRACKETS_MAX}; {ADVICE}"
    if sum(level.depth for level in levels) > OPERATORS_MAX:
        return f"operators nest deeper than {OPERATORS_MAX}; {ADVICE}"
    return None


def depth(node: Any) -> int:
    """Return how many objects and lists of JSON stand in each other at most.

    Args:
        node: The JSON.
    """
    deepest, rest = 0, [(node, 1)]
    while rest:
        here, level = rest.pop()
        inner = here.values() if isinstance(here, dict) else here if isinstance(here, list) else ()
        if isinstance(here, dict | list):
            deepest = max(deepest, level)
        rest += [(one, level + 1) for one in inner]
    return deepest
