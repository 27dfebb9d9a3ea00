"""What a reconcile probe says: the effect happened, with its result, or it surely did not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True)
class Happened(Generic[R_co]):
    """The effect happened.

    Attributes:
        result: What the tool would have returned.
    """

    result: R_co


@dataclass(frozen=True)
class NotHappened:
    """The effect surely did not happen, and will not happen by itself: it may be executed."""


NOT_HAPPENED = NotHappened()
"""What a probe returns when the effect surely did not happen."""
