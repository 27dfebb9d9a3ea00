"""What was said in a conversation, as pydantic-ai's messages, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_core import to_jsonable_python

from fairlead.core.history import ToolUse, Turn


def messages_of(history: Sequence[Turn]) -> list[ModelMessage]:
    """Return turns as messages, each call of a tool right before its result.

    Args:
        history: The turns, oldest first.
    """
    messages: list[ModelMessage] = []
    for place, turn in enumerate(history):
        messages.append(ModelRequest(parts=[UserPromptPart(turn.question)]))
        for number, use in enumerate(turn.uses):
            # Made anew: two turns of a model may have given the same id.
            id = f"turn{place}_use{number}"
            call = ToolCallPart(tool_name=use.name, args=use.arguments, tool_call_id=id)
            result = ToolReturnPart(tool_name=use.name, content=use.result, tool_call_id=id)
            messages += [ModelResponse(parts=[call]), ModelRequest(parts=[result])]
        messages.append(ModelResponse(parts=[TextPart(turn.answer)]))
    return messages


def uses_of(messages: Sequence[ModelMessage], tools: Iterable[str]) -> tuple[ToolUse, ...]:
    """Return the calls of tools that have a result, in order.

    Args:
        messages: What an agent loop sent and got.
        tools: Names of the tools; a call that stands for the loop's output is none of them.
    """
    known = frozenset(tools)
    results = {part.tool_call_id: part for part in _results(messages)}
    return tuple(
        ToolUse(
            name=part.tool_name,
            arguments=part.args_as_dict(),
            result=to_jsonable_python(results[part.tool_call_id].content),
        )
        for message in messages
        if isinstance(message, ModelResponse)
        for part in message.parts
        if isinstance(part, ToolCallPart)
        and part.tool_name in known
        and part.tool_call_id in results
    )


def _results(messages: Sequence[ModelMessage]) -> Iterator[ToolReturnPart]:
    for message in messages:
        if isinstance(message, ModelRequest):
            for part in message.parts:
                if isinstance(part, ToolReturnPart) and part.outcome == "success":
                    yield part
