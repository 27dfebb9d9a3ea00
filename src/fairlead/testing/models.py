"""Scripted models: real pydantic-ai models that say what a test wrote down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_ai.models.function import FunctionModel


class ScriptedModel:
    """Builds a model that gives one scripted answer per turn.

    A turn is text, a list of `(tool, arguments)` that the model calls at once, or an exception
    that the provider raises. After the last turn the script begins to repeat its last one.
    """

    def __init__(self, turns: Sequence[str | list[tuple[str, dict[str, Any]]] | Exception]) -> None:
        """Take a script.

        Args:
            turns: At least one turn.
        """
        if not turns:
            raise ValueError("a script needs at least one turn")
        self._turns = list(turns)
        self.asked = 0

    def model(self, *, before: Callable[[int], None] | None = None) -> FunctionModel:
        """Return the model.

        Args:
            before: Called with the turn's number, from 0, inside the body of each turn.
        """
        from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
        from pydantic_ai.models.function import AgentInfo, FunctionModel

        def respond(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
            # The turn follows from the conversation, so that a new process goes on in the script.
            number = sum(isinstance(message, ModelResponse) for message in messages)
            self.asked += 1
            if before is not None:
                before(number)
            turn = self._turns[min(number, len(self._turns) - 1)]
            if isinstance(turn, Exception):
                raise turn
            if isinstance(turn, str):
                return ModelResponse(parts=[TextPart(turn)])
            return ModelResponse(
                parts=[
                    ToolCallPart(tool_name=name, args=arguments, tool_call_id=f"{number}-{place}")
                    for place, (name, arguments) in enumerate(turn)
                ]
            )

        return FunctionModel(respond, model_name="scripted")
