"""Checks rules against the contracts: Cedar's validator, with a schema for each tool.

Cedar has one type of context for each action, and the arguments of a call depend on its tool. So a
rule that names a tool is checked with a schema whose `call` has that tool's arguments; one that
names none is checked with what is known of all tools: any argument of any of them, or not.

Three things stand between the validator and what a rule here may say:

- a field that may be anything has no type in Cedar: each comparison that reads it is taken for one
  that may hold or not, and nothing else is said of it;
- the validator wants texts to be written out in `decimal("50.0")`. A rule that reads an argument
  with `decimal(...)` is checked as if it wanted a text there;
- the validator does not say that a condition never holds. So the condition is made to guard an
  attribute that is not there: when nothing is said of that one, nothing reaches it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import cedarpy

from fairlead.adapters.cedar.expressions import (
    FALSE,
    TRUE,
    Node,
    condition_of,
    conjuncts,
    leaves,
    mapped,
    path_of,
    paths,
)
from fairlead.core.declared import NOTHING, Declared, common, declared_by
from fairlead.core.facts import PRINCIPAL_FACTS, declared_facts
from fairlead.core.policy import ACTIONS, Rule
from fairlead.core.release import ToolContract

_TYPES = {"text": "String", "whole": "Long", "number": "String", "flag": "Boolean", "open": "Long"}
_OPEN = "an open field"
_REACHED = "what is reached"
_LITERALS = {
    "decimal": "0.0",
    "ip": "127.0.0.1",
    "datetime": "2000-01-01",
    "duration": "1s",
}
# The validator is stricter here than the evaluation, which does as one means.
_NO_FAULT = ("empty set literals",)
# A head that matches nothing is found, in better words, where heads are read.
_HEAD = ("unable to find an applicable action", "unrecognized action", "unrecognized entity")
_PREFIX = re.compile(r"^for policy `[^`]*`, ")
_ABSENT = re.compile(r'attribute `([^`]+)` in context for Action::"(\w+)" not found(.*)')
_OPTIONAL = re.compile(
    r'unable to guarantee safety of access to optional attribute `([^`]+)` in context .*"(\w+)".*'
)
_NAMED_MAX = 8


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the rules of one release may speak of.

    Attributes:
        contracts: Contracts by tool; None when no app is known.
        workflows: Names of its workflows; empty when that is not to be checked.
        shared: Whether only what cannot be evaluated is to be found.
    """

    contracts: Mapping[str, ToolContract] | None
    workflows: Collection[str] = ()
    shared: bool = False

    def has(self, rule: Rule) -> bool:
        """Return whether there is anything that a rule could be held against.

        A rule on a tool that is not there is found where heads are read, unless it is another
        app's.
        """
        if self.contracts is None:
            return True
        if self.shared and not self.contracts and rule.actions == ("call",):
            return False
        return rule.resource_kind != "Tool" or rule.resource in (None, *self.contracts)


def schema_findings(rule: Rule, policy: Node, known: Known) -> Iterator[str]:
    """Find what a rule says that cannot be, by its types.

    Args:
        rule: The rule's head.
        policy: The rule in Cedar's JSON form.
        known: What it may speak of.

    Yields:
        One line per finding.
    """
    named = rule.resource if rule.resource_kind == "Tool" else None
    contract = (known.contracts or {}).get(named or "")
    context = _context(contract, known)
    schema = cedarpy.Schema.from_json_str(json.dumps(_schema(context)))
    condition = condition_of(policy)
    said = list(_validated(policy, _checkable(condition, context), schema))
    # What is odd without the conditions is odd about the head.
    if _odd_head(said) and _odd_head(_validated(policy, TRUE, schema)):
        return
    yield from (f"rule {rule.id}: {one}" for one in _in_words(said))
    if known.shared:
        return
    odd = list(dict.fromkeys(_odd_values(condition, context, known)))
    yield from (f"rule {rule.id}: {one}" for one in odd)
    if not said and not _reached(
        policy, condition, context=context, contract=contract, schema=schema
    ):
        what = f" for tool {contract.name}" if contract else ""
        yield f"rule {rule.id} never applies: its conditions are never true{what}"


def _odd_head(said: Iterable[str]) -> bool:
    return any(one.startswith(_HEAD) for one in said)


def cedar_schema(contracts: Mapping[str, ToolContract], tool: str | None) -> dict[str, Any]:
    """Return the Cedar schema, in JSON, that rules on one tool, or on no one, are checked with.

    Args:
        contracts: Contracts by tool.
        tool: The tool; None for what is known of all of them.
    """
    if tool is not None:
        return _schema(declared_facts(declared_by(contracts[tool].parameters)))
    return _schema(declared_facts(_of_all(contracts)))


