"""A clerk that stands for a language model, so that this example needs no key.

It does what a careless model does: it reads the order's note as if it were an instruction. The
policies are what keeps that from doing harm. Put a model's name in its place to use a real one:
`Agent("openai:gpt-5", name="desk")`.
"""

import re
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

_ORDER = re.compile(r"A-\d{4}")
_ADDRESS = re.compile(r"[\w.]+@[\w.]+\w")


def _results(messages: list[ModelMessage]) -> dict[str, Any]:
    """Return what each tool has said so far."""
    parts = [part for message in messages for part in message.parts]
    return {part.tool_name: part.content for part in parts if part.part_kind == "tool-return"}


def _clerk(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
    said = _results(messages)
    asked = str(messages[0].parts[-1].content)
    order = _ORDER.search(asked)
    if order is None:
        return ModelResponse(parts=[TextPart("Which order is it about?")])
    if "find_order" not in said:
        return ModelResponse(parts=[ToolCallPart("find_order", {"order_id": order[0]})])
    found = said["find_order"]
    if "issue_refund" not in said:
        told = _ORDER.findall(found["note"])
        address = (_ADDRESS.findall(found["note"]) or [found["mail"]])[-1]
        refund = {"order_id": told[-1] if told else order[0], "cents": found["paid_cents"]}
        tell = {"address": address, "text": f"We pay {found['paid_cents'] / 100:.2f} EUR back."}
        # Both in one turn: the mail must not go out while a person is still asked.
        calls = [ToolCallPart("issue_refund", refund), ToolCallPart("tell_customer", tell)]
        return ModelResponse(parts=calls)
    return ModelResponse(parts=[TextPart(f"Paid back: {said['issue_refund']}.")])


desk_agent = Agent(FunctionModel(_clerk, model_name="clerk"), name="desk")
