"""Puts one small mistake into a rule: the mistakes that people make when they write one.

A rule is left out, turned around, or loses its principal, an annotation or a part of its condition;
a condition is negated; a comparison becomes another one; a number is moved by one step of its last
digit. A test that looks at both sides of a boundary, one step apart, notices each of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import cedarpy

from fairlead.adapters.cedar.expressions import Node, conjuncts

_COMPARISONS: dict[str, tuple[str, ...]] = {
    "==": ("!=",),
    "!=": ("==",),
    "<": ("<=", ">"),
    "<=": ("<", ">"),
    ">": (">=", "<"),
    ">=": (">", "<"),
    "lessThan": ("lessThanOrEqual", "greaterThan"),
    "lessThanOrEqual": ("lessThan", "greaterThan"),
    "greaterThan": ("greaterThanOrEqual", "lessThan"),
    "greaterThanOrEqual": ("greaterThan", "lessThan"),
}
_CHARS_MAX = 100
# Cedar writes `(context.arguments).amount`.
_AROUND_A_NAME = re.compile(r"(?<!\w)\(([\w.]+)\)")
_INT_MAX = 2**63 - 1


def mutations(policy: Node) -> Iterator[tuple[str, Node | None]]:
    """Yield a rule with one mistake each.

    Args:
        policy: The rule in Cedar's JSON form.

    Yields:
        What was changed, in words, and the rule; None for a rule that is left out.
    """
    yield "left out", None
    yield _turned(policy)
    if policy["principal"]["op"] != "All":
        yield "for everybody", {**policy, "principal": {"op": "All"}}
    yield from _without_annotations(policy)
    for place, clause in enumerate(policy["conditions"]):
        for change, changed in _clauses(clause):
            conditions = list(policy["conditions"])
            conditions[place : place + 1] = changed
            yield change, {**policy, "conditions": conditions}


def _turned(policy: Node) -> tuple[str, Node]:
    if policy["effect"] == "forbid":
        return "forbid becomes permit", {**policy, "effect": "permit"}
    told = {"id", "description"}
    annotations = {k: v for k, v in policy.get("annotations", {}).items() if k in told}
    return "permit becomes forbid", {**policy, "effect": "forbid", "annotations": annotations}


def _without_annotations(policy: Node) -> Iterator[tuple[str, Node]]:
    annotations = policy.get("annotations", {})
    for name, with_it in (("ask", {"ask", "within"}), ("redact", {"redact"})):
        if name in annotations:
            left = {key: value for key, value in annotations.items() if key not in with_it}
            yield f"without @{name}", {**policy, "annotations": left}


def _clauses(clause: Node) -> Iterator[tuple[str, list[Node]]]:
    kind, body = clause["kind"], clause["body"]
    yield f"without {kind} {{ {_text(body)} }}", []
    yield f"not {kind} {{ {_text(body)} }}", [{**clause, "body": {"!": {"arg": body}}}]
    parts = list(conjuncts(body))
    for place, part in enumerate(parts):
        # A `has` stands before what reads the attribute: without it nothing is allowed that was
        # not before.
        if len(parts) > 1 and "has" not in part:
            rest = [*parts[:place], *parts[place + 1 :]]
            yield f"without {_text(part)}", [{**clause, "body": _all(rest)}]
    for change, changed in _variants(body):
        yield change, [{**clause, "body": changed}]


def _all(parts: list[Node]) -> Node:
    made = parts[0]
    for part in parts[1:]:
        made = {"&&": {"left": made, "right": part}}
    return made


def _variants(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield an expression with one comparison or one number in it changed."""
    if isinstance(value, list):
        for place, item in enumerate(value):
            for change, changed in _variants(item):
                yield change, [*value[:place], changed, *value[place + 1 :]]
    elif isinstance(value, dict):
        yield from _changed(value)
        # A literal holds no expression, and one in `decimal(...)` was changed with it.
        if "Value" not in value and "decimal" not in value:
            for key, item in value.items():
                for change, changed in _variants(item):
                    yield change, {**value, key: changed}


def _changed(node: Node) -> Iterator[tuple[str, Node]]:
    for operator, inner in node.items():
        for other in _COMPARISONS.get(operator, ()):
            yield f"{operator} becomes {other} in {_text(node)}", {other: inner}
    number = node.get("Value")
    if isinstance(number, int) and not isinstance(number, bool):
        for moved in (number - 1, number + 1):
            if abs(moved) <= _INT_MAX:
                yield f"{number} becomes {moved}", {"Value": moved}
    if "decimal" in node and "Value" in node["decimal"][0]:
        text = str(node["decimal"][0]["Value"])
        step = Decimal(1).scaleb(-len(text.partition(".")[2]))
        for near in (Decimal(text) - step, Decimal(text) + step):
            yield f"{text} becomes {near:f}", {"decimal": [{"Value": f"{near:f}"}]}


def _text(node: Node) -> str:
    """Return a condition as one writes it, cut to a line."""
    everything = {"op": "All"}
    rule = {
        "effect": "permit",
        "principal": everything,
        "action": everything,
        "resource": everything,
        "conditions": [{"kind": "when", "body": node}],
    }
    document = {"staticPolicies": {"p": rule}, "templates": {}, "templateLinks": []}
    text = cedarpy.policies_from_json_str(json.dumps(document))
    found = " ".join(text[text.index("{") + 1 : text.rindex("}")].split())
    found = _AROUND_A_NAME.sub(r"\1", _AROUND_A_NAME.sub(r"\1", found))
    return found if len(found) <= _CHARS_MAX else found[: _CHARS_MAX - 1] + "…"