def _of_all(contracts: Mapping[str, ToolContract] | None) -> Declared:
    if contracts is None:
        return Declared(kind="open")
    if not contracts:
        return NOTHING
    return common(declared_by(one.parameters) for one in contracts.values())


def _context(contract: ToolContract | None, known: Known) -> Declared:
    if contract:
        context = declared_facts(declared_by(contract.parameters))
    else:
        context = declared_facts(_of_all(known.contracts))
    fields = dict(context.fields)
    if known.workflows:
        fields["workflow"] = replace(fields["workflow"], values=tuple(sorted(known.workflows)))
    if known.contracts:
        scopes = {one.scope for one in known.contracts.values()} | {""}
        fields["scope"] = replace(fields["scope"], values=tuple(sorted(scopes)))
        tools = Declared(kind="text", values=tuple(sorted(known.contracts)))
        seen = dict(fields["seen"].fields)
        seen["tools"] = Declared(kind="list", item=tools)
        fields["seen"] = replace(fields["seen"], fields=seen)
    return replace(context, fields=fields)


# The schema.


def _schema(context: Declared) -> dict[str, Any]:
    other = replace(context, fields={**context.fields, "arguments": NOTHING})
    entities: dict[str, Any] = {kind: {} for kind in ("Tenant", *ACTIONS.values())}
    entities["User"] = {"memberOfTypes": ["Tenant"], "shape": _type(PRINCIPAL_FACTS)}
    actions = {}
    for action, kind in ACTIONS.items():
        made = _type(context if action == "call" else other)
        made["attributes"][_OPEN] = {"type": "Boolean"}
        applies = {"principalTypes": ["User"], "resourceTypes": [kind], "context": made}
        actions[action] = {"appliesTo": applies}
    return {"": {"entityTypes": entities, "actions": actions}}


def _type(declared: Declared) -> dict[str, Any]:
    if declared.kind == "list":
        assert declared.item is not None, "a list has items"
        return {"type": "Set", "element": _type(declared.item)}
    if declared.kind == "record":
        attributes = {
            name: {**_type(one), "required": name in declared.required}
            for name, one in declared.fields.items()
        }
        return {"type": "Record", "attributes": attributes}
    return {"type": _TYPES[declared.kind]}


def _at(context: Declared, path: tuple[str, ...]) -> Declared | None:
    """Return what stands at a path; what is open as far down as one can tell; None for nothing."""
    here = {"context": context, "principal": PRINCIPAL_FACTS}.get(path[0])
    if here is None:
        return None
    for name in path[1:]:
        if here.kind == "open":
            return here
        if name not in here.fields:
            return None
        here = here.fields[name]
    return here


# What the validator is shown.


def _checkable(condition: Node, context: Declared) -> Node:
    return leaves(condition, lambda leaf: _checkable_leaf(leaf, context))


def _checkable_leaf(leaf: Node, context: Declared) -> Node:
    for path in paths(leaf):
        found = _at(context, path)
        if found is not None and found.kind == "open":
            return {".": {"left": {"Var": "context"}, "attr": _OPEN}}
    read: list[Node] = []

    def written_out(node: Node) -> Node | None:
        for name, literal in _LITERALS.items():
            if name in node and len(node[name]) == 1 and "Value" not in node[name][0]:
                read.append(node[name][0])
                return {name: [{"Value": literal}]}
        return None

    made = mapped(leaf, written_out)
    for one in reversed(read):
        text = {"like": {"left": mapped(one, written_out), "pattern": ["Wildcard"]}}
        made = {"&&": {"left": text, "right": made}}
    return made


def _validated(policy: Node, condition: Node, schema: cedarpy.Schema) -> Iterator[str]:
    """Yield what the validator says of a rule with another condition, in no order."""
    rule = {**policy, "annotations": {}, "conditions": [{"kind": "when", "body": condition}]}
    document = {"staticPolicies": {"rule": rule}, "templates": {}, "templateLinks": []}
    try:
        text = cedarpy.policies_from_json_str(json.dumps(document))
    except ValueError:
        yield "it nests too deep to be checked: split the rule"
        return
    for error in cedarpy.validate_policies(text, schema).errors:
        said = _PREFIX.sub("", error.error)
        if not said.startswith(_NO_FAULT):
            yield said


