"""The forms in which a known value comes back: as it is, escaped, quoted, encoded.

A value rarely returns as it was handed out. JSON, `repr`, a URL and a page each write some of its
characters otherwise, and an `Authorization: Basic` header holds it in the middle of a base64 text.
Letters and digits stay what they are in all of these but base64. So one pattern for each value
lets every other character stand in any of its ways, however often it was escaped.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from functools import lru_cache
from html import escape
from typing import NamedTuple
from urllib.parse import quote

from fairlead.core.secrets import SECRET_CHARS_MIN

LINE_CHARS_MIN = 12
"""A shorter line of a value is part of too many texts."""
LINES_MAX = 256
"""Most lines of a value that are looked for alone; the whole value is looked for besides."""
_PIECE_CHARS_MAX = 4_096
"""A longer value is looked for in pieces, so that a pattern has a bound."""

_PLAIN = r"[A-Za-z0-9_.~-]+"
_TOKEN = re.compile(rf"{_PLAIN}|\\*[^\\]|\\+", re.DOTALL)
_RUN = re.compile(_PLAIN)
# JSON, and JSON inside of JSON, and that in an error's repr: one, three or seven backslashes.
# All of that in a URL.
_ESCAPES_MAX = 7
_BACKSLASH = r"(?:\\|%5[Cc])"
_BASE64 = re.compile("[A-Za-z0-9]+")
_BASE64_WAYS = {"+": "(?:[+-]|%2[Bb])", "/": r"(?:\\{0,7}/|_|%2[Ff])"}
_BASE64_EDGE = "[A-Za-z0-9+/_-]?"
_BASE64_PADDING = "(?:=|%3[Dd]){0,2}"


class Rendering(NamedTuple):
    """One way to find a value.

    Attributes:
        needle: It stands in whatever the pattern matches; looked for first, because that is cheap.
        pattern: What is taken out.
        size: Characters of what is taken out, at least.
    """

    needle: str
    pattern: re.Pattern[str]
    size: int


class Source(NamedTuple):
    """A rendering whose pattern is still a text: to compile thousands of them takes minutes."""

    needle: str
    pattern: str
    size: int


@lru_cache(maxsize=512)
def renderings(secret: str, *, by_line: bool = True) -> tuple[Rendering, ...]:
    """Return the ways to find a value; what was worked out is kept in memory only.

    Args:
        secret: The value. The blanks at its ends are not looked for when enough is left.
        by_line: Whether each of its lines is looked for alone as well.
    """
    found = sources(secret, by_line=by_line)
    return tuple(Rendering(one.needle, re.compile(one.pattern), one.size) for one in found)


def sources(secret: str, *, by_line: bool = True) -> tuple[Source, ...]:
    """Return the ways to find a value, none of them compiled.

    Args:
        secret: The value. The blanks at its ends are not looked for when enough is left.
        by_line: Whether each of its lines is looked for alone as well.
    """
    core = secret.strip()
    core = core if len(core) >= SECRET_CHARS_MIN else secret
    lines = [line.strip() for line in core.splitlines()[:LINES_MAX]] if by_line else []
    # The first line of a private key is that of any other, which is found by it.
    alone = [one for one in lines if len(one) >= LINE_CHARS_MIN and not one.startswith("-----")]
    texts = dict.fromkeys(piece for one in (core, *alone) for piece in _pieces(one))
    coded = _as_bytes(_utf8(core)) if len(core) >= SECRET_CHARS_MIN else ()
    return (*map(_as_text, texts), *coded)


def _pieces(text: str) -> Iterator[str]:
    """Yield a text in pieces of about the same length, so that none is short."""
    count = -(-len(text) // _PIECE_CHARS_MAX)
    size = -(-len(text) // max(count, 1))
    return (text[place * size : (place + 1) * size] for place in range(count))


def _utf8(text: str) -> bytes:
    """Return a text's bytes; what the environment had and is no UTF-8 is what it was."""
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")


def _as_text(text: str) -> Source:
    plain, any_way = re.escape(text), "".join(map(_ways, _TOKEN.findall(text)))
    # As it is, first: a value may hold what is an escape of something else.
    pattern = plain if plain == any_way else f"{plain}|{any_way}"
    return Source(_longest(_RUN, text), pattern, len(text))


def _ways(token: str) -> str:
    """Return a pattern of all ways to write plain characters, or another one behind backslashes."""
    if _RUN.fullmatch(token):
        return re.escape(token)
    char = token.lstrip("\\")
    count = len(token) - len(char)
    ways = _ways_of(char) if char else ""
    # What matched gives nothing back: that it could be cut in many ways must not cost anything.
    most = count * (_ESCAPES_MAX + 1)
    return f"(?>{_BACKSLASH}{{{count},{most}}}{ways})" if count else ways


@lru_cache(maxsize=4_096)
def _ways_of(char: str) -> str:
    """Return a pattern of all ways to write one character that is no backslash."""
    if _RUN.fullmatch(char):
        return re.escape(char)
    number, coded = ord(char), _utf8(char)
    named = {json.dumps(char)[1:-1], ascii(char)[1:-1], repr(coded)[2:-1], f"\\u{number:04x}"}
    escaped = [
        re.escape(one).replace(r"\\", f"{_BACKSLASH}{{1,{_ESCAPES_MAX}}}")
        for one in sorted(named)
        if one.startswith("\\") and one != f"\\{char}"
    ]
    others = {quote(coded, safe=""), escape(char), f"&#{number};", f"&#x{number:x};"} - {char}
    # Itself last: some ways begin with it, such as that of `&` on a page.
    bare = [*map(re.escape, sorted(others)), *([r"\+"] if char == " " else []), re.escape(char)]
    either = "|".join((*escaped, f"{_BACKSLASH}{{0,{_ESCAPES_MAX}}}(?:{'|'.join(bare)})"))
    return f"(?i:{either})"


def _as_bytes(value: bytes) -> Iterator[Source]:
    """Yield a value as base64 and in hexadecimal digits."""
    for shift in range(3):
        # Three bytes are four characters: what stands before a value decides how it is written,
        # and its neighbours have a share in its first character and in its last.
        whole = b64encode(b"\0" * shift + value).decode()
        first, last = (0, 2, 3)[shift], (shift + len(value)) * 8 // 6
        text = whole[first:last]
        inner = "".join(_BASE64_WAYS.get(one, one) for one in text)
        before = _BASE64_EDGE if shift else ""
        after = _BASE64_EDGE if (shift + len(value)) % 3 else ""
        pattern = before + inner + after + _BASE64_PADDING
        yield Source(_longest(_BASE64, text), pattern, len(text))
    for digits in (value.hex(), value.hex().upper()):
        yield Source(digits, digits, len(digits))


def _longest(run: re.Pattern[str], text: str) -> str:
    """Return the longest stretch of a text that every rendering leaves as it is."""
    return max(run.findall(text), key=len, default="")
