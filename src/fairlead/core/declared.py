"""What a JSON schema declares, in the few kinds of value that a policy can tell apart.

A policy has whole numbers and texts, and no others: a number with a point arrives as a text. So a
field that is declared as a number is always a text, also when somebody writes it without a point:
`50` arrives as `"50.0"`. And a field that is declared as whole is always whole.

What cannot be told, such as a value that may be a text or an object, is `open`: no check of a rule
says anything of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, reduce
from typing import Any, Literal, TypeAlias

from fairlead.core.digests import Json

Kind: TypeAlias = Literal["text", "whole", "number", "flag", "list", "record", "open"]

DEPTH_MAX = 16
"""A schema that is nested deeper, such as one that holds itself, counts as open from there on."""

# Named once: written in place, a union is made each time that it is asked about.
_LISTS = (list, tuple)
_RECORDS = (dict, Mapping)

_SCALARS: dict[str, Kind] = {
    "string": "text",
    "integer": "whole",
    "number": "number",
    "boolean": "flag",
}


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a value is declared to be.

    Attributes:
        kind: Its kind.
        values: All texts that it may be; empty for any.
        item: What the values of a list are; None for everything else.
        fields: The fields of a record.
        required: Those of its fields that are always there.
        nullable: Whether it may be null, and so be left out.
    """

    kind: Kind
    values: tuple[str, ...] = ()
    item: Declared | None = None
    fields: Mapping[str, Declared] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    nullable: bool = False

    @cached_property
    def has_numbers(self) -> bool:
        """Whether a number is in it, so that a value of it may need another form."""
        inner = [*self.fields.values(), *([self.item] if self.item else [])]
        return self.kind in ("number", "whole") or any(one.has_numbers for one in inner)

    @cached_property
    def with_numbers(self) -> Mapping[str, Declared]:
        """The fields that a number is in."""
        return {name: one for name, one in self.fields.items() if one.has_numbers}


OPEN = Declared(kind="open")
NOTHING = Declared(kind="record")
"""A record without fields."""


def declared_by(schema: Mapping[str, Any]) -> Declared:
    """Return what a JSON schema declares.

    Args:
        schema: The schema; its own `$defs` may be referred to.
    """
    return _declared(schema, schema, 0)


def in_form(value: Json, declared: Declared) -> Json:
    """Return a value with its numbers in the form that their fields are declared with.

    Args:
        value: A JSON value; what does not fit is left as it is.
        declared: What it is declared to be.
    """
    if not declared.has_numbers or isinstance(value, bool):
        return value
    if declared.kind == "number":
        return f"{value}.0" if isinstance(value, int) else value
    if declared.kind == "whole":
        return int(value) if isinstance(value, float) and value.is_integer() else value
    if declared.item is not None and isinstance(value, _LISTS):
        item = declared.item
        return [in_form(one, item) for one in value]
    if declared.fields and isinstance(value, _RECORDS):
        numbers = declared.with_numbers
        return {
            name: in_form(one, numbers[name]) if name in numbers else one
            for name, one in value.items()
        }
    return value


def either(kinds: Iterable[Declared]) -> Declared:
    """Return what is known of a value that is one of several."""
    return reduce(_either, kinds)


def common(records: Iterable[Declared]) -> Declared:
    """Return what is known of one of several records: any field of any of them, or not.

    Args:
        records: Records; with another kind among them the whole is open.
    """
    fields: dict[str, Declared] = {}
    for record in records:
        if record.kind != "record":
            return OPEN
        for name, one in record.fields.items():
            fields[name] = _either(fields[name], one) if name in fields else one
    return Declared(kind="record", fields=fields)


def _declared(schema: Any, root: Mapping[str, Any], depth: int) -> Declared:
    if not isinstance(schema, Mapping) or depth > DEPTH_MAX:
        return OPEN
    if "$ref" in schema:
        return _declared(_found(schema["$ref"], root), root, depth + 1)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return _any_of(schema[word], root, depth)
    if "allOf" in schema:
        parts = schema["allOf"]
        return _declared(parts[0], root, depth + 1) if len(parts) == 1 else OPEN
    if "enum" in schema or "const" in schema:
        return _listed(schema["enum"] if "enum" in schema else [schema["const"]])
    kind = schema.get("type", "object" if "properties" in schema else None)
    if isinstance(kind, list):
        return _any_of([{**schema, "type": one} for one in kind], root, depth)
    if kind in _SCALARS:
        return Declared(kind=_SCALARS[kind])
    if kind == "array" and "prefixItems" not in schema:
        item = _declared(schema.get("items"), root, depth + 1)
        return OPEN if item.kind == "open" else Declared(kind="list", item=item)
    if kind == "object":
        return _record(schema, root, depth)
    return OPEN


def _record(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Declared:
    properties = schema.get("properties", {})
    # Fields that nobody named are passed over, unless the schema says that there are such fields.
    more = schema.get("additionalProperties", False if properties else None)
    if more is not False or "patternProperties" in schema:
        return OPEN
    fields = {
        str(name): _declared(one, root, depth + 1) for name, one in sorted(properties.items())
    }
    required = frozenset(
        name
        for name in schema.get("required", ())
        if name in fields and not fields[name].nullable and fields[name].kind != "open"
    )
    return Declared(kind="record", fields=fields, required=required)


def _any_of(options: Iterable[Any], root: Mapping[str, Any], depth: int) -> Declared:
    kinds: list[Declared] = []
    nullable = False
    for option in options:
        if isinstance(option, Mapping) and option.get("type") == "null":
            nullable = True
        else:
            kinds.append(_declared(option, root, depth + 1))
    if not kinds:
        return OPEN
    found = either(kinds)
    return _nullable(found) if nullable else found


def _listed(values: Iterable[Any]) -> Declared:
    kinds: dict[Kind, list[Any]] = {}
    nullable = False
    for value in values:
        if value is None:
            nullable = True
        elif isinstance(value, str):
            kinds.setdefault("text", []).append(value)
        elif isinstance(value, bool):
            kinds.setdefault("flag", []).append(value)
        elif isinstance(value, int):
            kinds.setdefault("whole", []).append(value)
        else:
            return OPEN
    if len(kinds) != 1:
        return OPEN
    ((kind, found),) = kinds.items()
    one = Declared(kind=kind, values=tuple(found) if kind == "text" else ())
    return _nullable(one) if nullable else one


def _nullable(one: Declared) -> Declared:
    return Declared(
        kind=one.kind,
        values=one.values,
        item=one.item,
        fields=one.fields,
        required=one.required,
        nullable=True,
    )


def _either(one: Declared, other: Declared) -> Declared:
    if one == other:
        return one
    nullable = one.nullable or other.nullable
    kinds = {one.kind, other.kind}
    if kinds == {"text"}:
        values = (*one.values, *other.values) if one.values and other.values else ()
        return Declared(kind="text", values=tuple(dict.fromkeys(values)), nullable=nullable)
    if "number" in kinds and kinds <= {"number", "whole", "text"}:
        # All of them arrive as texts: a whole one is given its point.
        return Declared(kind="number", nullable=nullable)
    if len(kinds) == 1 and one.kind in ("whole", "flag"):
        return Declared(kind=one.kind, nullable=nullable)
    return OPEN


def _found(reference: Any, root: Mapping[str, Any]) -> Any:
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    here: Any = root
    for part in reference[2:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        here = here.get(name) if isinstance(here, Mapping) else None
    return here
