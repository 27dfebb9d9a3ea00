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
    # A provider may give the same id again in its next answer: a result is of the latest call.
    uses: list[tuple[ToolCallPart, ToolReturnPart | None]] = []
    open_calls: dict[str, int] = {}
    for part in _parts(messages):
        if isinstance(part, ToolCallPart):
            open_calls.pop(part.tool_call_id, None)
            if part.tool_name in known:
                open_calls[part.tool_call_id] = len(uses)
                uses.append((part, None))
        elif isinstance(part, ToolReturnPart) and part.tool_call_id in open_calls:
            place = open_calls.pop(part.tool_call_id)
            if part.outcome == "success":
                uses[place] = (uses[place][0], part)
    return tuple(
        ToolUse(
            name=call.tool_name,
            arguments=call.args_as_dict(),
            result=to_jsonable_python(result.content),
        )
        for call, result in uses
        if result is not None
    )


def _parts(messages: Sequence[ModelMessage]) -> Iterator[object]:
    for message in messages:
        yield from message.parts
