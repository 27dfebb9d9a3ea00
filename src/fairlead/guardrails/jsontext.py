"""JSON that travels as a text: where its values stand, and what its escapes stand for.

A tool often returns JSON as a text. It is read where it stands and never written anew as a whole:
so numbers of any size, names that come twice and odd spaces stay as they are. What is broken is
read as far as it goes. No depth of nesting is too deep, because nothing here calls itself.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

TEXTS_MAX = 8
"""JSON texts inside of each other that are looked through. Each one doubles the backslashes."""

_OPENS = re.compile(r"\A[\s\ufeff]*+[{\[\"]")
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[{}\[\],:]|[^\s{}\[\],:"]++', re.DOTALL)

# The escapes of JSON, and those of the languages that write texts nearly so.
_BACKSLASH = r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[\"'\\/abfnrtv0])"
_JSON_ESCAPE = re.compile(_BACKSLASH)
_ESCAPE = re.compile(rf"{_BACKSLASH}|%[0-9A-Fa-f]{{2}}")
# What stands behind the last backslash of an escape, however often it is escaped.
_BEHIND_BACKSLASH = re.compile(r"(?<=\\)(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[abfnrtv0])")
_SIGNS = dict(
    zip((rf"\{sign}" for sign in "\"'\\/abfnrtv0"), "\"'\\/\a\b\f\n\r\t\v\0", strict=True)
)


AROUND_MAX = 100
"""So deep the names around a value are told; redaction of objects looks no deeper."""


class Part(NamedTuple):
    """A value in a JSON text; objects and lists only where they have a name.

    Attributes:
        name: The name that it has in the object around it, if it has one.
        start: Offset of its first character.
        end: Offset after its last character.
        around: The names of the objects and lists around it, the outermost first, and at most
            AROUND_MAX of them; None for one without a name.
        item: Whether it stands in a list.
    """

    name: str | None
    start: int
    end: int
    around: tuple[str | None, ...] = ()
    item: bool = False


@dataclass(frozen=True)
class Reading:
    """A text whose escapes are read, and the way back to where each character is written.

    Attributes:
        text: The text as it reads.
        written: The text as it is written.
        escape: What an escape is.
    """

    text: str
    written: str
    escape: re.Pattern[str]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where a stretch of the reading, of one character or more, is written."""
        return self._of(start)[0], self._of(end - 1)[1]

    def _of(self, place: int) -> tuple[int, int]:
        places, starts, ends = self._escapes
        last = bisect_right(places, place) - 1
        if last < 0:
            return place, place + 1
        if places[last] == place:
            return starts[last], ends[last]
        start = ends[last] + place - places[last] - 1
        return start, start + 1

    # Made when something was found, which is seldom: the reading itself is much faster.
    @cached_property
    def _escapes(self) -> tuple[list[int], list[int], list[int]]:
        """Return where the escapes' characters stand in the reading; their starts; their ends."""
        spans = [match.span() for match in self.escape.finditer(self.written)]
        starts, ends = [start for start, _ in spans], [end for _, end in spans]
        # An escape of n characters moves all that follows it by n - 1.
        moved = accumulate((end - start - 1 for start, end in spans), initial=0)
        return [start - by for start, by in zip(starts, moved, strict=False)], starts, ends


def opens_json(text: str) -> bool:
    """Say whether a text begins as JSON that has parts: an object, a list or a text."""
    return _OPENS.match(text) is not None


def unescaped(text: str, *, urls: bool = False) -> Reading | None:
    """Read the escapes of a text, once: what is written as two backslashes is then one.

    Args:
        text: Any text.
        urls: Whether `%0A` is an escape too.

    Returns:
        The reading; None for a text without escapes.
    """
    if "\\" not in text and not (urls and "%" in text):
        return None
    escape = _ESCAPE if urls else _JSON_ESCAPE
    read, count = escape.subn(_character, text)
    return Reading(read, text, escape) if count else None


def _character(escape: re.Match[str]) -> str:
    said = escape.group()
    return _SIGNS.get(said) or chr(int(said[1 if said[0] == "%" else 2 :], 16))


def behind_escape(text: str, place: int) -> int:
    """Return a place in a text, moved behind the escape that it is in, if it is in one."""
    for match in _BEHIND_BACKSLASH.finditer(text, max(place - 4, 0), place + 5):
        if match.start() <= place < match.end():
            return match.end()
    return place


def inner(text: str, part: Part) -> tuple[int, int] | None:
    """Return where what stands between the quotes of a part begins and ends; None for no text."""
    if text[part.start] != '"':
        return None
    closed = part.end - part.start > 1 and text[part.end - 1] == '"'
    return part.start + 1, part.end - 1 if closed else part.end


def parts(text: str) -> Iterator[Part]:
    """Yield the values in a JSON text and the names of its objects.

    A name is yielded as a value that has none. An object or a list comes after what is in it.

    Args:
        text: A text that `opens_json`, whole or broken.
    """
    # Of each object and list that is open: the name it has, and where it begins.
    around: list[tuple[str | None, int]] = []
    names: tuple[str | None, ...] = ()
    name: str | None = None
    before = ""  # a text that is a name when a colon follows
    for token in _TOKEN.finditer(text):
        start, end = token.span()
        sign, said = text[start], before
        before = ""
        if sign == ":":
            name = _said(said) if said else None
        elif sign == ",":
            name = None
        elif sign in "{[":
            around.append((name, start))
            if len(around) <= AROUND_MAX:
                names = (*names, name)
            name = None
        elif sign in "}]":
            if around:
                yield from _closed(around.pop(), end)
                names = names[: len(around)]
            name = None
        else:
            item = name is None and bool(around) and text[around[-1][1]] == "["
            yield Part(name, start, end, names, item)
            before = token.group() if sign == '"' and name is None else ""
            name = None
    while around:
        yield from _closed(around.pop(), len(text))


def _closed(opened: tuple[str | None, int], end: int) -> Iterator[Part]:
    name, start = opened
    if name is not None:
        yield Part(name, start, end)


def _said(quoted: str) -> str:
    """Return what a quoted text says."""
    said = quoted[1:].removesuffix('"')
    reading = unescaped(said)
    return said if reading is None else reading.text
