"""What is typed as a run's input."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from fairlead.core.errors import InvalidInput
from fairlead.entrypoints.cli.inputs import parse, read

TEXT = {"type": "string"}
ASKS = {"type": "object", "required": ["question"], "properties": {"question": TEXT}}
OTHER = {"type": "object", "required": ["order"], "properties": {"order": TEXT}}


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("plain words", TEXT, "plain words"),
        ('"quoted"', TEXT, "quoted"),
        ("42", TEXT, "42"),
        ('{"a": 1}', TEXT, '{"a": 1}'),
        ("Why?", ASKS, {"question": "Why?"}),
        ('"Why?"', ASKS, {"question": "Why?"}),
        ("42", ASKS, {"question": "42"}),
        ('{"question": "Why?"}', ASKS, {"question": "Why?"}),
        ('{"order": "7"}', OTHER, {"order": "7"}),
        ("[1, 2]", OTHER, [1, 2]),
    ],
)
def test_parse(text: str, schema: dict[str, Any], value: object) -> None:
    assert parse(text, schema) == value


@pytest.mark.parametrize("text", ["plain", '{"order": NaN}', "[" * 100_000])
def test_what_is_no_json_is_refused_where_no_text_fits(text: str) -> None:
    with pytest.raises(InvalidInput, match="no JSON"):
        parse(text, OTHER)


def test_a_dash_reads_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("für".encode())))
    assert read("-") == "für"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"f\xfcr")))
    with pytest.raises(InvalidInput, match="UTF-8"):
        read("-")


def test_an_argument_that_is_no_utf_8_is_refused() -> None:
    with pytest.raises(InvalidInput, match="byte 1"):
        read(b"f\xfcr".decode("utf-8", "surrogateescape"))
