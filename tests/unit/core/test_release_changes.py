"""What differs between two releases: every path has a class and a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.baseline import Baseline
from fairlead.core.digests import Json
from fairlead.core.mcp import McpPin, ServerTerms
from fairlead.core.memory_terms import RememberTerms
from fairlead.core.release import (
    Manifest,
    RecallTerms,
    ToolContract,
    WorkflowTerms,
    diff_json,
    manifest_json,
)
from fairlead.core.release_changes import IMPACTS, _other, _rule_of, explain, worst
from tests.unit.runtime.bench import manifest_of
from tests.unit.runtime.test_admission import echo

_SHAPE = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}


def base() -> dict[str, Any]:
    """Return a manifest with something at every place."""
    data: dict[str, Any] = manifest_json(manifest_of(echo))
    data["workflows"]["echo"] |= {
        "tools": ["pay"],
        "input_schema": deepcopy(_SHAPE),
        "output_schema": deepcopy(_SHAPE),
        "prompt": "One.\nTwo.\n",
    }
    data["contracts"]["pay"] = {
        "name": "pay",
        "description": "Pay.",
        "effect": "once",
        "scope": "pay",
        "targets": ["x"],
        "parameters": deepcopy(_SHAPE),
        "key": [],
        "compensate": "",
        "reconcile": False,
        "payload": [],
        "egress": False,
        "labels": {},
        "secrets": [],
        "mcp": None,
    }
    data["servers"]["files"] = {"name": "files", "command": "x", "call_timeout_s": 1.0}
    data["policies"]["policies/a.b.cedar"] = "permit(principal, action, resource);\n"
    return data


def changed(path: tuple[str, ...], value: Json, **options: Any) -> tuple[str, str]:
    """Change one place; return the class and the words of what differs."""
    before, after = base(), base()
    inner = after
    for key in path[:-1]:
        inner = inner[key]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    found = explain(before, after, **options)
    assert {one.words for one in found} == {found[0].words}
    return found[0].impact, found[0].words


E, P = ("workflows", "echo"), ("contracts", "pay")
CASES = [
    (("code_digest",), "f", "routing", "needs a worker"),
    (("workflows", "other"), {"name": "other"}, "information", "workflow other is new"),
    (E, None, "breaking", "workflow echo is gone"),
    ((*E, "input_schema", "required"), ["x", "y"], "breaking", "may refuse an input"),
    ((*E, "input_schema", "required"), [], "information", "every input"),
    ((*E, "output_schema", "required"), [], "breaking", "never got before"),
    ((*E, "output_schema", "properties", "x", "type"), "string", "breaking", "answer"),
    ((*E, "output_schema", "title"), "A", "information", "the shape"),
    ((*E, "tools"), [], "breaking", "pay went"),
    ((*E, "tools"), ["pay", "see"], "routing", "see came"),
    ((*E, "prompt"), "One.\n", "routing", "prompt of workflow echo"),
    ((*E, "model"), "a:b", "routing", "model of workflow echo"),
    ((*E, "limits", "steps"), 1, "routing", "is lower"),
    ((*E, "limits", "steps"), 10_000, "information", "changed"),
    (P, None, "breaking", "tool pay is gone"),
    (("contracts", "see"), {"name": "see"}, "routing", "tool see is new"),
    ((*P, "description"), "Pay now.", "routing", "description of tool pay"),
    ((*P, "name"), "pays", "routing", "name of tool pay"),
    ((*P, "scope"), "admin", "breaking", "scope of tool pay"),
    ((*P, "effect"), "read", "breaking", "effect of tool pay"),
    ((*P, "parameters", "required"), ["x", "y"], "breaking", "may refuse arguments"),
    ((*P, "parameters", "title"), "A", "routing", "described otherwise"),
    ((*P, "payload"), ["x"], "breaking", "got stricter: it is also judged by x"),
    ((*P, "egress"), True, "breaking", "got stricter"),
    ((*P, "mcp"), {"server": "s"}, "routing", "mcp of tool pay"),
    (("servers", "files"), None, "breaking", "MCP server files is gone"),
    (("servers", "files", "call_timeout_s"), 2.0, "information", "MCP server files"),
    (("policies", "policies/a.b.cedar"), "forbid", "routing", "policies/a.b.cedar"),
    (("memory", "embedder"), "minilm", "routing", "other memories"),
    (("budgets",), [{"name": "b"}], "information", "budgets"),
    (("of a later version",), 1, "information", "is new"),
]


@pytest.mark.parametrize(("path", "value", "impact", "words"), CASES)
def test_a_change_has_its_class_and_its_sentence(
    path: tuple[str, ...], value: Json, impact: str, words: str
) -> None:
    found = changed(path, value)
    assert (found[0], words in found[1]) == (impact, True), found


def test_other_code_breaks_what_is_pinned() -> None:
    found = changed(("code_digest",), "f", pinned=3)
    assert found[0] == "breaking"
    assert "3 runs are pinned" in found[1]


MEMORY = [
    ((1, [1, 1]), (2, [1, 2]), "breaking", "after a rollback nobody reads"),
    ((1, [1, 2]), (2, [1, 2]), "information", "reads what the other one writes"),
    ((1, [1, 2]), (2, [2, 2]), "breaking", "the newer release does not read"),
    ((2, [1, 2]), (2, [2, 2]), "information", "reads what the other one writes"),
]


@pytest.mark.parametrize(("old", "new", "impact", "words"), MEMORY)
def test_memory_must_be_readable_both_ways(old: Any, new: Any, impact: str, words: str) -> None:
    before, after = base(), base()
    for data, (schema, reads) in ((before, old), (after, new)):
        data["memory"] |= {"schema": schema, "reads": reads}
    found = explain(before, after)
    assert found
    assert all(one.impact == impact and words in one.words for one in found), found


def places(value: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every value that another one may stand in the place of."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))


PLACES = sorted(places(base()))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False)
    | st.text("a.", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=1), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(PLACES), JSON, max_size=4), st.integers(0, 2))
def test_whatever_changes_every_path_has_a_class(
    edits: dict[tuple[str, ...], Json], pinned: int
) -> None:
    before, after = base(), base()
    for path, value in sorted(edits.items(), key=lambda edit: -len(edit[0])):
        inner: Any = after
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
    for old, new in ((before, after), (after, before)):
        found = explain(old, new, pinned=pinned)
        assert [(".".join(one.path), one.before, one.after) for one in found] == diff_json(old, new)
        assert all(one.impact in IMPACTS and one.words for one in found)
        worst_of = worst(found)
        assert (worst_of is None) == (found == ())
        assert all(
            IMPACTS.index(one.impact) <= IMPACTS.index(worst_of or "breaking") for one in found
        )
    assert explain(after, deepcopy(after), pinned=pinned) == ()


def declared(kind: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the paths of a class's fields, with `x` for the keys of a table of such values."""
    hints = get_type_hints(kind)
    for one in fields(kind):
        here = (*path, one.name)
        inner = [hints[one.name], *get_args(hints[one.name])]
        value = next((item for item in inner if is_dataclass(item)), None)
        if (
            value in (WorkflowTerms, ToolContract, ServerTerms)
            and get_origin(hints[one.name]) is dict
        ):
            yield (*here, "x")
            yield from declared(value, (*here, "x"))
        elif value in (McpPin, RecallTerms, RememberTerms, Baseline):
            yield here
            yield from declared(value, here)
        else:
            yield here


@pytest.mark.parametrize(
    "path",
    [
        one
        for one in declared(Manifest, ())
        if one not in (("workflows",), ("contracts",), ("servers",), ("memory",))
    ],
    ids=".".join,
)
def test_every_field_of_a_manifest_has_a_rule_of_its_own(path: tuple[str, ...]) -> None:
    """A field that is added must be given its place in the table."""
    assert _rule_of(path) is not _other
