"""Reads the flags of an app: values in `fairlead.toml`, and flagd's format in `flags/*.json`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from fairlead.core.bounds import Bounds, excess
from fairlead.core.errors import InvalidFlag
from fairlead.core.flags import (
    FLAG,
    FLAGS_MAX,
    KEY_CHARS_MAX,
    VARIANTS_MAX,
    FlagTerms,
    type_of,
)
from fairlead.core.nearest import unknown_name
from fairlead.delivery.flag_rules import result_findings
from fairlead.ports.app_files import AppFiles

_OPERATORS = """
    var missing missing_some if == === != !== ! !! or and > >= < <= max min + - * / %
    map filter reduce all none some merge in cat substr fractional starts_with ends_with sem_ver
"""
OPERATORS = frozenset(_OPERATORS.split())
"""What a rule may be made of: JsonLogic without `log`, and what flagd adds."""

FILE = Bounds(chars=1_000_000, depth=FLAG.depth + 4)
"""One file of flags."""

_FILE_KEYS = frozenset(("$schema", "$evaluators", "flags", "metadata"))
_FLAG_KEYS = frozenset(("state", "variants", "defaultVariant", "targeting", "metadata"))


def app_flags(files: AppFiles, table: Any) -> dict[str, FlagTerms]:
    """Return the flags of all workflows, from `[flags]` and `flags/*.json`.

    Args:
        files: The app's files.
        table: `[flags]` of `fairlead.toml`.

    Raises:
        InvalidFlag: One is not understood, or two have the same key.
    """
    found = _values(table, "flags")
    for path, text in files.below("flags").items():
        for key, terms in _file(path, text).items():
            if key in found:
                raise InvalidFlag(
                    f"{path} declares flag {key}, which is declared already", flag=key
                )
            found[key] = terms
    return _few(found, "flags")


def workflow_flags(shared: Mapping[str, FlagTerms], table: Any, where: str) -> dict[str, FlagTerms]:
    """Return the flags of one workflow: a value of its own wins over the app's flag.

    Args:
        shared: The flags of all workflows.
        table: The workflow's `flags`.
        where: Its name, for messages.

    Raises:
        InvalidFlag: One is not understood, or is of another type than the app's.
    """
    own = _values(table, where)
    for key, terms in own.items():
        if key in shared and shared[key].type != terms.type:
            raise InvalidFlag(
                f"{where}.{key} is a {terms.type}, and the app's flag is a {shared[key].type}",
                flag=key,
            )
    return _few({**shared, **own}, where)


def _values(table: Any, where: str) -> dict[str, FlagTerms]:
    if not isinstance(table, Mapping):
        raise InvalidFlag(f"{where} must be a table", key=where)
    return {key: _value(key, value, where) for key, value in table.items()}


def _value(key: str, value: Any, where: str) -> FlagTerms:
    kind = type_of(value)
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        kind = None
    if kind is None:
        raise InvalidFlag(f"{where}.{key} is no bool, text, number, table or list", flag=key)
    name = ("on" if value else "off") if isinstance(value, bool) else "value"
    return _sound(key, FlagTerms(type=kind, variants={name: value}, default_variant=name), where)


def _file(path: str, text: str) -> dict[str, FlagTerms]:
    try:
        data = json.loads(
            text, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite
        )
    except (ValueError, RecursionError) as error:
        raise InvalidFlag(f"{path} is not understood: {error}", file=path) from error
    broken = excess(data, FILE)
    if broken is not None:
        raise InvalidFlag(f"{path} has {broken}", file=path)
    _known(data, _FILE_KEYS, path)
    flags, shared = data.get("flags"), data.get("$evaluators", {})
    if not isinstance(flags, dict) or not isinstance(shared, dict):
        raise InvalidFlag(f'{path} needs "flags", an object of flags by key', file=path)
    return {key: _flag(key, given, shared, path) for key, given in flags.items()}


def _flag(key: str, given: Any, shared: Mapping[str, Any], path: str) -> FlagTerms:
    where = f"{path}, flag {key}"
    _known(given, _FLAG_KEYS, where)
    state, variants = given.get("state", "ENABLED"), given.get("variants")
    default, targeting = given.get("defaultVariant"), given.get("targeting") or {}
    if state not in ("ENABLED", "DISABLED"):
        raise InvalidFlag(f"{where}: state must be ENABLED or DISABLED", flag=key)
    if not isinstance(variants, dict) or not 1 <= len(variants) <= VARIANTS_MAX:
        raise InvalidFlag(f"{where} needs 1 to {VARIANTS_MAX} variants", flag=key)
    kinds = {type_of(value) for value in variants.values()}
    kind = kinds.pop()
    if kinds or kind is None:
        raise InvalidFlag(f"{where}: its variants must be values of one type", flag=key)
    if default is not None and (not isinstance(default, str) or default not in variants):
        raise InvalidFlag(f"{where}: defaultVariant {default!r} is no variant", flag=key)
    if not isinstance(targeting, dict):
        raise InvalidFlag(f"{where}: targeting must be an object", flag=key)
    targeting = _Expansion(shared, where).of(targeting)
    terms = FlagTerms(
        type=kind, variants=variants, default_variant=default, targeting=targeting, state=state
    )
    for finding in _rule_findings(targeting, variants):
        raise InvalidFlag(f"{where}: {finding}", flag=key)
    sound = _sound(key, terms, path)
    for finding in result_findings(targeting or None, variants):
        raise InvalidFlag(f"{where}: {finding}", flag=key)
    return sound


def _sound(key: str, terms: FlagTerms, where: str) -> FlagTerms:
    if not 1 <= len(key) <= KEY_CHARS_MAX or key != key.strip():
        raise InvalidFlag(f"{where}: a flag's key has 1 to {KEY_CHARS_MAX} characters", flag=key)
    broken = excess(terms.as_flagd(), FLAG)
    if broken is None and _is_wide([terms.variants, terms.targeting]):
        broken = "a whole number beyond 64 bits"
    if broken is not None:
        raise InvalidFlag(f"{where}: flag {key} has {broken}", flag=key)
    return terms


def _is_wide(value: Any) -> bool:
    """Say whether a value holds a whole number that others than Python cannot read as it is."""
    if isinstance(value, Mapping | list):
        parts = value.values() if isinstance(value, Mapping) else value
        return any(_is_wide(part) for part in parts)
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def _few(flags: dict[str, FlagTerms], where: str) -> dict[str, FlagTerms]:
    if len(flags) > FLAGS_MAX:
        raise InvalidFlag(f"{where} has {len(flags)} flags; {FLAGS_MAX} are possible", key=where)
    return dict(sorted(flags.items()))


class _Expansion:
    """Puts what a rule refers to by `$ref` in its place; few references can make a huge rule."""

    def __init__(self, shared: Mapping[str, Any], where: str) -> None:
        self._shared, self._where, self._left = shared, where, FLAG.chars

    def of(self, rule: Any, depth: int = FLAG.depth) -> Any:
        """Return a rule without references."""
        self._left -= 1
        if depth < 0 or self._left < 0:
            most = f"{FLAG.depth} levels" if depth < 0 else f"{FLAG.chars} parts"
            what = "deeper" if depth < 0 else "larger"
            message = f"{self._where}: its rules are {what} than {most}"
            raise InvalidFlag(message, key=self._where)
        if isinstance(rule, list):
            return [self.of(item, depth - 1) for item in rule]
        if not isinstance(rule, dict):
            return rule
        if set(rule) == {"$ref"}:
            name = rule["$ref"]
            if not isinstance(name, str) or name not in self._shared:
                raise InvalidFlag(f"{self._where}: no $evaluators has {name!r}", key=self._where)
            return self.of(self._shared[name], depth - 1)
        return {key: self.of(item, depth - 1) for key, item in rule.items()}


def _rule_findings(rule: Any, variants: Mapping[str, Any]) -> Iterator[str]:
    """Find what no evaluation could make sense of: what flagd would only say at run time."""
    if isinstance(rule, list):
        for item in rule:
            yield from _rule_findings(item, variants)
    elif isinstance(rule, dict) and rule:
        if len(rule) != 1:
            yield f"a rule is an object with one operator, and one has {', '.join(sorted(rule))}"
        for operator, operands in rule.items():
            if operator not in OPERATORS:
                yield f"there is no operator {operator!r}"
            if operator == "fractional":
                yield from _share_findings(operands, variants)
            yield from _rule_findings(operands, variants)


def _share_findings(operands: Any, variants: Mapping[str, Any]) -> Iterator[str]:
    given = operands if isinstance(operands, list) else []
    shares = [item for item in given if isinstance(item, list)]
    for share in shares:
        name, weight = (*share, 1, None)[:2] if len(share) < 2 else share[:2]
        if isinstance(name, str) and name not in variants:
            yield f"fractional names {name!r}, which is no variant"
        if isinstance(weight, bool) or not isinstance(weight, int) or weight < 0:
            yield f"the weight of {name!r} must be a whole number of at least 0"
    if not shares:
        yield 'fractional needs shares, such as ["on", 10], ["off", 90]'


def _known(given: Any, keys: frozenset[str], where: str) -> None:
    if not isinstance(given, dict):
        raise InvalidFlag(f"{where} must be an object", key=where)
    unknown = sorted(set(given) - keys)
    if unknown:
        raise InvalidFlag(
            f"{where} has an unknown key {unknown[0]!r}; {unknown_name(unknown[0], keys)}",
            key=where,
        )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("an object has the same key twice")
    return made


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large a number")
    return number


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")
