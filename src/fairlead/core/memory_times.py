"""Which of two items of one place stands when, as long as the later one has not begun."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

Fate: TypeAlias = Literal["goes", "ends", "stays"]
"""`goes`: it is replaced at once. `ends`: it is current until the new item begins. `stays`: it
begins after the new item, which ends there."""


def waits(begins: float, recorded_at: float, now: float) -> bool:
    """Return whether an item is still to begin, and was said to when it was recorded.

    What began with its own record never waits, however the clocks of two machines differ.

    Args:
        begins: Seconds since 1970 from which it is so.
        recorded_at: Seconds since 1970 from which it was known.
        now: Seconds since 1970.
    """
    return begins > max(recorded_at, now)


def fate_of(before: float, begins: float, *, waiting: bool, later: bool) -> Fate:
    """Return what becomes of an item when another one takes its place.

    Args:
        before: Seconds since 1970 from which the item is so.
        begins: Seconds since 1970 from which the other one is so.
        waiting: Whether the item is still to begin; see `waits`.
        later: Whether the other one is.
    """
    if waiting and before > begins:
        return "stays"
    return "ends" if later and before < begins else "goes"


def earlier(one: float | None, other: float | None) -> float | None:
    """Return the earlier of two ends; None is no end."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def next_begin(begins: float, others: Iterable[float]) -> float | None:
    """Return when the next of some items begins after one; None for never."""
    return min((one for one in others if one > begins), default=None)
