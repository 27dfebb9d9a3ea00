"""Canonical JSON and digests: equal content gives equal digests, on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, a list or a dict with string keys."""

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
