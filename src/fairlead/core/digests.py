"""Canonical JSON and digests: equal content gives equal digests, on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, a list or a dict with string keys."""

NESTED_MAX = 100
"""So many lists and objects may be inside each other in what is read back."""

# Made once: `json.dumps` makes one for every value that it writes so.
_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def canonical_json(value: Json) -> str:
    """Return the one text of a JSON value: sorted keys, no spaces, no NaN.

    Raises:
        ValueError: The value holds NaN, an infinity, or text that is no Unicode (half a pair).
        TypeError: The value is not JSON.
    """
    text = _CANONICAL.encode(value)
    if not text.isascii():
        text.encode()
    return text


def read_canonical(text: str, *, nested: int = NESTED_MAX) -> Json:
    """Return the JSON value of a text that `canonical_json` wrote, and of no other text.

    What somebody else wrote may have two values under one name, or none that can be written again.

    Args:
        text: The text.
        nested: Most lists and objects inside each other.

    Raises:
        ValueError: `canonical_json` did not write it, or it is nested deeper.
    """
    try:
        value = json.loads(text)
        if canonical_json(value) != text:
            raise ValueError("it is not written as it would be here")
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    # What reads it later takes more room on the stack than the two above.
    if _depth(value) > nested:
        raise ValueError("it is nested too deep")
    return value


def _depth(value: Json) -> int:
    """Return how many lists and objects are inside each other."""
    found, level = 0, [value]
    while inner := [item for item in level if isinstance(item, dict | list)]:
        found += 1
        level = [item for one in inner for item in (one.values() if isinstance(one, dict) else one)]
    return found


def digest(value: Json) -> str:
    """Return the SHA-256 of a JSON value's canonical text, as 64 hex digits."""
    return digest_bytes(canonical_json(value).encode())


def digest_bytes(data: bytes) -> str:
    """Return the SHA-256 of bytes, as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def digest_files(files: Mapping[str, bytes]) -> str:
    """Return the digest of named files; their order, times and rights do not count.

    Args:
        files: Content by path, with forward slashes.
    """
    return digest({path: digest_bytes(data) for path, data in files.items()})
