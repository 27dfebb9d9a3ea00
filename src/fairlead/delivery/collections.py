"""The collections that an app's configuration declares."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairlead.core.errors import CollectionMissing, InvalidConfig


def declared_collections(folder: Path, config: Mapping[str, Any]) -> dict[str, Path]:
    """Return the folder of each `[collections.NAME]` of `fairlead.toml`.

    Args:
        folder: The app's folder; relative paths start here.
        config: All of `fairlead.toml`.

    Raises:
        InvalidConfig: A collection names no path.
    """
    found = {}
    for name, table in config.get("collections", {}).items():
        path = table.get("path") if isinstance(table, Mapping) else None
        if not isinstance(path, str) or set(table) != {"path"}:
            raise InvalidConfig(f"[collections.{name}] needs a path and nothing else")
        found[name] = (folder / path).resolve()
    return found


def chosen(collections: Mapping[str, Path], name: str | None) -> dict[str, Path]:
    """Return one collection, or all of them.

    Raises:
        CollectionMissing: There is none of that name, or none at all.
    """
    if name is None and collections:
        return dict(collections)
    if name is not None and name in collections:
        return {name: collections[name]}
    names = ", ".join(sorted(collections)) or "none"
    what = f"no collection {name!r}" if name else "no [collections.NAME]"
    raise CollectionMissing(f"fairlead.toml declares {what}; it declares: {names}")
