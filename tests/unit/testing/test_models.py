"""Scripted models say what was written down, whole or not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import OutputTokenLimitExceeded
from pydantic_ai.messages import ModelResponse

from fairlead.testing import Reply, ScriptedModel


def last(*turns: Any) -> ModelResponse:
    """Return the last answer of an agent on a script."""
    result = asyncio.run(Agent(ScriptedModel(turns).model()).run("hello"))
    answer = result.all_messages()[-1]
    assert isinstance(answer, ModelResponse)
    return answer


def test_a_reply_has_usage_and_an_end() -> None:
    answer = last(Reply(text="done", usage=(11, 7), finish="stop"))
    assert (answer.text, answer.model_name, answer.finish_reason) == ("done", "scripted", "stop")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (11, 7)


def test_words_alone_have_the_usage_that_is_counted() -> None:
    answer = last("done")
    assert (answer.text, answer.model_name, answer.finish_reason) == ("done", "scripted", None)
    assert answer.usage.output_tokens == 1


def test_a_truncated_answer_is_one() -> None:
    assert last(Reply(text="half", finish="length")).finish_reason == "length"
    with pytest.raises(OutputTokenLimitExceeded):
        last(Reply(finish="length"))


def test_arguments_may_be_no_json() -> None:
    script = ScriptedModel([Reply(tools=[("look", "{no")], text="I look")])
    answer: Any = script.model().function
    parts = answer([], None).parts
    assert [type(part).__name__ for part in parts] == ["TextPart", "ToolCallPart"]
    assert (parts[1].tool_name, parts[1].args, parts[1].tool_call_id) == ("look", "{no", "0-0")


@pytest.mark.parametrize(
    "values",
    [
        {"status": 500},
        {"cut": 0.5},
        {"raw": b"x"},
        {"retry_after_s": 1.0},
        {"pause_s": 1.0},
        {"model": "other"},
    ],
    ids=lambda values: next(iter(values)),
)
def test_what_only_a_wire_can_do_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(values))):
        ScriptedModel([replace(Reply(), **values)])


def test_a_script_has_a_turn() -> None:
    with pytest.raises(ValueError, match="at least one"):
        ScriptedModel([])
