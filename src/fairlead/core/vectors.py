"""Vectors as bytes: 32-bit floats, little-endian, of length 1.

Bytes are what both databases keep, they cannot change under whoever holds them, and numpy and the
standard library read them without a copy: neither a port nor the core needs numpy.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterable
from typing import TypeAlias

Vector: TypeAlias = bytes
"""One vector, four bytes for each dimension."""

NUMBER_BYTES = 4
LENGTH_TOLERANCE = 1e-3
"""How far from 1 a vector's length may be; rounding to 32 bits stays far below it."""


def pack(numbers: Iterable[float]) -> Vector:
    """Return numbers as a vector, as they are.

    Raises:
        TypeError: One of them is no number.
    """
    packed = array("f", numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def unpack(vector: Vector) -> array[float]:
    """Return a vector's numbers.

    Raises:
        ValueError: The number of bytes is not a multiple of 4.
    """
    numbers = array("f")
    numbers.frombytes(vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def unit(numbers: Iterable[float]) -> Vector:
    """Return numbers as a vector of length 1; those that have no length come as they are.

    Raises:
        TypeError: One of them is no number.
    """
    kept = array("d", numbers)
    length = length_of(kept)
    if math.isfinite(length) and length > 0:
        kept = array("d", (number / length for number in kept))
    return pack(kept)


def length_of(numbers: Iterable[float]) -> float:
    """Return a vector's length; it is not finite when one of its numbers is not."""
    return math.hypot(*numbers)
