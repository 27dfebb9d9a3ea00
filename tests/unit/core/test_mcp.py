"""What is pinned of a tool, and how drift from it is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead import FairleadError, mcp
from fairlead.core.drift import LINES_MAX, VALUE_CHARS_MAX, differences, drift, in_short
from fairlead.core.mcp import (
    DEFINITION_KEYS,
    McpPin,
    ServerTerms,
    definition_digest,
    definition_of,
    mcp_name,
)

PLAIN: dict[str, Any] = {
    "name": "read",
    "description": "Read one file.",
    "inputSchema": {"type": "object", "properties": {"path": {"type": "string"}}},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=200),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def pin(definition: dict[str, Any]) -> McpPin:
    return McpPin(
        server="files",
        tool=definition["name"],
        digest=definition_digest(definition),
        definition=definition,
    )


@given(st.dictionaries(st.sampled_from(DEFINITION_KEYS), JSON), JSON)
def test_any_change_of_what_is_pinned_is_drift_and_nothing_else_is(
    served: dict[str, Any], other: Any
) -> None:
    kept = definition_of({"name": "read", **served})
    assert drift(pin(kept), {"read": kept}) == ()
    assert definition_of({"name": "read", "_meta": other, "icons": other, **served}) == kept
    changed = definition_of({"name": "read", **served, "description": other})
    found = drift(pin(kept), {"read": changed})
    assert bool(found) == (definition_digest(changed) != definition_digest(kept))
    assert all(len(line) < 2 * VALUE_CHARS_MAX + 40 for line in found if "description" in line)


def test_a_tool_that_is_gone_and_a_pin_that_was_changed_are_drift() -> None:
    assert drift(pin(PLAIN), {}) == ("the server lists no tool read any more",)
    forged = replace(pin(PLAIN), digest="0" * 64)
    assert drift(forged, {"read": PLAIN}) == ("its pin was changed",)


def test_a_long_text_is_shown_around_its_first_difference_and_cannot_act_on_a_terminal() -> None:
    before, after = "a" * 300 + "good" + "b" * 300, "a" * 300 + "\x1b[2Jevil" + "b" * 300
    (line,) = differences({"description": before}, {"description": after})
    assert "good" in line
    assert "\\u001b[2Jevil" in line
    assert "\x1b" not in line
    assert len(line) < 2 * VALUE_CHARS_MAX + 40


def test_many_differences_are_told_in_short() -> None:
    lines = tuple(f"line {number}" for number in range(LINES_MAX + 3))
    assert in_short(lines).endswith("line 3; and 3 more")
    assert in_short(lines[:2]) == "line 0; line 1"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"command": "x", "url": "http://x"},
        {"url": "ftp://x"},
        {"url": "http://x", "args": ("a",)},
        {"command": "x", "headers": {"A": "B"}},
        {"command": "x", "connect_timeout_s": 0.0},
        {"command": "x", "call_timeout_s": float("nan")},
        {"command": "x", "recheck_s": -1.0},
        {"command": "x", "calls_max": 0},
        {"command": "x", "answer_bytes": 10},
    ],
)
def test_a_server_without_sense_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        ServerTerms(name="files", **given)


def test_names() -> None:
    assert mcp_name("files", "a.b/c-d") == "files__a_b_c-d"
    assert mcp("files", "read").name == "files__read"
    assert mcp("files", "read") == mcp("files", "read")
    for server, tool in (("Files", "read"), ("a_b", "c"), ("files", "a b"), ("files", "x" * 60)):
        with pytest.raises(FairleadError, match="FL-006"):
            mcp(server, tool)
