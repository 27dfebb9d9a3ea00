"""A stand-in for a value: the plainest one that a JSON schema describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.core.digests import Json

DEPTH_MAX = 20
"""A schema that is nested deeper has no stand-in."""

_TEXTS = {
    "date-time": "1970-01-01T00:00:00Z",
    "date": "1970-01-01",
    "time": "00:00:00Z",
    "duration": "PT0S",
    "uuid": "00000000-0000-0000-0000-000000000000",
    "email": "nobody@example.com",
    "uri": "https://example.com/",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
}
_LISTS = ("enum", "examples")


def stand_in(schema: Mapping[str, Any]) -> Json:
    """Return the plainest value that a schema describes; whoever uses it looks whether it fits.

    What is optional is left out, a list is as short as may be, and a number as near to 0.

    Args:
        schema: The JSON schema.

    Raises:
        ValueError: It is nested too deep, as one that contains itself.
    """
    return _value(schema, schema, 0)


def _value(schema: Any, whole: Mapping[str, Any], depth: int) -> Json:
    if depth > DEPTH_MAX:
        raise ValueError(f"the schema is nested deeper than {DEPTH_MAX}")
    if not isinstance(schema, Mapping):
        return None
    if "$ref" in schema:
        return _value(_found(str(schema["$ref"]), whole), whole, depth + 1)
    if "const" in schema:
        return schema["const"]
    if "default" in schema:
        return schema["default"]
    for name in _LISTS:
        if schema.get(name):
            return schema[name][0]
    for name in ("anyOf", "oneOf", "allOf"):
        if schema.get(name):
            return _value(schema[name][0], whole, depth + 1)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object" or "properties" in schema:
        known = schema.get("properties", {})
        names = schema.get("required", ())
        return {name: _value(known.get(name, {}), whole, depth + 1) for name in names}
    if kind == "array":
        first = list(schema.get("prefixItems", ()))
        least = max(int(schema.get("minItems", 0)), len(first))
        items = [*first, *[schema.get("items", {})] * (least - len(first))]
        return [_value(item, whole, depth + 1) for item in items]
    return _plain(kind, schema)


def _plain(kind: Any, schema: Mapping[str, Any]) -> Json:
    if kind == "string":
        text = _TEXTS.get(str(schema.get("format")), "")
        return text.ljust(int(schema.get("minLength", 0)), "x")
    if kind in ("integer", "number"):
        return _number(schema, 1 if kind == "integer" else 0.5)
    return False if kind == "boolean" else None


def _number(schema: Mapping[str, Any], step: float) -> Json:
    """Return the number nearest to 0 within the bounds."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + step
    if "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - step
    number = 0 if low is None else max(0, low)
    return number if high is None else min(number, high)


def _found(ref: str, whole: Mapping[str, Any]) -> Any:
    found: Any = whole
    for name in ref.removeprefix("#/").split("/"):
        found = found.get(name.replace("~1", "/").replace("~0", "~"), {})
    return found
