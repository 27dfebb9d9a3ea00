"""Compares JSON schemas: does one accept all that another one accepts?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from fairlead.core.digests import Json, canonical_json

_SAID_ONLY = frozenset(
    ("title", "description", "default", "examples", "deprecated", "$comment", "$defs", "$schema")
)
"""What says something of a value, and refuses none."""

_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")

_Pairs: TypeAlias = frozenset[tuple[str, str]]
"""Definitions that are being compared with each other."""


def accepts_all(new: Json, old: Json) -> bool:
    """Say whether a schema surely accepts every value that another one accepts.

    It errs on the side of no: what is not understood counts only when it stands in both. One thing
    is taken to be harmless although it is not to the letter: a field that is new and not required.
    Whoever sent an unknown field of that name before was not listened to.

    Args:
        new: The schema that is asked about.
        old: The schema whose values must pass.
    """
    try:
        return _Comparison(new=new, old=old).wider(new, old, frozenset())
    except (TypeError, ValueError, AttributeError, RecursionError):
        return bool(new == old)  # One of them is no schema.


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    """Two schemas with their definitions.

    Attributes:
        new: The whole schema that is asked about.
        old: The whole schema whose values must pass.
    """

    new: Json
    old: Json

    def wider(self, new: Json, old: Json, seen: _Pairs) -> bool:
        if new is True or new == {} or old is False:
            return True
        if not isinstance(new, dict) or not isinstance(old, dict):
            return bool(new == old)
        refs = (str(new.get("$ref", "")), str(old.get("$ref", "")))
        if any(refs):
            if refs in seen:
                return True  # A schema may contain itself: nothing below it said no.
            new, old = _resolved(new, self.new), _resolved(old, self.old)
            if new is None or old is None:
                return False
            return self.wider(new, old, seen | {refs})
        for word in ("anyOf", "oneOf"):
            if word in old and not old.keys() - {word, *_SAID_ONLY, "discriminator"}:
                return all(self.wider(new, one, seen) for one in old[word])
        if "anyOf" in new and not new.keys() - {"anyOf", *_SAID_ONLY}:
            return any(self.wider(one, old, seen) for one in new["anyOf"])
        return self._plain(new, old, seen)

    def _plain(self, new: Mapping[str, Any], old: Mapping[str, Any], seen: _Pairs) -> bool:
        if not _types(old) <= _types(new) or not _values_fit(new, old) or not _bounds_fit(new, old):
            return False
        if not set(new.get("required", ())) <= set(old.get("required", ())):
            return False
        if not self._fields_fit(new, old, seen):
            return False
        if "items" in new and not self.wider(new["items"], old.get("items", True), seen):
            return False
        understood = {"type", "enum", "const", "required", "properties", "additionalProperties"}
        understood |= {"items", *_LEAST, *_MOST, *_SAID_ONLY}
        return all(old.get(key) == new[key] for key in new.keys() - understood)

    def _fields_fit(self, new: Mapping[str, Any], old: Mapping[str, Any], seen: _Pairs) -> bool:
        mine, theirs = new.get("properties", {}), old.get("properties", {})
        rest, others = new.get("additionalProperties", True), old.get("additionalProperties", True)
        if not self.wider(rest, others, seen):
            return False
        for name, schema in mine.items():
            # It was there before under no name of its own, and surely, or in a shape that was said.
            was_there = name in old.get("required", ()) or isinstance(others, dict)
            if name not in theirs and was_there and not self.wider(schema, others, seen):
                return False
        return all(
            self.wider(mine.get(name, rest), schema, seen) for name, schema in theirs.items()
        )


def _resolved(schema: Mapping[str, Any], whole: Json) -> Json:
    """Return what a schema refers to, within its own document; None when it is not there."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    if schema.keys() - {"$ref", *_SAID_ONLY}:
        return None  # More than a reference: it is not looked into.
    name = str(reference).removeprefix("#/$defs/")
    return whole.get("$defs", {}).get(name) if isinstance(whole, dict) else None


def _types(schema: Mapping[str, Any]) -> set[str]:
    said = schema.get("type", _TYPES)
    found = {said} if isinstance(said, str) else set(said)
    return found | {"integer"} if "number" in found else found


def _values_fit(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Whether the values that one lists are among those that the other one lists."""
    mine, theirs = _listed(new), _listed(old)
    if mine is None:
        return True
    return theirs is not None and theirs <= mine


def _listed(schema: Mapping[str, Any]) -> set[str] | None:
    """Return the texts of the values that are listed: in Python 1 equals True."""
    if "const" in schema:
        return {canonical_json(schema["const"])}
    return {canonical_json(value) for value in schema["enum"]} if "enum" in schema else None


def _bounds_fit(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    least = all(key in old and old[key] >= new[key] for key in _LEAST if key in new)
    return least and all(key in old and old[key] <= new[key] for key in _MOST if key in new)
