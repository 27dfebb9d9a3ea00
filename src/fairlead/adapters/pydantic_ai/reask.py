"""Asking a model again: what it is told, how often, and never with its own bad text.

What did not fit goes into no further prompt: a long bad answer would be paid for again with every
turn, and a model that reads its own mistake repeats it. The loop's own history keeps all of it;
only what goes out is cleaned.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    RetryFeedbackPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)

from fairlead.core.calls import cut
from fairlead.core.errors import AnswerUnfit, CallFailed, ToolCallUnfit

LEFT_OUT = "(This answer did not fit and is left out.)"
MISFIT = "The arguments do not fit: "
"""How the finding about a tool call's arguments begins."""
ERRORS_MAX = 5
"""Most findings that a model is told at once."""
WORDS_MAX = 200
"""Most characters of one finding."""
NAME_CHARS_MAX = 64
"""Longest name of a tool that providers take; a longer one was made up."""


def outgoing(messages: Sequence[ModelMessage], tools: Iterable[str]) -> list[ModelMessage]:
    """Return messages as they go out: what did not fit is left out, and why it did not stays.

    Args:
        messages: The loop's history.
        tools: Names of the tools that there are.
    """
    cleaned = list(messages)
    known = sorted(tools)
    for place, message in enumerate(messages):
        complaints = _complaints(message)
        if not complaints or not isinstance(message, ModelRequest):
            continue
        parts = [_told(part, known) for part in message.parts]
        cleaned[place] = replace(message, parts=parts)
        before = place - 1
        if before >= 0 and isinstance(answer := messages[before], ModelResponse):
            cleaned[before] = _cleaned(answer, complaints)
    return cleaned


def refusal(messages: Sequence[ModelMessage], outputs: Iterable[str], most: int) -> str | None:
    """Return the code of the error when a model was asked again as often as it may be.

    Args:
        messages: The history that would go out.
        outputs: Names of the tools that stand for the output.
        most: How often in a row it may be asked again.
    """
    rounds = 0
    last: list[ModelRequestPart] = []
    for message in reversed(messages):
        if isinstance(message, ModelResponse):
            continue
        complaints = _complaints(message)
        if not complaints:
            break
        rounds, last = rounds + 1, last or complaints
    if rounds <= most:
        return None
    names = frozenset(outputs)
    of_output = any(
        isinstance(part, RetryFeedbackPart)
        or (isinstance(part, ToolReturnPart) and part.tool_name in names)
        for part in last
    )
    return AnswerUnfit.code if of_output else ToolCallUnfit.code


def unfit(code: str, model: str, most: int) -> CallFailed:
    """Return the error of a model that was asked again too often."""
    cls, what = (
        (AnswerUnfit, "answers that do not fit the output")
        if code == AnswerUnfit.code
        else (ToolCallUnfit, "tool calls that do not fit")
    )
    return cls(f"model {model} gave {what}, and was asked again {most} times", model=model)


def _complaints(message: ModelMessage) -> list[ModelRequestPart]:
    """Return the parts that ask for something again."""
    if not isinstance(message, ModelRequest):
        return []
    return [
        part
        for part in message.parts
        if isinstance(part, RetryFeedbackPart)
        or (isinstance(part, ToolReturnPart) and part.outcome == "retried")
    ]


def _bad(part: ModelRequestPart) -> bool:
    """Say whether what is asked for again is at fault, and not a tool that asks for another try."""
    if isinstance(part, RetryFeedbackPart):
        return True
    if not isinstance(part, ToolReturnPart):
        return False
    own_words = part.retry is not None and part.retry.cause == "model_retry"
    return not own_words or str(part.content).startswith(MISFIT)


def _cleaned(answer: ModelResponse, complaints: Sequence[ModelRequestPart]) -> ModelResponse:
    """Leave out of an answer what did not fit, and what belongs to it."""
    bad = [part for part in complaints if _bad(part)]
    if not bad:
        return answer
    calls = {part.tool_call_id for part in bad if isinstance(part, ToolReturnPart)}
    parts: list[ModelResponsePart] = [
        # Made anew: an id of the provider's would point to thoughts that are left out.
        ToolCallPart(
            tool_name=_name(part.tool_name),
            args={} if part.tool_call_id in calls else part.args_as_dict(),
            tool_call_id=part.tool_call_id,
        )
        for part in answer.parts
        if isinstance(part, ToolCallPart)
    ]
    return replace(answer, parts=parts or [TextPart(LEFT_OUT)])


def _told(part: ModelRequestPart, tools: Sequence[str]) -> ModelRequestPart:
    """Return what a model is told: what is wrong and where, without what it wrote."""
    if isinstance(part, RetryFeedbackPart):
        if part.retry.cause == "no_output":
            return part
        return replace(part, content=_findings(part.content))
    if not isinstance(part, ToolReturnPart) or part.outcome != "retried":
        return part
    content = _findings(part.content)
    if part.retry is not None and part.retry.cause == "unknown_tool":
        content = f"There is no tool of this name. Tools: {', '.join(tools) or 'none'}."
    return ToolReturnPart(
        tool_name=_name(part.tool_name),
        content=content,
        tool_call_id=part.tool_call_id,
        outcome="retried",
        retry=part.retry,
        timestamp=part.timestamp,
    )


def _findings(content: Any) -> Any:
    if not isinstance(content, list):
        return cut(str(content), WORDS_MAX)
    return [
        {
            "type": cut(str(item.get("type", "")), NAME_CHARS_MAX),
            "loc": tuple(
                place if isinstance(place, int) else cut(str(place), NAME_CHARS_MAX)
                for place in item.get("loc", ())
            ),
            "msg": cut(str(item.get("msg", "")), WORDS_MAX),
        }
        for item in content[:ERRORS_MAX]
        if isinstance(item, dict)
    ]


def _name(name: str) -> str:
    """Return a tool's name as a provider takes it back."""
    sound = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in name)
    return sound[:NAME_CHARS_MAX] or "unnamed"
