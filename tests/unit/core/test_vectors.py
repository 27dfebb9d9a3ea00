"""Vectors as bytes."""

from __future__ import annotations

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.vectors import LENGTH_TOLERANCE, length_of, pack, unit, unpack

NUMBERS = st.lists(
    st.floats(min_value=-1e30, max_value=1e30).filter(lambda number: abs(number) > 1e-30),
    min_size=1,
    max_size=40,
)


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=40))
def test_what_is_packed_is_read_again(numbers: list[float]) -> None:
    vector = pack(numbers)
    assert len(vector) == 4 * len(numbers)
    assert list(unpack(vector)) == numbers


def test_the_bytes_are_little_endian() -> None:
    assert pack([1.0]) == b"\x00\x00\x80\x3f"


@given(NUMBERS)
def test_a_unit_vector_has_the_length_1_and_the_direction(numbers: list[float]) -> None:
    made = unpack(unit(numbers))
    assert abs(length_of(made) - 1) < LENGTH_TOLERANCE / 100
    largest = max(range(len(numbers)), key=lambda place: abs(numbers[place]))
    assert math.copysign(1, made[largest]) == math.copysign(1, numbers[largest])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_stays_so(bad: float) -> None:
    assert not math.isfinite(length_of(unpack(unit([1.0, bad, 2.0]))))


def test_what_is_zero_stays_zero() -> None:
    assert unit([0.0, 0.0]) == bytes(8)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(TypeError):
        unit([1.0, None])  # type: ignore[list-item]
    with pytest.raises(ValueError):
        unpack(b"123")


def test_unpacked_numbers_are_an_array() -> None:
    assert unpack(pack([1.0, 2.0])) == array("f", [1.0, 2.0])
