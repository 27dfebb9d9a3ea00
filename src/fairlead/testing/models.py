"""Scripted models: real pydantic-ai models that say what a test wrote down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from fairlead.testing.provider import Reply

if TYPE_CHECKING:
    from pydantic_ai.messages import FinishReason, ModelResponse
    from pydantic_ai.models.function import FunctionModel

Turn: TypeAlias = str | list[tuple[str, dict[str, Any]]] | Reply | Exception

_ENDS: dict[str, FinishReason | None] = {
    "": None,
    "none": None,
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
}
_OF_HTTP = ("model", "status", "code", "retry_after_s", "raw", "cut", "slice_bytes", "pause_s")
"""Fields of a reply that mean something on the wire only."""


class ScriptedModel:
    """Builds a model that gives one scripted answer per turn.

    A turn is text, a list of `(tool, arguments)` that the model calls at once, a `Reply` with
    usage, a reason of its end or arguments that are no JSON, or an exception that the provider
    raises. After the last turn the script begins to repeat its last one.
    """

    def __init__(self, turns: Sequence[Turn]) -> None:
        """Take a script.

        Args:
            turns: At least one turn.

        Raises:
            ValueError: There is none, or a reply asks for what only `ProviderServer` can do.
        """
        if not turns:
            raise ValueError("a script needs at least one turn")
        plain = Reply()
        for turn in turns:
            if isinstance(turn, Reply):
                odd = [n for n in _OF_HTTP if getattr(turn, n) != getattr(plain, n)]
                if odd:
                    raise ValueError(f"{odd[0]} of a reply needs HTTP: use ProviderServer")
        self._turns = list(turns)
        self.asked = 0

    def model(self, *, before: Callable[[int], None] | None = None) -> FunctionModel:
        """Return the model.

        Args:
            before: Called with the turn's number, from 0, inside the body of each turn.
        """
        from pydantic_ai.messages import ModelMessage, ModelResponse, UserPromptPart
        from pydantic_ai.models.function import AgentInfo, FunctionModel

        def respond(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
            # The turn follows from what came after the prompt, so that a new process goes on in
            # the script, and what was said in earlier runs is not part of it.
            number = 0
            for message in messages:
                asks = any(isinstance(part, UserPromptPart) for part in message.parts)
                number = 0 if asks else number + isinstance(message, ModelResponse)
            self.asked += 1
            if before is not None:
                before(number)
            turn = self._turns[min(number, len(self._turns) - 1)]
            if isinstance(turn, Exception):
                raise turn
            if isinstance(turn, str):
                return _response(Reply(text=turn), number)
            return _response(turn if isinstance(turn, Reply) else Reply(tools=turn), number)

        return FunctionModel(respond, model_name="scripted")


def _response(reply: Reply, number: int) -> ModelResponse:
    from pydantic_ai.messages import ModelResponse, ModelResponsePart, TextPart, ToolCallPart
    from pydantic_ai.usage import RequestUsage

    parts: list[ModelResponsePart] = [
        ToolCallPart(tool_name=name, args=given, tool_call_id=f"{number}-{place}")
        for place, (name, given) in enumerate(reply.tools)
    ]
    if reply.text or not parts:
        parts.insert(0, TextPart(reply.text))
    given = reply.usage
    return ModelResponse(
        parts=parts,
        # Without numbers the library counts words.
        usage=RequestUsage(input_tokens=given[0], output_tokens=given[1])
        if given
        else RequestUsage(),
        finish_reason=_ENDS[reply.finish],
    )
