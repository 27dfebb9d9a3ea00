"""Items as lines of JSON: what an export holds, and what an import reads.

A line is what a person would write, such as `{"text": "...", "subject": "customer:42"}`, or an item
as an export has it. Of that, an import takes what it says and when; whose it is, how far it may be
trusted and where it comes from, the import itself decides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, NoReturn

from fairlead.core.digests import NESTED_MAX, Json
from fairlead.core.errors import MemoryFileInvalid
from fairlead.core.memory import EVERYONE, NOBODY, SUBJECT_CHARS_MAX, Item, Note
from fairlead.memory.notes import text_finding

FORMAT = "memory-export"
VERSION = 1

LINE_BYTES_MAX = 2_000_000
"""Most bytes of a line; a longest item with every character escaped is shorter."""

_TEXTS = ("text", "subject", "predicate", "actor", "thread")
_TIMES = ("valid_from", "valid_to", "expires_at")
_TAKEN = frozenset((*_TEXTS, *_TIMES, "kind", "value", "place", "audience"))
_PASSED_OVER = frozenset(one.name for one in fields(Item)) - _TAKEN
_LEFT_OUT = ("retracted", "forgotten")


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line that was read.

    Attributes:
        note: What is to be remembered; None for a header, and for what was taken back elsewhere.
        audience: Who may recall it; empty when the line does not say.
        header: Whether it is the header of an export.
    """

    note: Note | None
    audience: str = ""
    header: bool = False


def header_of(**said: Json) -> dict[str, Json]:
    """Return the first line of an export."""
    return {"fairlead": FORMAT, "version": VERSION, **said}


def read_line(data: bytes, number: int) -> Line:
    """Return what a line says.

    Args:
        data: The line.
        number: Its number in the file, from 1.

    Raises:
        MemoryFileInvalid: It is too long, no UTF-8, no JSON, or no item.
    """
    if len(data) > LINE_BYTES_MAX:
        _refuse(number, f"has more than {LINE_BYTES_MAX:,} bytes")
    try:
        found = json.loads(data.decode(), parse_constant=_no_json)
    except UnicodeDecodeError as error:
        _refuse(number, f"is not UTF-8: byte {error.start}")
    except RecursionError:
        _refuse(number, f"is nested deeper than {NESTED_MAX} levels")
    except ValueError as error:
        _refuse(number, f"is no JSON: {error}")
    if not isinstance(found, dict):
        _refuse(number, "is no JSON object")
    if found.get("fairlead") == FORMAT:
        if number != 1:
            _refuse(number, "is the header of an export; it stands first, and once")
        if found.get("version") != VERSION:
            _refuse(number, f"is of version {found.get('version')!r}; this one reads {VERSION}")
        return Line(note=None, header=True)
    unknown = sorted(set(found) - _TAKEN - _PASSED_OVER)
    if unknown:
        _refuse(number, f"has the unknown key {unknown[0]!r}")
    if found.get("state") in _LEFT_OUT:
        return Line(note=None)
    return Line(note=_note(found, number), audience=_audience(found, number))


def _note(found: Mapping[str, Any], number: int) -> Note:
    texts = {name: found.get(name, "") for name in _TEXTS}
    for name, value in texts.items():
        if not isinstance(value, str):
            _refuse(number, f"has a {name} that is no text")
    kind, place = found.get("kind", "semantic"), found.get("place", 0)
    if not isinstance(kind, str):
        _refuse(number, "has a kind that is no text")
    if type(place) is not int:
        _refuse(number, "has a place that is no whole number")
    times = {name: _time(found.get(name), name, number) for name in _TIMES}
    return Note(kind=kind, value=found.get("value"), place=place, **texts, **times)  # type: ignore[arg-type]


def _time(value: Any, name: str, number: int) -> float | None:
    """Return a time in seconds since 1970; a line has a number, or a date and time."""
    if value is None:
        return None
    try:
        return float(value) if type(value) in (int, float) else seconds_of(value)
    except (TypeError, ValueError, OverflowError):
        _refuse(number, f"has a {name} that is no time, such as 2026-11-29T18:00")


def seconds_of(text: str) -> float:
    """Return a date, or a date and time, in seconds since 1970; UTC where it has no zone.

    Raises:
        ValueError: It is none.
    """
    found = datetime.fromisoformat(text)
    try:
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except OverflowError as error:
        raise ValueError(str(error)) from error


def _audience(found: Mapping[str, Any], number: int) -> str:
    said = found.get("audience", "")
    known = isinstance(said, str) and (said in ("", EVERYONE, NOBODY) or said.startswith("user:"))
    if not known and found.get("kind") != "working":
        _refuse(number, f"has the audience {said!r}; it is * or user:NAME")
    wrong = text_finding(str(said), SUBJECT_CHARS_MAX)
    if wrong is not None:
        _refuse(number, f"has an audience that {wrong}")
    return str(said)


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _refuse(number: int, what: str) -> NoReturn:
    raise MemoryFileInvalid(f"line {number:,} {what}", line=str(number))
