"""Schemas: whether one accepts all that another one accepts."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from fairlead.core.schemas import accepts_all


class Ask(BaseModel):
    """A question."""

    question: str
    top: int = 3


class AskMore(BaseModel):
    """A question, described otherwise, with a field that may be left out."""

    question: str = Field(description="What is asked.")
    top: int | None = 3
    language: str = "en"


class AskStrict(BaseModel):
    """A question with a field that is required."""

    question: str
    top: int = 3
    user: str


class AskClosed(BaseModel):
    """A question and nothing else."""

    model_config = ConfigDict(extra="forbid")
    question: str


class Tree(BaseModel):
    """It contains itself."""

    name: str
    below: list[Tree] = []


class Bush(BaseModel):
    """It contains itself, and other names."""

    name: str | None
    below: list[Bush] = []


class Colour(Enum):
    """Two."""

    RED = "red"
    BLUE = "blue"


def schema(kind: Any) -> Any:
    return TypeAdapter(kind).json_schema()


WIDER = [
    (str, str),
    (int, float),
    (int, int | str),
    (Ask, AskMore),
    (Tree, Tree),
    (Tree, Bush),
    (Literal["a"], Literal["a", "b"]),
    (Literal["red"], Colour),
    (list[int], list[float]),
    (dict[str, int], dict[str, float]),
    (AskClosed, Ask),
    (Ask, Any),
]
NARROWER = [
    (float, int),
    (int | str, int),
    (AskMore, Ask),
    (Ask, AskStrict),
    (Ask, AskClosed),
    (Bush, Tree),
    (Literal["a", "b"], Literal["a"]),
    (str, Literal["a"]),
    (list[float], list[int]),
    (list[Any], list[int]),
    (Any, str),
    (Ask, str),
]


@pytest.mark.parametrize(("old", "new"), WIDER)
def test_what_was_accepted_is_accepted(old: Any, new: Any) -> None:
    assert accepts_all(schema(new), schema(old))


@pytest.mark.parametrize(("old", "new"), NARROWER)
def test_what_may_be_refused_is_told(old: Any, new: Any) -> None:
    assert not accepts_all(schema(new), schema(old))


BOUNDS = [
    ({"minimum": 3}, {"minimum": 2}, True),
    ({"minimum": 2}, {"minimum": 3}, False),
    ({}, {"maxLength": 3}, False),
    ({"maxLength": 3}, {}, True),
    ({"pattern": "a"}, {"pattern": "b"}, False),
    ({"pattern": "a"}, {"pattern": "a"}, True),
    ({"enum": [True]}, {"enum": [1]}, False),
]


@pytest.mark.parametrize(("old", "new", "expected"), BOUNDS)
def test_bounds_may_only_be_loosened(old: Any, new: Any, expected: bool) -> None:
    assert accepts_all(new, old) is expected


def test_an_alternative_that_failed_does_not_help_the_next_one() -> None:
    new = {
        "$defs": {
            "A": {"type": "object", "required": ["x"], "properties": {"x": {"type": "null"}}}
        },
        "anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}],
    }
    old = {"$defs": {"A": {"type": "object", "required": ["x"]}}, "$ref": "#/$defs/A"}
    assert not accepts_all(new, old)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "type",
                        "enum",
                        "items",
                        "properties",
                        "required",
                        "anyOf",
                        "$ref",
                        "$defs",
                        "minimum",
                        "x",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=10,
    )
)
def test_what_is_no_schema_is_compared_as_it_is(value: Any) -> None:
    assert accepts_all(value, value) in (True, False)
    assert accepts_all({"type": "string"}, value) in (True, False)


SIMPLE = st.recursive(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number", "string", "null"])},
        optional={
            "minimum": st.integers(0, 3),
            "maximum": st.integers(0, 3),
            "maxLength": st.integers(0, 2),
            "enum": st.lists(
                st.integers(0, 2) | st.sampled_from(["a", "b"]), min_size=1, max_size=3
            ),
        },
    ),
    lambda inner: (
        st.fixed_dictionaries({"type": st.just("array"), "items": inner})
        | st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=2)})
        | st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.dictionaries(st.sampled_from("xy"), inner, max_size=2),
            },
            optional={
                "required": st.lists(st.sampled_from("xy"), max_size=2, unique=True),
                "additionalProperties": st.just(False),
            },
        )
    ),
    max_leaves=5,
)
VALUES = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["", "a", "b", "abc", 0.5]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xy"), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(SIMPLE, SIMPLE, st.lists(VALUES, max_size=20))
def test_a_yes_is_never_wrong(old: Any, new: Any, values: list[Any]) -> None:
    """Against a library that decides single values; but for fields that the old one knew not."""
    if not accepts_all(new, old) or "object" in str(new):
        return
    before, after = jsonschema_rs.validator_for(old), jsonschema_rs.validator_for(new)
    for value in values:
        assert after.is_valid(value) or not before.is_valid(value), value
