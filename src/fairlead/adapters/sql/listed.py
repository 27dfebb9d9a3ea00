"""Lists in statements that are written as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def listed(name: str, items: Iterable[Any], values: dict[str, Any]) -> str:
    """Return a list for `IN`, and put its items among the parameters; an empty one holds nothing.

    Args:
        name: How its parameters begin.
        items: The items.
        values: Parameters by name; the items are added.
    """
    names = []
    for index, item in enumerate(items):
        values[f"{name}_{index}"] = item
        names.append(f":{name}_{index}")
    return f"({', '.join(names) or 'NULL'})"
