"""Amounts of calls, tokens, money and time, in whole numbers, so that sums are exact."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields

from fairlead.core.calls import Usage

NANO = 1_000_000_000
"""Thousand-millionths of a US dollar in one."""


@dataclass(frozen=True, kw_only=True)
class Amount:
    """What is reserved or used, in whole numbers, so that sums are exact.

    Attributes:
        calls: Calls.
        tokens: Tokens, in and out.
        nano_usd: Money, in thousand-millionths of a US dollar.
        ms: Time for which bodies of calls were executed, in milliseconds.
    """

    calls: int = 0
    tokens: int = 0
    nano_usd: int = 0
    ms: int = 0

    def __add__(self, other: Amount) -> Amount:
        return _each(lambda one, two: one + two, self, other)

    def __sub__(self, other: Amount) -> Amount:
        return _each(lambda one, two: one - two, self, other)

    def over(self, other: Amount) -> Amount:
        """Return by how much each unit is above another amount's; 0 where it is not."""
        return _each(lambda one, two: max(one - two, 0), self, other)

    def only(self, units: Iterable[str]) -> Amount:
        """Return the amount with 0 in all other units."""
        kept = set(units)
        return Amount(**{unit: n if unit in kept else 0 for unit, n in asdict(self).items()})

    def covers(self, need: Amount) -> bool:
        """Whether there is enough of each unit that is needed."""
        return all(asdict(self)[unit] >= n for unit, n in asdict(need).items() if n > 0)


def _each(rule: Callable[[int, int], int], one: Amount, two: Amount) -> Amount:
    mine, theirs = asdict(one), asdict(two)
    return Amount(**{unit: rule(mine[unit], theirs[unit]) for unit in UNITS})


UNITS = tuple(item.name for item in fields(Amount))
NOTHING = Amount()


def amount_of(usage: Usage) -> Amount:
    """Return a usage as an amount."""
    tokens = usage.input_tokens + usage.output_tokens
    return Amount(tokens=tokens, nano_usd=round(usage.cost_usd * NANO))


_WORDS = {"calls": "calls", "tokens": "tokens", "nano_usd": "USD", "ms": "seconds"}


def amount_text(unit: str, number: int) -> str:
    """Return a number of a unit as a person reads it: money in USD, time in seconds."""
    if unit == "nano_usd":
        return f"{number / NANO:.6f}".rstrip("0").rstrip(".")
    return f"{number / 1000:g}" if unit == "ms" else str(number)


def unit_word(unit: str) -> str:
    """Return a unit's name as a person reads it."""
    return _WORDS[unit]
