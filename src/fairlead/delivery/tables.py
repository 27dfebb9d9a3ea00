"""Reads the tables of `fairlead.toml`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from fairlead.core.errors import InvalidConfig
from fairlead.core.nearest import unknown_name
from fairlead.settings import APP_FILE

T = TypeVar("T")


def known(
    table: Mapping[str, Any], keys: frozenset[str], where: str, *, file: str = APP_FILE
) -> None:
    """Refuse a table that is none, or that has a key which nobody reads.

    Args:
        table: The table.
        keys: What it may hold.
        where: Its name, for messages.
        file: The file that it stands in; empty when whoever calls says it.

    Raises:
        InvalidConfig: It is none, or holds something else.
    """
    if not isinstance(table, Mapping):
        raise InvalidConfig(f"{where} must be a table", key=where)
    unknown = sorted(set(table) - keys)
    if unknown:
        place = f"{file}: {where}" if file else where
        raise InvalidConfig(
            f"{place} has an unknown key {unknown[0]!r}; {unknown_name(unknown[0], keys)}",
            key=f"{where}.{unknown[0]}",
        )


def made(cls: Callable[..., T], values: dict[str, Any], where: str) -> T:
    """Return a value that is made of a table's values.

    Raises:
        InvalidConfig: They make none.
    """
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise InvalidConfig(f"{where}: {error}", key=where) from error


def text_of(value: Any, where: str) -> str:
    """Return a value that must be text.

    Raises:
        InvalidConfig: It is none.
    """
    if not isinstance(value, str):
        raise InvalidConfig(f"{where} must be text, not {value!r}", key=where)
    return value
