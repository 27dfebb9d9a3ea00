"""A stand-in fits the schema that it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from fairlead.core.stand_ins import stand_in
from fairlead.guardrails.shapes import SchemaCheck, shape_of


class Colour(Enum):
    RED = "red"


@dataclass
class Part:
    name: str
    count: int = 3


class Receipt(BaseModel):
    id: UUID
    at: datetime
    amount: Decimal
    colour: Colour
    parts: Annotated[list[Part], Field(min_length=2)]
    near: Annotated[float, Field(gt=2.5)]
    below: Annotated[int, Field(lt=-3)]
    code: Annotated[str, Field(min_length=4)]
    note: str | None = None


class Node(BaseModel):
    inner: Node


@pytest.mark.parametrize(
    "type_",
    [
        str,
        int,
        float,
        bool,
        None,
        Any,
        date,
        timedelta,
        Colour,
        Literal["b", "a"],
        list[str],
        dict[str, int],
        tuple[int, str],
        int | str,
        str | None,
        Part,
        Receipt,
        list[Receipt],
        Annotated[int, Field(ge=7, le=9)],
    ],
)
def test_a_stand_in_fits_and_is_read_as_a_value(type_: Any) -> None:
    shape = shape_of(type_)
    made = stand_in(shape.schema)
    assert SchemaCheck(shape.schema).finding(made) is None
    shape.load(made)


def test_what_is_optional_is_left_out_and_numbers_are_near_zero() -> None:
    made = stand_in(shape_of(Receipt).schema)
    assert "note" not in made
    assert made["parts"] == [{"name": ""}, {"name": ""}]
    assert (made["near"], made["below"], made["code"]) == (3.0, -4, "xxxx")


def test_what_contains_itself_has_no_stand_in() -> None:
    with pytest.raises(ValueError, match="nested"):
        stand_in(shape_of(Node).schema)
