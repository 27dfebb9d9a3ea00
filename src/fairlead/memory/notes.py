"""What is to be remembered, held against the bounds before anything is written."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from fairlead.core.digests import canonical_json
from fairlead.core.errors import MemoryInvalid
from fairlead.core.memory import (
    LINEAGE_MAX,
    MEMORY_KINDS,
    PREDICATE_CHARS_MAX,
    SUBJECT_CHARS_MAX,
    TEXT_CHARS_MAX,
    TIME_MAX,
    TIME_MIN,
    TOP_K_MAX,
    VALUE_BYTES_MAX,
    WRITE_ITEMS_MAX,
    MemoryQuery,
    Note,
)

PLACE_MAX = 2**31 - 1
DERIVATION_CHARS_MAX = 200

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NAMES_CHARS_MAX = {
    "subject": SUBJECT_CHARS_MAX,
    "predicate": PREDICATE_CHARS_MAX,
    "actor": 200,
    "thread": 500,
}


def check_notes(notes: Sequence[Note]) -> None:
    """Refuse notes that cannot be kept, all of them.

    Args:
        notes: What is to be remembered.

    Raises:
        MemoryInvalid: One of them is empty or too long, is no sound text, or holds what cannot be.
    """
    if len(notes) > WRITE_ITEMS_MAX:
        raise MemoryInvalid(f"{len(notes)} items at once; {WRITE_ITEMS_MAX} are the most")
    for place, note in enumerate(notes, start=1):
        found = note_finding(note)
        if found is not None:
            which = f"item {place} of {len(notes)}" if len(notes) > 1 else "the item"
            raise MemoryInvalid(f"{which}: {found}")


def query_finding(query: MemoryQuery) -> str | None:
    """Return what is wrong with a question, in words; None when it can be asked.

    Args:
        query: What is asked.
    """
    text: Any = query.text  # It comes from an app's code, which nobody may have type-checked.
    if not isinstance(text, str):
        return f"a question is a text, not {type(text).__name__}"
    if type(query.top_k) is not int or not 1 <= query.top_k <= TOP_K_MAX:
        return f"top_k must be from 1 to {TOP_K_MAX}, not {query.top_k!r}"
    if not _is_number(query.min_score) or not 0.0 <= query.min_score <= 1.0:
        return f"min_score must be from 0.0 to 1.0, not {query.min_score!r}"
    for name in ("known_at", "valid_at"):
        at = getattr(query, name)
        if at is not None and not (_is_number(at) and math.isfinite(at)):
            return f"{name} must be seconds since 1970, not {at!r}"
    if query.subject is not None:
        found = text_finding(query.subject, SUBJECT_CHARS_MAX)
        return None if found is None else f"the subject {found}"
    return None


def text_finding(text: Any, most: int) -> str | None:
    """Return what is wrong with a text, in words; None when it can be kept.

    Args:
        text: The text.
        most: Most characters.
    """
    if not isinstance(text, str):
        return f"is no text, but {type(text).__name__}"
    if len(text) > most:
        return f"has {len(text)} characters; {most} are the most"
    control = _CONTROL.search(text)
    if control is not None:
        return f"holds the control character U+{ord(control[0]):04X}"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "is no sound Unicode"
    return None


def note_finding(note: Note) -> str | None:
    """Return what is wrong with a note, in words; None when it can be kept.

    Args:
        note: What is to be remembered.
    """
    if note.kind not in MEMORY_KINDS:
        return f"there is no memory of kind {note.kind!r}"
    said: Any = note.text
    if isinstance(said, str) and not said.strip():
        return "its text is empty"
    texts = {"text": (said, TEXT_CHARS_MAX)}
    texts |= {name: (getattr(note, name), most) for name, most in _NAMES_CHARS_MAX.items()}
    texts["derivation"] = (note.provenance.derivation, DERIVATION_CHARS_MAX)
    for name, (text, most) in texts.items():
        found = text_finding(text, most)
        if found is not None:
            return f"its {name} {found}"
    return _value(note) or _times(note) or _places(note)


def _value(note: Note) -> str | None:
    try:
        size = len(canonical_json(note.value).encode())
    except (TypeError, ValueError, RecursionError) as error:
        return f"its value is not JSON: {error}"
    if size > VALUE_BYTES_MAX:
        return f"its value has {size} bytes as JSON; {VALUE_BYTES_MAX} are the most"
    return None


def _times(note: Note) -> str | None:
    times = {name: getattr(note, name) for name in ("valid_from", "valid_to", "expires_at")}
    for name, at in times.items():
        if at is not None and not (_is_number(at) and TIME_MIN <= at <= TIME_MAX):
            return f"its {name} is not in the years 1 to 9999"
    if note.valid_from is not None and note.valid_to is not None:
        return None if note.valid_from < note.valid_to else "it ends before it begins"
    return None


def _places(note: Note) -> str | None:
    if type(note.place) is not int:
        return f"its place {note.place!r} is no whole number"
    if not -PLACE_MAX <= note.place <= PLACE_MAX:
        return f"its place {note.place} is too far"
    parents = note.provenance.derived_from
    if len(parents) > LINEAGE_MAX:
        return f"it is derived from {len(parents)} items; {LINEAGE_MAX} are the most"
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
