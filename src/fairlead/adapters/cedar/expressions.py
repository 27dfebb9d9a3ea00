"""Reads and rewrites conditions in Cedar's JSON form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

Node: TypeAlias = dict[str, Any]
"""One expression: an object with one key, its operator."""

TRUE: Node = {"Value": True}
FALSE: Node = {"Value": False}


def condition_of(policy: Node) -> Node:
    """Return all conditions of a rule as one: every `when`, and no `unless`."""
    found = TRUE
    for clause in policy["conditions"]:
        body = clause["body"] if clause["kind"] == "when" else {"!": {"arg": clause["body"]}}
        found = body if found is TRUE else {"&&": {"left": found, "right": body}}
    return found


def conjuncts(node: Node) -> Iterator[Node]:
    """Yield the parts of which all must hold."""
    if "&&" in node:
        yield from conjuncts(node["&&"]["left"])
        yield from conjuncts(node["&&"]["right"])
        return
    inner = node["!"]["arg"] if "!" in node else {}
    if "!" in inner:
        yield from conjuncts(inner["!"]["arg"])
    elif "||" in inner:
        for side in ("left", "right"):
            yield from conjuncts({"!": {"arg": inner["||"][side]}})
    else:
        yield node


def path_of(node: Any) -> tuple[str, ...] | None:
    """Return `("context", "arguments", "amount")` for `context.arguments.amount`, else None."""
    names: list[str] = []
    while isinstance(node, dict) and "." in node:
        names.append(node["."]["attr"])
        node = node["."]["left"]
    if isinstance(node, dict) and "Var" in node:
        return (node["Var"], *reversed(names))
    return None


def children(node: Any) -> Iterator[Any]:
    """Yield the expressions right below an expression."""
    for operator, inner in node.items():
        if operator in ("Value", "Var", "Slot"):
            continue
        if operator == "Record":
            yield from inner.values()
        elif isinstance(inner, list):
            yield from inner
        else:
            yield from (one for one in inner.values() if isinstance(one, dict) and _is_node(one))


def paths(node: Any) -> Iterator[tuple[str, ...]]:
    """Yield what an expression reads; of `a.b.c` that alone, and no part of it."""
    found = path_of(node)
    if found is not None:
        yield found
        return
    if "has" in node:
        left = path_of(node["has"]["left"])
        if left is not None:
            yield (*left, node["has"]["attr"])
            return
    for child in children(node):
        yield from paths(child)


def mapped(node: Node, change: Callable[[Node], Node | None]) -> Node:
    """Return an expression with parts exchanged, from the top.

    Args:
        node: The expression.
        change: Returns what stands in place of a part; None goes on below it.
    """
    changed = change(node)
    if changed is not None:
        return changed
    made: Node = {}
    for operator, inner in node.items():
        if operator in ("Value", "Var", "Slot"):
            made[operator] = inner
        elif operator == "Record":
            made[operator] = {name: mapped(one, change) for name, one in inner.items()}
        elif isinstance(inner, list):
            made[operator] = [mapped(one, change) for one in inner]
        else:
            made[operator] = {
                name: mapped(one, change) if isinstance(one, dict) and _is_node(one) else one
                for name, one in inner.items()
            }
    return made


def leaves(node: Node, change: Callable[[Node], Node]) -> Node:
    """Return a condition with each part that is no `&&`, `||`, `!` or `if` exchanged."""
    for operator in ("&&", "||"):
        if operator in node:
            sides = node[operator]
            return {operator: {side: leaves(sides[side], change) for side in ("left", "right")}}
    if "!" in node:
        return {"!": {"arg": leaves(node["!"]["arg"], change)}}
    if "if-then-else" in node:
        parts = node["if-then-else"]
        return {"if-then-else": {name: leaves(one, change) for name, one in parts.items()}}
    return change(node)


def _is_node(value: dict[str, Any]) -> bool:
    # An entity, `{"type": ..., "id": ...}`, stands in an `is` or in a value and is no expression.
    return len(value) == 1
