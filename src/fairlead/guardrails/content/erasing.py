"""Takes known values out of texts, JSON and bytes, in all forms in which they ordinarily stand.

It looks with more care than it reads: letter case does not count, JSON is taken apart, so that what
is left is JSON again, and numbers count as their digits.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import count
from typing import get_args

from fairlead.core.calls import Ask, Done, Failed, Refused, RetryAt, Unknown, Usage
from fairlead.core.digests import Json, canonical_json
from fairlead.core.erasure import ERASED
from fairlead.core.grounding import GroundedSource
from fairlead.core.guarding import Check
from fairlead.core.label import Integrity, Label
from fairlead.core.outcome import Outcome, RunState
from fairlead.guardrails.content.redact import DEPTH_MAX
from fairlead.guardrails.content.renderings import sources

_SPLIT_CHARS_MIN = 48
"""A page of a database may end in the middle of a value; so a long one's halves are looked for."""


_JSON = ("{", "[", '"')

_RECORDS = (Outcome, Check, GroundedSource, Done, Failed, Refused, RetryAt, Unknown, Ask, Usage)
_OURS = frozenset(
    (
        *(one.name for cls in (*_RECORDS, Label) for one in fields(cls)),
        *get_args(RunState),
        *get_args(Integrity),
        *("state", "done", "retry", "ask", "label"),
    )
)
"""Words that a record is made of: without one of them it could not be read any more, and as the
whole of a text or of a name they are nobody's."""


_GRAMS = (8, 6, 4)
"""Characters of the pieces of texts by which forms are found when there are many of them."""
_FORMS_MANY = 64
_WINDOW_CHARS = 65_536
_RUN = re.compile(r"[a-z0-9_.~-]+")
_PIECE_CHARS_MAX = 4_096
"""A longer value is looked for in pieces, each of which has some of its words only."""


@dataclass(frozen=True, eq=False)
class _Form:
    """One way in which a value stands; its pattern is made when it is needed first."""

    needle: str
    source: str
    words: tuple[str, ...]
    rank: int

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(self.source, re.IGNORECASE)


class _Forms:
    """Finds those of many forms that a text may hold, in one pass over the text.

    Each form is filed under the rarest piece of its words: ten thousand sentences that begin alike
    differ in a number or a name.
    """

    def __init__(self, forms: Iterable[_Form]) -> None:
        self.all = tuple(forms)
        self._always: tuple[_Form, ...] = self.all
        self._filed: dict[int, dict[str, list[_Form]]] = {}
        if len(self.all) > _FORMS_MANY:
            self._file()

    def _file(self) -> None:
        often = Counter(piece for form in self.all for piece in _pieces(form))
        always = []
        for form in self.all:
            if of_form := _pieces(form):
                rarest = min(of_form, key=lambda one: (often[one], -len(one), one))
                self._filed.setdefault(len(rarest), {}).setdefault(rarest, []).append(form)
            else:
                always.append(form)
        self._always = tuple(always)

    def within(self, folded: str) -> Iterator[_Form]:
        """Yield the forms whose needle a text holds.

        Args:
            folded: The text in lower case.
        """
        yield from (form for form in self._always if form.needle in folded)
        for size, filed in self._filed.items():
            for piece in _there(folded, size, filed.keys()):
                yield from (form for form in filed[piece] if form.needle in folded)


def _there(text: str, size: int, wanted: Set[str]) -> set[str]:
    """Return the wanted pieces that a text holds."""
    found: set[str] = set()
    for start in range(0, len(text), _WINDOW_CHARS):
        ends = min(start + _WINDOW_CHARS, len(text) - size + 1)
        found |= wanted & {text[at : at + size] for at in range(start, ends)}
    return found


def _pieces(form: _Form) -> set[str]:
    """Return pieces of a form's words, of every size; of a code, which is one word, fewer."""
    size = _GRAMS[0]
    if len(form.words) == 1 and len(form.needle) >= 2 * size:
        code = form.needle
        return {code[at : at + size] for at in range(0, len(code) - size + 1, size)}
    return {
        word[at : at + size]
        for size in _GRAMS
        for word in form.words
        for at in range(len(word) - size + 1)
    }