def _in_words(said: list[str]) -> list[str]:
    """Return what the validator says in words that say what to do, in a stable order."""
    absent: dict[str, list[str]] = {}
    found: list[str] = []
    for one in sorted(set(said)):
        missing, optional = _ABSENT.match(one), _OPTIONAL.match(one)
        if missing:
            absent.setdefault(missing[1], []).append(missing[2])
        elif optional:
            name = f"context.{optional[1]}"
            where, _, attribute = name.rpartition(".")
            found.append(f"{name} may be missing: write `{where} has {attribute} && ...` first")
        else:
            found.append(one)
    for name, actions in absent.items():
        found.append(f"there is no context.{name} when the action is {' or '.join(actions)}")
    return found


def _reached(
    policy: Node,
    condition: Node,
    *,
    context: Declared,
    contract: ToolContract | None,
    schema: cedarpy.Schema,
) -> bool:
    known = _filled_in(condition, contract)
    if _contradicts(known):
        return False
    body = leaves(known, lambda leaf: _folded(leaf, context))
    body = leaves(body, lambda leaf: _checkable_leaf(leaf, context))
    guarded = {".": {"left": {"Var": "context"}, "attr": _REACHED}}
    guard = {"if-then-else": {"if": body, "then": guarded, "else": TRUE}}
    said = list(_validated(policy, guard, schema))
    # Anything else that it says means that it did not get so far: then nothing is known.
    return bool(said)


# What is known of texts.


def _filled_in(condition: Node, contract: ToolContract | None) -> Node:
    """Return a condition with what a tool's contract says in place of the attribute."""
    if contract is None:
        return condition
    facts = {"effect": contract.effect, "scope": contract.scope, "egress": contract.egress}

    def fill(node: Node) -> Node | None:
        path = path_of(node)
        if path is not None and len(path) == 2 and path[0] == "context" and path[1] in facts:
            return {"Value": facts[path[1]]}
        return None

    return mapped(condition, fill)


def _compared(leaf: Node, context: Declared) -> Iterator[tuple[str, tuple[str, ...], Any, bool]]:
    """Yield each text that is looked for where only some texts can be: path, those, text, fits."""
    for left, right in _pairs(leaf):
        path = path_of(left)
        found = _at(context, path) if path else None
        if found is None or path is None or "Value" not in right:
            continue
        if found.kind == "list" and found.item is not None and "contains" in leaf:
            found = found.item
        elif "contains" in leaf:
            continue
        if found.kind == "text" and found.values and isinstance(right["Value"], str):
            yield ".".join(path), found.values, right["Value"], right["Value"] in found.values


def _pairs(leaf: Node) -> Iterator[tuple[Node, Node]]:
    for operator in ("==", "!="):
        if operator in leaf:
            sides = leaf[operator]
            yield sides["left"], sides["right"]
            yield sides["right"], sides["left"]
    if "contains" in leaf:
        sides = leaf["contains"]
        yield sides["left"], sides["right"]


def _odd_values(condition: Node, context: Declared, known: Known) -> Iterator[str]:
    found: list[str] = []

    def look(leaf: Node) -> Node:
        found.extend(_absent_tools(leaf, known))
        for path, values, text, fits in _compared(leaf, context):
            if not fits:
                verb = "never holds" if "contains" in leaf else "is never"
                named = ", ".join(value or "empty" for value in values[:_NAMED_MAX])
                more = ", ..." if len(values) > _NAMED_MAX else ""
                found.append(f"{path} {verb} {text!r}; there are: {named}{more}")
        return leaf

    leaves(condition, look)
    yield from found


def _absent_tools(leaf: Node, known: Known) -> Iterator[str]:
    """Yield the tools that a condition compares the resource with and that are not there."""
    for left, right in _pairs(leaf):
        entity = right.get("Value")
        if path_of(left) != ("resource",) or not isinstance(entity, dict):
            continue
        tool = entity.get("__entity", {})
        if tool.get("type") == "Tool" and tool["id"] not in (known.contracts or (tool["id"],)):
            yield f'resource is never Tool::"{tool["id"]}": there is no tool of that name'


def _folded(leaf: Node, context: Declared) -> Node:
    if any(not fits for _, _, _, fits in _compared(leaf, context)):
        return TRUE if "!=" in leaf else FALSE
    return leaf


def _contradicts(condition: Node) -> bool:
    """Return whether two parts that must both hold cannot: `a && !a`, or two values of one path."""
    parts = list(conjuncts(condition))
    values: dict[tuple[str, ...] | None, Any] = {}
    for part in parts:
        if {"!": {"arg": part}} in parts:
            return True
        if "==" in part:
            path, value = path_of(part["=="]["left"]), part["=="]["right"].get("Value")
            text_or_number = path is not None and isinstance(value, str | int)
            if text_or_number and values.setdefault(path, value) != value:
                return True
    return False
