"""Calls and results: keys, digests, and the way through the journal."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.calls import (
    Ask,
    Call,
    Done,
    Failed,
    Refused,
    Result,
    RetryAt,
    Unknown,
    Usage,
    cut,
    result_from_json,
    result_state,
    result_to_json,
)
from fairlead.core.label import Label

CALL = Call(
    run_id="r1",
    number=3,
    kind="tool",
    name="pay",
    arguments={"b": 1, "a": [True, None]},
    effect="once",
    lineage="root",
)
RESULTS: list[Result] = [
    Done(value={"a": [1, None]}, usage=Usage(input_tokens=1, output_tokens=2, cost_usd=0.5)),
    Done(value=None),
    Refused(code="FL-500", reason="no"),
    Failed(code="FL-603", reason="broken"),
    RetryAt(delay_s=2.5, reason="busy"),
    Unknown(reason="who knows"),
    Done(value=1, labels={"a.b": Label(integrity="untrusted", readers=("x",), origins=("y",))}),
    Ask(reason="large", role="approver", within_s=60.0),
]


@pytest.mark.parametrize("result", RESULTS, ids=result_state)
def test_a_result_survives_the_journal(result: Result) -> None:
    assert result_from_json(json.loads(json.dumps(result_to_json(result)))) == result


def test_every_kind_of_result_has_a_state_of_its_own() -> None:
    assert {type(result) for result in RESULTS} == set(get_args(Result))
    states = {result_state(result) for result in RESULTS}
    assert states == {"done", "denied", "failed", "retry", "unknown", "ask"}


def test_a_key_follows_from_lineage_and_position_alone() -> None:
    assert CALL.key == "root:3"
    assert replace(CALL, run_id="r2", name="x", arguments=None).key == CALL.key
    assert replace(CALL, number=4).key != CALL.key


def test_the_digest_is_of_what_is_asked_whatever_its_order() -> None:
    same = replace(CALL, arguments={"a": [True, None], "b": 1}, number=9, effect="read")
    assert same.arguments_digest == CALL.arguments_digest
    for other in (
        replace(CALL, kind="model"),
        replace(CALL, name="put"),
        replace(CALL, arguments={"b": 1, "a": [True]}),
        replace(CALL, arguments={"b": "1", "a": [True, None]}),
    ):
        assert other.arguments_digest != CALL.arguments_digest


@given(st.text(max_size=600), st.integers(1, 500))
def test_a_reason_is_bounded(text: str, limit: int) -> None:
    found = cut(text, limit)
    assert len(found) <= limit
    assert found == text if len(text) <= limit else found.endswith("…")
