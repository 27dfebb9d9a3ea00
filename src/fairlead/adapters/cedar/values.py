"""Brings a call's context into the form that Cedar has for values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fairlead.core.digests import Json

_RESERVED = frozenset(("__entity", "__extn", "__expr"))
_INT_MAX = 2**63 - 1
_DEPTH_MAX = 120
# Named once: written in place, a union is made each time that it is asked about.
_LISTS = (list, tuple)
_RECORDS = (dict, Mapping)


class Inexpressible(Exception):
    """A value has no form in Cedar."""


def context_of(context: Mapping[str, Json]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for name, value in context.items():
        try:
            record.update(_record({name: value}, 0))
        except Inexpressible as error:
            raise Inexpressible(f"{name} in the call's context holds {error}") from None
    return record


def _record(record: Mapping[Any, Json], depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in record.items():
        if not isinstance(name, str) or name in _RESERVED:
            raise Inexpressible("a name that a policy cannot read")
        if value is not None:
            found[_sound(name)] = _value(value, depth)
    return found


def _value(value: Json, depth: int) -> Any:
    if depth > _DEPTH_MAX:
        raise Inexpressible(f"more than {_DEPTH_MAX} levels")
    if isinstance(value, str):
        return _sound(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not -_INT_MAX - 1 <= value <= _INT_MAX:
            raise Inexpressible("an integer beyond 64 bits")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Inexpressible("a number that is not finite")
        return format(Decimal(repr(value)), "f")
    if isinstance(value, _LISTS):
        return [_value(item, depth + 1) for item in value]
    if isinstance(value, _RECORDS):
        return _record(value, depth + 1)
    raise Inexpressible("null in a list" if value is None else "a value that is not JSON")


def _sound(text: str) -> str:
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Inexpressible("text that is no Unicode") from None
    return text


def read_of(context: dict[str, Any], reads: frozenset[tuple[str, ...]]) -> dict[str, Any]:
    """Return what of a context is read: to hand all of it over takes longer than to decide."""
    if () in reads:
        return context
    found: dict[str, Any] = {}
    for path in reads:
        name = path[0]
        if name not in context:
            continue
        value = context[name]
        if len(path) == 1 or not isinstance(value, dict):
            found[name] = value
        elif (name,) not in reads:
            inner = found.setdefault(name, {})
            if path[1] in value:
                inner[path[1]] = value[path[1]]
    return found
