"""Values as short texts: times, amounts, ids. Nothing here knows a terminal's width."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TextIO

# What a terminal would obey instead of show. Answers and documents come from outside.
_CONTROL = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), "\ufffd")
_CONTROL |= dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd")
_CONTROL |= dict.fromkeys((0x061C, 0x200E, 0x200F), "\ufffd")
# Lines that some take for the end of one and others do not: a new line looks like one of ours.
_CONTROL |= dict.fromkeys((0x2028, 0x2029), "\n")
for _kept in "\n\t":
    del _CONTROL[ord(_kept)]


def wants_colour(stream: TextIO) -> bool:
    """Return whether a stream is a terminal whose user did not switch colours off."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def safe(text: str) -> str:
    """Return a text without the characters that move a terminal's cursor or turn its text."""
    return text.replace("\r\n", "\n").translate(_CONTROL).expandtabs(4)


def one_line(text: str) -> str:
    """Return a text on one line, safe to print."""
    return " ".join(safe(text).split())


def moment(seconds: float | None) -> str:
    """Return a time since 1970 as date and time in UTC; a dash for None."""
    if seconds is None:
        return "-"
    try:
        at = datetime.fromtimestamp(seconds, tz=UTC).replace(tzinfo=None)
        return at.isoformat(" ", "seconds")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:g} s"  # no year has it: somebody wrote over the record


def minute(seconds: float | None) -> str:
    """Return a time as `moment` does, to the minute, for a list with little room."""
    return moment(seconds)[: len("2026-01-31 12:00")]


def span(seconds: float | None) -> str:
    """Return a length of time in at most seven characters; a dash for None."""
    if seconds is None:
        return "-"
    seconds = max(seconds, 0.0)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 99.5:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h {minutes:02d}m"
    return f"{hours // 24}d {hours % 24:02d}h"


def count(number: int) -> str:
    """Return a whole number in at most four characters, up to a thousand millions."""
    for unit, letter in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if number >= unit:
            value = number / unit
            return f"{value:.1f}{letter}" if value < 9.95 else f"{value:.0f}{letter}"
    return str(number)


def bytes_text(number: int) -> str:
    """Return a size in at most eight characters, in units of a thousand."""
    for unit, name in ((1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")):
        if number >= unit:
            value = number / unit
            return f"{value:.1f} {name}" if value < 99.95 else f"{value:.0f} {name}"
    return f"{number} B"


def money(usd: float) -> str:
    """Return an amount in US dollars in about seven characters; a dash for nothing."""
    if not usd:
        return "-"
    return f"${usd:.4f}" if usd < 1 else f"${usd:.2f}"
