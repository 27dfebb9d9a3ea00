"""Errors: one code each, a hint each, and the same on the other side of a pipe."""

from __future__ import annotations

import copy
import inspect
import json
import re

import pytest

from fairlead.core import errors
from fairlead.core.errors import FairleadError, error_classes, error_from_json

CLASSES = sorted(
    {
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, FairleadError)
    },
    key=lambda cls: cls.code,
)


def test_each_error_has_a_code_of_its_own() -> None:
    codes = [cls.code for cls in CLASSES]
    assert sorted(set(codes)) == codes
    assert error_classes() == {cls.code: cls for cls in CLASSES}


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.code)
def test_an_error_says_what_it_is_and_what_to_do(cls: type[FairleadError]) -> None:
    assert re.fullmatch(r"FL-\d{3}", cls.code)
    assert "code" in vars(cls)
    assert "hint" in vars(cls)
    assert cls.hint.endswith((".", "?"))
    assert cls.__doc__ and cls.__doc__.strip().endswith(".")
    assert str(cls("it broke")) == f"{cls.code}: it broke"


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.code)
def test_an_error_survives_a_pipe_and_a_copy(cls: type[FairleadError]) -> None:
    error = cls("it broke", run="r1", release="d1")
    data = json.loads(json.dumps(error.to_json()))
    rebuild, arguments = error.__reduce__()
    for again in (error_from_json(data), rebuild(*arguments), copy.copy(error)):
        assert type(again) is cls
        assert (again.message, again.ids) == ("it broke", {"run": "r1", "release": "d1"})
        assert str(again) == str(error)


def test_a_code_from_a_newer_version_is_kept_in_the_message() -> None:
    found = error_from_json({"code": "FL-999", "message": "new", "ids": {}})
    assert type(found) is FairleadError
    assert found.message == "new"


def test_every_error_is_on_the_list() -> None:
    names = {cls.__name__ for cls in CLASSES}
    assert names == {name for name in errors.__all__ if name[0].isupper()}
