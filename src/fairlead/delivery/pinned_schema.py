"""The schema that a server promises of a tool's arguments, as a release may hold it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fairlead.core.digests import Json
from fairlead.guardrails.shapes import SchemaCheck

_COMBINED = ("$ref", "allOf", "anyOf", "oneOf", "if", "patternProperties", "unevaluatedProperties")
_NODES_MAX = 20_000
_DRAFTS = ("http://json-schema.org/", "https://json-schema.org/")


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that lets no argument pass of which it says nothing.

    A contract speaks of arguments by name, so one that nobody named would pass it by. A schema that
    says by itself what else may come is left as it is.

    Args:
        schema: The pinned schema of a tool's arguments.
    """
    made = {"type": "object", "properties": {}, **schema}
    if "additionalProperties" in schema or any(word in schema for word in _COMBINED):
        return made
    return {**made, "additionalProperties": False}


def schema_finding(schema: Mapping[str, Any]) -> str | None:
    """Say why a schema cannot be used, or None: it is no schema, or it names other documents.

    Args:
        schema: The schema of a tool's arguments.
    """
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
        return "is not one of an object with properties"
    for count, (key, value) in enumerate(_pairs(schema)):
        if count > _NODES_MAX:
            return f"has more than {_NODES_MAX} parts"
        # Whatever resolves it would fetch an address, or read a file, that the server chose.
        if key in ("$ref", "$dynamicRef", "$recursiveRef") and not str(value).startswith("#"):
            return f"refers to another document, {str(value)[:80]!r}"
        if key == "$id" and isinstance(value, str):
            return "names a base address with $id, so that its references mean other documents"
        if key == "$schema" and not str(value).startswith(_DRAFTS):
            return f"is of an unknown kind, {str(value)[:80]!r}"
    try:
        SchemaCheck(schema)
    except (ValueError, RecursionError) as error:
        return f"is no JSON schema: {error}"
    return None


def _pairs(value: Json) -> Iterator[tuple[str, Json]]:
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            yield from item.items()
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)