class Eraser:
    """Finds values and takes them out.

    Args:
        values: The values; the longest go first, because one may be a part of another.
    """

    def __init__(self, values: Iterable[str]) -> None:
        self.values = tuple(sorted(set(values), key=lambda one: (-len(one), one)))
        kept = dict.fromkeys(way for one in self.values for way in _written(one))
        whole = tuple(_forms(kept))
        self._forms = _Forms(whole)
        halves = [part for one in kept for part in _halves(one)]
        self._raw = _Forms((*whole, *_forms(dict.fromkeys(halves)))) if halves else self._forms
        self._overlap = max((len(one) for one in kept), default=0) * 32 + 64

    def __bool__(self) -> bool:
        return bool(self._forms.all)

    def text(self, text: str, place: str = ERASED) -> str:
        """Return a text without the values; the very same object when it holds none.

        Args:
            text: Any text; when it is JSON, what comes back is JSON as well.
            place: What stands in place of a value. A single character keeps all others where they
                are: it stands there as often as the value is long.
        """
        if not self._holds(text, self._forms):
            return text
        if text.startswith(_JSON):
            try:
                value = json.loads(text)
                left = self.json(value)
                return text if left == value else canonical_json(left)
            except ValueError:
                pass
        return self._plain(text, place)

    def json(self, value: Json, depth: int = 0) -> Json:
        """Return a JSON value without the values, in texts, names and numbers."""
        if isinstance(value, str):
            if value in _OURS:
                return value
            # A text within JSON may be JSON itself; it is taken apart once more, and no further.
            return self._plain(value, ERASED) if depth >= DEPTH_MAX else self._inner(value, depth)
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int | float):
            said = str(value)
            return (
                ERASED if any(said == one or said in one.split() for one in self.values) else value
            )
        if depth >= DEPTH_MAX:
            said = canonical_json(value)
            return ERASED if self._holds(said, self._forms) else value
        if isinstance(value, dict):
            return self._object(value, depth)
        return [self.json(item, depth + 1) for item in value]

    def holds(self, data: str | bytes) -> bool:
        """Say whether something holds one of the values, in whatever form."""
        return self.count(data) > 0

    def count(self, data: str | bytes) -> int:
        """Return how often something holds one of the values."""
        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
        found = self._holds(text, self._forms)
        return sum(len(form.pattern.findall(text)) for form in found)

    def count_raw(self, chunks: Iterable[bytes]) -> int:
        """Return how often a file holds one of the values or half of a long one.

        Args:
            chunks: Its bytes, piece by piece.
        """
        found, rest = 0, b""
        for data in chunks:
            # What stands whole in the overlap was counted before, and a sign that is cut is whole
            # there.
            found += self._raw_count(rest + data) - self._raw_count(rest)
            rest = (rest + data)[-self._overlap :]
        return found

    def _raw_count(self, data: bytes) -> int:
        text = data.decode("utf-8", "replace")
        return sum(len(form.pattern.findall(text)) for form in self._holds(text, self._raw))

    def _inner(self, text: str, depth: int) -> str:
        if not self._holds(text, self._forms):
            return text
        if text.startswith(("{", "[")):
            try:
                return canonical_json(self.json(json.loads(text), depth + 1))
            except ValueError:
                pass
        return self._plain(text, ERASED)

    def _object(self, value: dict[str, Json], depth: int) -> dict[str, Json]:
        made: dict[str, Json] = {}
        for key, item in value.items():
            name = unique = key if key in _OURS else self._plain(key, ERASED)
            number = 2
            while unique in made:
                unique, number = f"{name} {number}", number + 1
            made[unique] = self.json(item, depth + 1)
        return made

    def _plain(self, text: str, place: str) -> str:
        def put(match: re.Match[str]) -> str:
            return place * len(match[0]) if len(place) == 1 else place

        for form in self._holds(text, self._forms):
            text = form.pattern.sub(put, text)
        return text

    def _holds(self, text: str, forms: _Forms) -> list[_Form]:
        found = [form for form in forms.within(text.lower()) if form.pattern.search(text)]
        # The longest first: one may be a part of another.
        return sorted(found, key=lambda one: one.rank)


def _written(value: str) -> Iterator[str]:
    """Yield the texts that a value may stand as."""
    yield value
    # PostgreSQL's text has no NUL, so U+FFFD stands there; see `postgres.py`.
    yield value.replace("\0", "\ufffd")
    if not value.isascii():
        # The case of a letter that is written as a number is seen by no pattern.
        yield from (value.lower(), value.upper())


def _forms(values: Iterable[str]) -> Iterator[_Form]:
    ranks = count()
    for value in values:
        words = tuple(_RUN.findall(value.lower())) if len(value) <= _PIECE_CHARS_MAX else ()
        # A line of a text, such as a greeting, is no value by itself.
        for one in sources(value, by_line=False):
            needle = one.needle.lower()
            own = words if needle in words else (needle,)
            yield _Form(needle, one.pattern, own, next(ranks))


def _halves(value: str) -> tuple[str, ...]:
    if len(value) < _SPLIT_CHARS_MIN:
        return ()
    middle = len(value) // 2
    return value[:middle], value[middle:]
