"""What is to be remembered, held against the bounds before anything is written."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
    VALUE_BYTES_MAX,
    WRITE_ITEMS_MAX,
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


def text_finding(text: str, most: int) -> str | None:
    """Return what is wrong with a text, in words; None when it can be kept.

    Args:
        text: The text.
        most: Most characters.
    """
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
    if not note.text.strip():
        return "its text is empty"
    texts = {"text": (note.text, TEXT_CHARS_MAX)}
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
        if at is not None and not TIME_MIN <= at <= TIME_MAX:
            return f"its {name} is not in the years 1 to 9999"
    if note.valid_from is not None and note.valid_to is not None:
        return None if note.valid_from < note.valid_to else "it ends before it begins"
    return None


def _places(note: Note) -> str | None:
    if not -PLACE_MAX <= note.place <= PLACE_MAX:
        return f"its place {note.place} is too far"
    parents = note.provenance.derived_from
    if len(parents) > LINEAGE_MAX:
        return f"it is derived from {len(parents)} items; {LINEAGE_MAX} are the most"
    return None
