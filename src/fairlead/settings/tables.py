"""Refuses what nobody reads in `fairlead.toml`: else a typo would pass in silence."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from fairlead.core.errors import InvalidConfig
from fairlead.core.nearest import unknown_name

RELEASE_TABLES = frozenset(
    ("breaker", "budgets", "collections", "flags", "policy", "rates", "workflow")
)
"""Tables that hold no setting of a process. Whoever makes a release of them knows their keys."""

_SHARED_TABLES = frozenset(("memory", "telemetry"))
"""Tables with settings and with parts of a release, which are read there."""


def check_tables(config: Mapping[str, Any], settings: Collection[str], file: str) -> None:
    """Refuse a table that nobody reads, and a key of a process's settings that is none.

    Args:
        config: All of `fairlead.toml`.
        settings: The keys of all settings, such as `worker.lease_s`.
        file: The file's name, for messages.

    Raises:
        InvalidConfig: There is one.
    """
    tables: dict[str, set[str]] = {}
    for key in settings:
        table, _, name = key.partition(".")
        tables.setdefault(table, set()).add(name)
    for table, given in config.items():
        known = {*tables, *RELEASE_TABLES}
        if table not in known:
            what = f"[{table}]" if isinstance(given, Mapping | list) else repr(table)
            raise InvalidConfig(
                f"{file} has {what}, which nobody reads; {unknown_name(table, known)}", key=table
            )
        if table in RELEASE_TABLES or table in _SHARED_TABLES or not isinstance(given, Mapping):
            continue
        for name, value in given.items():
            # A workflow's dataset is a table of `[gate]`.
            if name not in tables[table] and not (table == "gate" and isinstance(value, Mapping)):
                raise InvalidConfig(
                    f"{file}: {table} has an unknown key {name!r}; "
                    f"{unknown_name(name, tables[table])}",
                    key=f"{table}.{name}",
                )
