"""Takes out of texts and JSON what was found in them, and out of JSON that travels as a text.

What stands in its place names the kind: `[redacted:aws-key]`. Redacting twice gives the same, and
what is redacted has no finding.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from fairlead.core.digests import Json
from fairlead.core.secrets import SECRET_CHARS_MIN
from fairlead.guardrails.content.kinds import KINDS, SECRETS
from fairlead.guardrails.content.names import Under, under
from fairlead.guardrails.content.numbers import NUMBER_DIGITS_MIN, digits_of
from fairlead.guardrails.content.renderings import Rendering, renderings
from fairlead.guardrails.content.scan import findings

DEPTH_MAX = 100
"""Deepest nesting of JSON that is looked through; what lies deeper is left out whole."""

_ROUNDS_MAX = 4
_NAME_CHARS = 64
"""What is taken out may bare something beside it; after so many looks all of a text is left out."""


class Found(NamedTuple):
    """What was taken out of a JSON value.

    Attributes:
        kind: Its kind.
        path: Where it stood, such as `order.notes[2]`.
    """

    kind: str
    path: str


def placeholder(kind: str) -> str:
    """Return what stands in place of something of a kind."""
    return f"[redacted:{kind}]"


def redacted_text(text: str, kinds: Collection[str] = SECRETS) -> tuple[str, tuple[str, ...]]:
    """Take out of a text what is of some kinds.

    Args:
        text: Any text.
        kinds: What is taken out.

    Returns:
        The text, and the kinds that were taken out, in order.
    """
    taken: list[str] = []
    for _ in range(_ROUNDS_MAX):
        found = findings(text, kinds)
        if not found:
            return text, tuple(taken)
        parts, place = [], 0
        for one in found:
            parts += [text[place : one.start], placeholder(one.kind)]
            place = one.end
            taken.append(one.kind)
        text = "".join(parts) + text[place:]
    if findings(text, kinds):
        text = placeholder(taken[-1])
    return text, tuple(taken)


def masked(text: str, kinds: Collection[str] = SECRETS) -> str:
    """Blank out of a text what is of some kinds; every other character keeps its place.

    Args:
        text: Any text.
        kinds: What is blanked out.
    """
    for _ in range(_ROUNDS_MAX):
        found = findings(text, kinds)
        if not found:
            return text
        parts, place = [], 0
        for one in found:
            parts += [text[place : one.start], "*" * (one.end - one.start)]
            place = one.end
        text = "".join(parts) + text[place:]
    return "*" * len(text) if findings(text, kinds) else text


def redacted(value: Json, kinds: Collection[str] = KINDS) -> tuple[Json, tuple[Found, ...]]:
    """Take out of a JSON value what is of some kinds, in texts and in names alike.

    Args:
        value: Any JSON value; what is no JSON is left as it is.
        kinds: What is taken out.

    Returns:
        The value, the very same object when nothing was found, and what was taken out of it.
    """
    found: list[Found] = []
    wanted = frozenset(kinds)
    return _walk(value, wanted, found, "", depth=0), tuple(found)


def without(value: Json, secrets: Iterable[tuple[str, str]]) -> Json:
    """Take known secrets out of a JSON value, in all forms in which they ordinarily come back.

    Args:
        value: Any JSON value.
        secrets: Names and values.
    """
    forms = _forms(tuple(secrets))
    return _replaced(value, forms, 0) if forms else value


@lru_cache(maxsize=64)
def _forms(secrets: tuple[tuple[str, str], ...]) -> tuple[tuple[Rendering, str], ...]:
    """Return how known secrets are found, and what stands in place of each."""
    forms = [(one, placeholder(name)) for name, value in secrets for one in renderings(value)]
    # The longest first: one may stand inside of another.
    return tuple(sorted(forms, key=lambda one: -one[0].size))


def _walk(
    value: Json,
    kinds: frozenset[str],
    found: list[Found],
    path: str,
    *,
    depth: int,
    above: Under | None = None,
) -> Json:
    if isinstance(value, str):
        return _text(value, kinds, found, path, above=above)
    if digits := digits_of(value, NUMBER_DIGITS_MIN):
        left = _text(digits, kinds, found, path)
        return value if left is digits else left
    if not isinstance(value, dict | list | tuple):
        return value
    if depth >= DEPTH_MAX:
        found.append(Found("depth", path))
        return placeholder("depth")
    if isinstance(value, dict):
        return _walk_object(value, kinds, found, path, depth=depth, above=above)
    items = [
        _walk(item, kinds, found, f"{path}[{place}]", depth=depth + 1, above=above)
        for place, item in enumerate(value)
    ]
    if all(new is old for new, old in zip(items, value, strict=True)):
        return value
    return tuple(items) if isinstance(value, tuple) else items


def _text(
    value: str, kinds: frozenset[str], found: list[Found], path: str, *, above: Under | None = None
) -> str:
    if above is not None and above.holds(value):
        found.append(Found("named-secret", path))
        return placeholder("named-secret")
    text, taken = redacted_text(value, kinds)
    if not taken:
        return value
    found += (Found(kind, path) for kind in taken)
    # What is left is judged as it will be when it is redacted once more.
    return _text(text, kinds, found, path, above=above) if above is not None else text


def _walk_object(
    value: dict[Any, Json],
    kinds: frozenset[str],
    found: list[Found],
    path: str,
    *,
    depth: int,
    above: Under | None,
) -> Json:
    made: dict[Any, Json] = {}
    same = True
    for key, item in value.items():
        name = _name(key, kinds, found, path, made=made)
        inner = f"{path}.{name}" if path else str(name)
        # The name as it is kept: what is redacted once more is judged by the same.
        held = under(str(name), item, above) if "named-secret" in kinds else None
        made[name] = _walk(item, kinds, found, inner, depth=depth + 1, above=held)
        same = same and name is key and made[name] is item
    return value if same else made


@lru_cache(maxsize=4096)
def _redacted_name(key: str, kinds: frozenset[str]) -> tuple[str, tuple[str, ...]]:
    return redacted_text(key, kinds)


def _name(
    key: Any, kinds: frozenset[str], found: list[Found], path: str, *, made: dict[Any, Json]
) -> Any:
    """Return an object's key as it is kept; two that become the same are told apart."""
    if not isinstance(key, str):
        return key
    # The same names come again and again, and few of them are long.
    short = len(key) <= _NAME_CHARS
    name, taken = _redacted_name(key, kinds) if short else redacted_text(key, kinds)
    if not taken:
        return key
    found += (Found(kind, path) for kind in taken)
    unique, number = name, 2
    while unique in made:
        unique, number = f"{name} {number}", number + 1
    return unique


def _replaced(value: Json, forms: tuple[tuple[Rendering, str], ...], depth: int) -> Json:
    if isinstance(value, str):
        for form, place in forms:
            if form.needle in value:
                value = form.pattern.sub(place.replace("\\", r"\\"), value)
        return value
    if digits := digits_of(value, SECRET_CHARS_MIN):
        left = _replaced(digits, forms, depth)
        return value if left == digits else left
    if depth >= DEPTH_MAX or not isinstance(value, dict | list | tuple):
        return value
    if isinstance(value, dict):
        return {
            _replaced(key, forms, depth): _replaced(item, forms, depth + 1)
            for key, item in value.items()
        }
    items = [_replaced(item, forms, depth + 1) for item in value]
    return tuple(items) if isinstance(value, tuple) else items
