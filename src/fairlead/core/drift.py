"""Drift: how the definition that an MCP server serves differs from the one that was pinned."""

from __future__ import annotations

import json
from collections.abc import Mapping

from fairlead.core.digests import Json
from fairlead.core.mcp import McpPin, definition_digest
from fairlead.core.release import diff_json

LINES_MAX = 4
VALUE_CHARS_MAX = 60


def drift(pin: McpPin, served: Mapping[str, Json]) -> tuple[str, ...]:
    """Say how what is served differs from a pin.

    Args:
        pin: The pin of a run's release.
        served: The definitions that the server lists now, by the tool's name.

    Returns:
        What differs, a line each; empty when nothing does.
    """
    if pin.tool not in served:
        return (f"the server lists no tool {pin.tool} any more",)
    if definition_digest(served[pin.tool]) == pin.digest:
        return ()
    # A pin whose own digest does not fit its definition is as good as another definition.
    return differences(pin.definition, served[pin.tool]) or ("its pin was changed",)


def differences(pinned: Json, served: Json) -> tuple[str, ...]:
    """Say where two definitions differ, a line each, around the first difference of long texts."""
    return tuple(
        f"{path}: {_short(before, after)} -> {_short(after, before)}"
        for path, before, after in diff_json(pinned, served)
    )


def in_short(lines: tuple[str, ...]) -> str:
    """Return the first few lines as one text."""
    more = len(lines) - LINES_MAX
    return "; ".join(lines[:LINES_MAX]) + (f"; and {more} more" if more > 0 else "")


def _short(value: Json, other: Json) -> str:
    if value is None:
        return "nothing"
    # As JSON: what a server writes cannot act on a terminal.
    text = json.dumps(value, sort_keys=True)
    if len(text) <= VALUE_CHARS_MAX:
        return text
    against = json.dumps(other, sort_keys=True)
    same = next((i for i, (a, b) in enumerate(zip(text, against, strict=False)) if a != b), 0)
    start = max(same - VALUE_CHARS_MAX // 3, 0)
    end = start + VALUE_CHARS_MAX
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")
