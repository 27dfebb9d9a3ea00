"""What a schema declares, and numbers in the form that it declares them with."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import TypeAdapter

from fairlead.core.declared import OPEN, Declared, common, declared_by, in_form


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Address:
    street: str
    zip: int | None = None


@dataclass
class Tree:
    name: str
    below: list[Tree]


TEXT, WHOLE, NUMBER = Declared(kind="text"), Declared(kind="whole"), Declared(kind="number")

KINDS = [
    (str, TEXT),
    (int, WHOLE),
    (float, NUMBER),
    (Decimal, NUMBER),
    (bool, Declared(kind="flag")),
    (str | None, Declared(kind="text", nullable=True)),
    (int | float, NUMBER),
    (int | str, OPEN),
    (Any, OPEN),
    (dict[str, int], OPEN),
    (list[Any], OPEN),
    (tuple[int, str], OPEN),
    (list[int], Declared(kind="list", item=WHOLE)),
    (Literal["a", "b"], Declared(kind="text", values=("a", "b"))),
    (Literal["a", 1], OPEN),
    (Literal[1, 2], WHOLE),
    (Literal["a"] | None, Declared(kind="text", values=("a",), nullable=True)),
    (Colour, Declared(kind="text", values=("red", "blue"))),
]


@pytest.mark.parametrize(("type", "expected"), KINDS)
def test_a_type_is_one_kind(type: Any, expected: Declared) -> None:
    assert declared_by(TypeAdapter(type).json_schema()) == expected


def test_a_record_says_what_is_always_there() -> None:
    found = declared_by(TypeAdapter(Address).json_schema())
    assert found.required == {"street"}
    assert found.fields["zip"] == Declared(kind="whole", nullable=True)


def test_a_schema_that_holds_itself_ends() -> None:
    found = declared_by(TypeAdapter(Tree).json_schema())
    assert found.fields["name"] == TEXT
    assert found.fields["below"].kind in ("list", "open")


def test_a_record_that_takes_anything_is_open() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert declared_by(schema).kind == "record"
    assert declared_by({**schema, "additionalProperties": True}) == OPEN


@pytest.mark.parametrize("schema", [{"$ref": "#/$defs/No"}, {"$ref": 3}, {"anyOf": []}, {}])
def test_what_is_not_understood_is_open(schema: dict[str, Any]) -> None:
    assert declared_by(schema) == OPEN


def test_of_several_records_each_field_may_be_there() -> None:
    one = declared_by(TypeAdapter(Address).json_schema())
    other = Declared(kind="record", fields={"street": WHOLE, "x": TEXT})
    found = common([one, other])
    assert (found.fields["street"], found.fields["x"], found.required) == (OPEN, TEXT, frozenset())
    assert common([one, OPEN]) == OPEN


def test_numbers_take_the_form_that_is_declared() -> None:
    @dataclass
    class All:
        amount: float
        prices: list[Decimal]
        count: int
        name: str
        free: Any

    declared = declared_by(TypeAdapter(All).json_schema())
    value = {"amount": 50, "prices": [1, 2.5, "3"], "count": 5.0, "name": "5", "free": 5, "more": 1}
    assert in_form(value, declared) == {
        "amount": "50.0",
        "prices": ["1.0", 2.5, "3"],
        "count": 5,
        "name": "5",
        "free": 5,
        "more": 1,
    }
    assert in_form(10**30, NUMBER) == f"{10**30}.0"
    assert in_form(True, NUMBER) is True
    assert in_form(5.5, WHOLE) == 5.5
