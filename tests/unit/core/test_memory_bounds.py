"""One read gives so many bytes, and says how much is left out."""

from __future__ import annotations

from fairlead.core import memory_bounds
from fairlead.core.memory import Item, Note, Reader
from fairlead.core.memory_bounds import READ_BYTES_MAX, within_bytes
from fairlead.testing.memory_rules import item_of

OWN = Reader(tenant="acme", app="a")


def item(text: str, value: str | None = None) -> Item:
    return item_of(OWN, Note(kind="semantic", text=text, value=value), 1.0, 1)


def test_as_many_are_kept_as_fit_from_one_end() -> None:
    half = READ_BYTES_MAX // 2
    items = [item("ä" * (half // 2)), item("b", "c" * (half - 3)), item("d")]
    assert memory_bounds.said_bytes(items[1]) == half
    first, newest = within_bytes(items), within_bytes(items, newest=True)
    assert (list(first), first.left_out) == (items[:2], 1)
    assert (list(newest), newest.left_out) == (items[1:], 1)
    assert within_bytes(items[:2]).left_out == 0
    assert within_bytes([item("x" * (READ_BYTES_MAX + 1))]) == ()
