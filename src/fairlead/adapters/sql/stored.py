"""Values of rows that somebody may have written over, and that are read to find it out.

SQLite keeps text where a number belongs, and both databases keep numbers that no clock shows. Such
a value is read as one of its column's kind that was never written there, so that whatever compares
or hashes it goes on, and says that it does not fit.
"""

from __future__ import annotations

import math
from typing import Any

NEVER = -1
"""Stands for what is no number: nothing here counts below zero, and no clock shows it."""

_COUNT_MAX = 2**53
_QUOTED_MAX = 100


def as_text(value: Any) -> str:
    """Return a text; what is none is quoted in one that says so."""
    return value if isinstance(value, str) else f"no text: {value!r}"[:_QUOTED_MAX]


def as_count(value: Any) -> int:
    """Return a number of things; NEVER for what is none."""
    return value if type(value) is int and 0 <= value < _COUNT_MAX else NEVER


def as_time(value: Any) -> float:
    """Return a time in seconds since 1970; NEVER for what is none."""
    return value if type(value) in (int, float) and math.isfinite(value) else NEVER


def as_truth(value: Any) -> bool:
    """Return true or false; NEVER for what is neither, and no signature holds for it."""
    # SQLite has no truth: it keeps 1 and 0, and the driver gives what it keeps.
    known = type(value) in (bool, int) and value in (0, 1)
    return bool(value) if known else NEVER  # type: ignore[return-value]
