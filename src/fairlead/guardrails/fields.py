"""Takes named fields out of a value, as a rule's `@redact` asks for."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping

from fairlead.core.digests import Json
from fairlead.guardrails.jsontext import TEXTS_MAX, Part, inner, opens_json, parts, unescaped

REDACTED = "[redacted]"
"""What stands in place of a text; in place of anything else stands null."""


def without_fields(value: Json, names: Collection[str]) -> Json:
    """Return a value without the content of some fields, wherever in it they stand.

    A text that begins as JSON is looked through as well, and what is in it that is such a text.

    Args:
        value: JSON.
        names: The fields; upper and lower case are the same.
    """
    return _without(value, frozenset(name.casefold() for name in names))


def _without(value: Json, names: frozenset[str]) -> Json:
    if isinstance(value, Mapping):
        return {
            # What is no JSON may have other names than texts.
            name: _gone(item) if str(name).casefold() in names else _without(item, names)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without(item, names) for item in value]
    if isinstance(value, str) and names and opens_json(value):
        return _without_in_text(value, names, level=1)
    return value


def _gone(value: Json) -> Json:
    return REDACTED if isinstance(value, str) else None


def _without_in_text(text: str, names: frozenset[str], *, level: int) -> str:
    edits: list[tuple[int, int, str]] = []
    for part in parts(text):
        if part.name is not None and part.name.casefold() in names:
            new: str | None = json.dumps(REDACTED) if text[part.start] == '"' else "null"
        else:
            new = _rewritten(text, part, names, level=level)
        if new is not None:
            edits.append((part.start, part.end, new))
    return _edited(text, edits)


def _rewritten(text: str, part: Part, names: frozenset[str], *, level: int) -> str | None:
    """Return a part that is a JSON text itself, without the fields; None where nothing is new."""
    span = inner(text, part)
    # The quotes of a JSON text inside of another one are escaped.
    reading = unescaped(text[slice(*span)]) if span else None
    if reading is None or not opens_json(reading.text):
        return None
    if level >= TEXTS_MAX:
        # Nobody can say what it holds.
        return json.dumps(REDACTED)
    left = _without_in_text(reading.text, names, level=level + 1)
    return None if left == reading.text else json.dumps(left)


def _edited(text: str, edits: Iterable[tuple[int, int, str]]) -> str:
    """Return a text with new stretches; one inside of another one counts no more."""
    pieces, place = [], 0
    for start, end, new in sorted(edits, key=lambda edit: (edit[0], -edit[1])):
        if start >= place:
            pieces += [text[place:start], new]
            place = end
    return "".join(pieces) + text[place:]
