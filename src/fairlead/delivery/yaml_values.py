"""Values of a YAML file, each of the kind that its key asks for; else an error names both."""

from __future__ import annotations

from typing import Any

from fairlead.core.errors import InvalidConfig


def flag_of(given: Any, path: str, where: str) -> bool:
    """Return a truth value."""
    if not isinstance(given, bool):
        raise InvalidConfig(f"{path}, {where} must be true or false, not {given!r}", file=path)
    return given


def mapping_of(given: Any, where: str, path: str) -> dict[str, Any]:
    """Return a table."""
    if not isinstance(given, dict):
        raise InvalidConfig(f"{path}: {where} must be a table", file=path)
    return given


def table_of(given: Any, keys: tuple[str, ...], path: str, where: str) -> dict[str, Any]:
    """Return a table that has no key beside these."""
    table = mapping_of(given, where, path)
    unknown = sorted(set(table) - set(keys))
    if unknown:
        raise InvalidConfig(
            f"{path}: {where} has an unknown key {unknown[0]!r}; it knows: {', '.join(keys)}",
            file=path,
        )
    return table


def names_of(given: Any, path: str, where: str) -> tuple[str, ...]:
    """Return a list of texts."""
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise InvalidConfig(f"{path}, {where} must be a list of texts", file=path)
    return tuple(given)


def text_of(given: Any, path: str, where: str) -> str:
    """Return a text that is not empty."""
    if not isinstance(given, str) or not given.strip():
        raise InvalidConfig(f"{path}, {where} must be a text that is not empty", file=path)
    return given


def number_of(given: Any, path: str, where: str, *, whole: bool) -> float | int:
    """Return a number."""
    number = isinstance(given, int if whole else int | float)
    if isinstance(given, bool) or not number:
        what = "a whole number" if whole else "a number"
        raise InvalidConfig(f"{path}, {where} must be {what}, not {given!r}", file=path)
    return int(given) if whole else float(given)
