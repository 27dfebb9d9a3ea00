"""Matches a regular expression as `re` does, and counts the steps that it takes.

`re` tells no count, and a time is no proof. So what `re` parsed becomes a program of a machine that
goes back as `re` does: each step looks at one character, and what is tried again is counted again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any

Tree = list[tuple[Any, Any]]
Look = Callable[[int], int | None]
"""What is done at a place: the place after it, or None where it does not match."""
Code = list[tuple[int, ...] | Look]
"""A step is a look, or the places in the program to go on at, the first one first."""

_CLASSES = {op.CATEGORY_DIGIT: r"\d", op.CATEGORY_SPACE: r"\s", op.CATEGORY_WORD: r"\w"}


def tree(pattern: re.Pattern[str]) -> Tree:
    """Return what a pattern parses to."""
    return list(sre_parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE))


class Search:
    """One search through a text.

    Attributes:
        steps: The characters that were looked at, each as often as it was.
    """

    def __init__(self, pattern: re.Pattern[str], text: str) -> None:
        self.steps = 0
        self._text = text
        self._dotall = bool(pattern.flags & re.DOTALL)
        self._code = self._program(tree(pattern))

    def spans(self) -> list[tuple[int, int]]:
        """Return the stretches that match, as `finditer` does; empty ones are left out."""
        found, place = [], 0
        while place <= len(self._text):
            end = self._run(self._code, place)
            if end is not None and end > place:
                found.append((place, end))
            place = place + 1 if end is None or end == place else end
        return found

    def _run(self, code: Code, place: int) -> int | None:
        left = [(0, place)]
        while left:
            at, here = left.pop()
            if at == len(code):
                return here
            step = code[at]
            if isinstance(step, tuple):
                left += [(at + by, here) for by in reversed(step)]
            elif (after := step(here)) is not None:
                left.append((at + 1, after))
        return None

    def _program(self, items: Tree) -> Code:
        code: Code = []
        for kind, said in items:
            code += self._one(kind, said)
        return code

    def _one(self, kind: Any, said: Any) -> Code:
        if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
            return self._repeat(kind, said)
        if kind is op.POSSESSIVE_REPEAT:
            whole = self._repeat(op.MAX_REPEAT, said)
            return [lambda place: self._run(whole, place)]
        if kind is op.BRANCH:
            return self._branch([self._program(list(one)) for one in said[1]])
        if kind is op.SUBPATTERN:
            return self._program(list(said[3]))
        if kind in (op.ASSERT, op.ASSERT_NOT):
            return [self._around(kind, *said)]
        if kind is op.AT:
            return [self._boundary if said is op.AT_BOUNDARY else self._beginning]
        return [self._character(kind, said)]

    def _repeat(self, kind: Any, said: Any) -> Code:
        least, most, inner = said
        body = self._program(list(inner))
        size = len(body)

        def either(go_on: int, leave: int) -> tuple[int, ...]:
            return (go_on, leave) if kind is op.MAX_REPEAT else (leave, go_on)

        if most is op.MAXREPEAT:
            return [*body * least, either(1, size + 2), *body, (-size - 1,)]
        code: Code = []
        for _ in range(most - least):
            code = [either(1, size + len(code) + 1), *body, *code]
        return [*body * least, *code]

    def _branch(self, branches: list[Code]) -> Code:
        code = branches[-1]
        for branch in reversed(branches[:-1]):
            code = [(1, len(branch) + 2), *branch, (len(code) + 1,), *code]
        return code

    def _around(self, kind: Any, direction: int, inner: Any) -> Look:
        code, width = self._program(list(inner)), inner.getwidth()[0]

        def look(place: int) -> int | None:
            start = place if direction > 0 else place - width
            true = start >= 0 and self._run(code, start) is not None
            return place if true is (kind is op.ASSERT) else None

        return look

    def _beginning(self, place: int) -> int | None:
        self.steps += 1
        return place if place == 0 else None

    def _boundary(self, place: int) -> int | None:
        self.steps += 1
        around = (self._text[max(place - 1, 0) : place], self._text[place : place + 1])
        before, after = (re.match(r"\w", char) is not None for char in around)
        return place if before is not after else None

    def _character(self, kind: Any, said: Any) -> Look:
        known: dict[str, bool] = {}

        def look(place: int) -> int | None:
            self.steps += 1
            if place >= len(self._text):
                return None
            char = self._text[place]
            if char not in known:
                known[char] = self._fits(kind, said, char)
            return place + 1 if known[char] else None

        return look

    def _fits(self, kind: Any, said: Any, char: str) -> bool:
        if kind is op.LITERAL:
            return ord(char) == said
        if kind is op.NOT_LITERAL:
            return ord(char) != said
        if kind is op.ANY:
            return self._dotall or char != "\n"
        if kind is op.CATEGORY:
            return re.match(_CLASSES[said], char) is not None
        if kind is op.RANGE:
            return bool(said[0] <= ord(char) <= said[1])
        assert kind is op.IN
        negated = said[0][0] is op.NEGATE
        return any(self._fits(*one, char) for one in said[negated:]) is not negated


def sample(items: Tree) -> str:
    """Return a short text that a pattern matches, but for what it asks of what stands around."""
    made = ""
    for kind, said in items:
        if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            made += sample(list(said[2])) * max(said[0], 1)
        elif kind is op.BRANCH:
            made += sample(list(said[1][0]))
        elif kind is op.SUBPATTERN:
            made += sample(list(said[3]))
        elif kind is op.LITERAL:
            made += chr(said)
        elif kind is op.IN:
            made += _one_of(*said[0])
        elif kind in (op.NOT_LITERAL, op.ANY):
            made += "x"
    return made


def _one_of(kind: Any, said: Any) -> str:
    if kind is op.CATEGORY:
        return " " if said is op.CATEGORY_SPACE else "a"
    return "x" if kind is op.NEGATE else chr(said[0] if kind is op.RANGE else said)
