"""A model turn as the boundary knows it: what is sent, and what it used."""

from __future__ import annotations

from pydantic_ai.durable_exec import ModelRequestParams
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse
from pydantic_ai.tools import ToolDefinition
from pydantic_core import to_jsonable_python

from fairlead.core.calls import Usage
from fairlead.core.digests import Json

_VARYING = frozenset(("timestamp", "run_id", "conversation_id"))
"""Fields of messages that are made anew on replay; they are no part of what is asked."""


def arguments_of(params: ModelRequestParams) -> Json:
    """Return all that a model turn sends, as JSON: so it is what is counted, too.

    Args:
        params: The turn, as the library asks for it.
    """
    asked = params.model_request_parameters
    return {
        "messages": _plain(params.messages),
        "settings": to_jsonable_python(params.model_settings or {}),
        "tools": sorted(map(_definition, asked.function_tools), key=lambda tool: tool["name"]),
        # Both stand in the parameters, and one of them goes out.
        "output": [*map(_definition, asked.output_tools)]
        or to_jsonable_python(asked.output_object),
    }


def usage_of(result: object) -> Usage:
    """Return what a model turn used, as far as its answer tells.

    Args:
        result: The model's answer.
    """
    if not isinstance(result, ModelResponse):
        return Usage()
    try:
        cost_usd = float(result.cost().total_price)
    except (LookupError, ValueError, AssertionError):
        # No price is known for this model: its tokens still count.
        cost_usd = 0.0
    usage = result.usage
    return Usage(
        input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, cost_usd=cost_usd
    )


def _definition(tool: ToolDefinition) -> dict[str, Json]:
    """Return what a model reads of a tool."""
    return {
        "name": tool.name,
        "description": tool.description or "",
        "parameters": tool.parameters_json_schema,
    }


def _plain(messages: list[ModelMessage]) -> Json:
    """Return messages as JSON without what differs between two replays."""
    dumped: list[dict[str, Json]] = ModelMessagesTypeAdapter.dump_python(messages, mode="json")
    for message in dumped:
        for part in [message, *message["parts"]]:
            for name in _VARYING:
                part.pop(name, None)
    return dumped
