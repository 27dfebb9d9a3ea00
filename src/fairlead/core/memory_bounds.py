"""How much of what is remembered one read gives, in bytes."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.core.digests import canonical_json
from fairlead.core.memory import Item

READ_BYTES_MAX = 1_000_000
"""Bytes of what the items of one `get` or `history` say; beyond it items are left out."""

GROUNDING_BYTES_MAX = 100_000
"""Bytes of what is remembered that go into the prompt of one answer."""


class Items(tuple[Item, ...]):
    """Items that were read, as many as fit in `READ_BYTES_MAX`.

    Attributes:
        left_out: How many more there are.
    """

    left_out: int = 0


def within_bytes(items: Sequence[Item], *, newest: bool = False) -> Items:
    """Return those of some items that fit in `READ_BYTES_MAX`, in their order.

    Args:
        items: The items.
        newest: Whether the last ones are kept instead of the first ones.
    """
    room, kept = READ_BYTES_MAX, 0
    for item in reversed(items) if newest else items:
        room -= said_bytes(item)
        if room < 0:
            break
        kept += 1
    some = Items(items[len(items) - kept :] if newest else items[:kept])
    some.left_out = len(items) - kept
    return some


def said_bytes(item: Item) -> int:
    """Return how many bytes an item's text and value have."""
    value = 0 if item.value is None else len(canonical_json(item.value).encode())
    return len(item.text.encode(errors="replace")) + value
