"""What was said as messages: each call of a tool right before its result, and back."""

from __future__ import annotations

from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from fairlead import ToolUse, Turn
from fairlead.adapters.pydantic_ai.history import messages_of, uses_of

LOOK = ToolUse(name="look", arguments={"item": "a"}, result={"found": [1]})
PAY = ToolUse(name="pay", arguments={}, result=None)
TURNS = [Turn(question="q1", answer="a1", uses=(LOOK, PAY)), Turn(question="q2", answer="a2")]


def test_a_turn_is_its_question_its_tools_and_its_answer() -> None:
    told: list[Any] = []
    for message in messages_of(TURNS):
        for part in message.parts:
            if isinstance(part, ToolCallPart):
                told.append((part.tool_name, part.args))
            elif isinstance(part, ToolReturnPart):
                told.append((part.tool_name, "gave", part.content))
            else:
                assert isinstance(part, UserPromptPart | TextPart)
                told.append(part.content)
    assert told == [
        "q1",
        ("look", {"item": "a"}),
        ("look", "gave", {"found": [1]}),
        ("pay", {}),
        ("pay", "gave", None),
        "a1",
        "q2",
        "a2",
    ]


def test_every_call_has_an_id_of_its_own_that_its_result_names() -> None:
    messages = messages_of([TURNS[0], TURNS[0]])
    calls = [p.tool_call_id for m in messages for p in m.parts if isinstance(p, ToolCallPart)]
    results = [p.tool_call_id for m in messages for p in m.parts if isinstance(p, ToolReturnPart)]
    assert calls == results
    assert len(set(calls)) == 4


def test_the_uses_of_tools_come_back_from_messages() -> None:
    assert uses_of(messages_of(TURNS), ["look", "pay"]) == (LOOK, PAY)
    assert uses_of(messages_of(TURNS), ["pay"]) == (PAY,)
    assert uses_of([], ["look"]) == ()


def test_a_call_without_a_good_result_is_no_use() -> None:
    messages = [
        ModelRequest(parts=[UserPromptPart("q")]),
        ModelResponse(
            parts=[
                ToolCallPart("look", {"item": 1}, tool_call_id="bad"),
                ToolCallPart("look", '{"item": "b"}', tool_call_id="good"),
                ToolCallPart("look", {}, tool_call_id="open"),
                ToolCallPart("final_result", {"score": 1}, tool_call_id="out"),
            ]
        ),
        ModelRequest(
            parts=[
                ToolReturnPart("look", "no", tool_call_id="bad", outcome="retried"),
                ToolReturnPart("look", (1, 2), tool_call_id="good"),
                ToolReturnPart("final_result", "Final result processed.", tool_call_id="out"),
            ]
        ),
    ]
    assert uses_of(messages, ["look"]) == (
        ToolUse(name="look", arguments={"item": "b"}, result=[1, 2]),
    )


def test_a_result_belongs_to_the_latest_call_of_its_id() -> None:
    """Some providers number the calls of each answer from the same number."""
    messages: list[ModelMessage] = []
    for item in ("a", "b"):
        call = ToolCallPart("look", {"item": item}, tool_call_id="call_0")
        result = ToolReturnPart("look", f"{item} is there", tool_call_id="call_0")
        messages += [ModelResponse(parts=[call]), ModelRequest(parts=[result])]
    messages.append(ModelResponse(parts=[ToolCallPart("look", {}, tool_call_id="call_0")]))
    # The loop's output is no tool, and its acknowledgement no result of one.
    output = ToolCallPart("final_result", {"score": 1}, tool_call_id="call_0")
    done = ToolReturnPart("final_result", "Final result processed.", tool_call_id="call_0")
    messages += [ModelResponse(parts=[output]), ModelRequest(parts=[done])]
    assert uses_of(messages, ["look"]) == (
        ToolUse(name="look", arguments={"item": "a"}, result="a is there"),
        ToolUse(name="look", arguments={"item": "b"}, result="b is there"),
    )
