"""Ways in which an agent could bring bodies that lead round the boundary."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

from pydantic_ai import (
    Agent,
    NativeOutput,
    TextOutput,
    Tool,
    ToolOutput,
)
from pydantic_ai.capabilities import (
    AbstractCapability,
    CombinedCapability,
    DynamicCapability,
    HandleDeferredToolCalls,
    Hooks,
    NativeTool,
    PrefixTools,
    Thinking,
    ToolSearch,
    Toolset,
    WrapperCapability,
)
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel
from pydantic_ai.native_tools import WebSearchTool
from pydantic_ai.output import Choice, Choices
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import (
    AbstractToolset,
    ApprovalRequiredToolset,
    CombinedToolset,
    ExternalToolset,
    FunctionToolset,
    ToolsetTool,
    WrapperToolset,
)
from pydantic_core import SchemaValidator, core_schema

from fairlead.ports.boundary import current_call

EXECUTED: list[str] = []
ASKED: list[str] = []
WIPE = {"item": "everything"}


async def wipe(item: str) -> str:
    """Wipe an item."""
    # What the boundary makes a call of may execute: it was decided, and is on record.
    if current_call.get() is None:
        EXECUTED.append(item)
    return "wiped"


class Own(AbstractToolset[Any]):
    """A toolset that lists and calls by itself."""

    id = "own"

    async def get_tools(self, ctx: Any) -> dict[str, ToolsetTool[Any]]:
        schema = {"type": "object", "properties": {"item": {"type": "string"}}}
        tool = ToolDefinition(name="wipe", parameters_json_schema=schema)
        any_of = SchemaValidator(core_schema.any_schema())
        return {
            "wipe": ToolsetTool(toolset=self, tool_def=tool, max_retries=0, args_validator=any_of)
        }

    async def call_tool(self, name: str, tool_args: dict[str, Any], ctx: Any, tool: Any) -> Any:
        return await wipe(**tool_args)


class Before(WrapperToolset[Any]):
    """A wrapper that does something before what it wraps."""

    async def call_tool(self, name: str, tool_args: dict[str, Any], ctx: Any, tool: Any) -> Any:
        return await wipe(**tool_args)


class Derived(FunctionToolset[Any]):
    """Functions, called by the toolset's own method."""

    async def for_run(self, ctx: Any) -> Any:
        return Own()


class Around(AbstractCapability[Any]):
    """A capability that executes in the place of a tool."""

    async def wrap_tool_execute(self, ctx: Any, **given: Any) -> Any:
        return await wipe(**given["args"])


class Wrapping(AbstractCapability[Any]):
    """A capability that wraps every tool."""

    def get_wrapper_toolset(self, toolset: AbstractToolset[Any]) -> AbstractToolset[Any]:
        return Before(toolset)


class Late(AbstractCapability[Any]):
    """A capability that shows what it is when a run begins."""

    def __init__(self, made: Callable[[], AbstractCapability[Any]]) -> None:
        self.made = made

    async def for_run(self, ctx: Any) -> AbstractCapability[Any]:
        return self.made()


class Mine(Agent[Any, Any]):
    """An agent that may do anything."""


def functions(*given: Any) -> FunctionToolset[Any]:
    return FunctionToolset([*given] or [wipe], id="functions")


async def handle(ctx: Any, requests: Any) -> Any:
    for call in requests.calls:
        await wipe(**call.args_as_dict())


async def checks(ctx: Any, item: str) -> None:
    await wipe(item)


def searches(ctx: Any, queries: Any, tools: Any) -> list[str]:
    EXECUTED.extend(queries)
    return []


def patched() -> AbstractCapability[Any]:
    """Return a capability whose hook stands on the instance."""
    made = Thinking()
    object.__setattr__(made, "before_tool_execute", handle)
    return made


EXTERNAL = ToolDefinition(name="wipe")
REFUSED: dict[str, dict[str, Any]] = {
    "a toolset of its own": {"toolsets": [Own()]},
    "a toolset of its own in a wrapper": {"toolsets": [Own().prefixed("my")]},
    "a toolset of its own among others": {"toolsets": [CombinedToolset([functions(), Own()])]},
    "a wrapper of its own": {"toolsets": [Before(functions())]},
    "a wrapper of its own in a wrapper": {"toolsets": [Before(functions()).filtered(bool)]},
    "a class derived from functions": {"toolsets": [Derived([wipe], id="derived")]},
    "a question of its own": {"toolsets": [ApprovalRequiredToolset(functions(), lambda *_: True)]},
    "tools of somebody else": {"toolsets": [ExternalToolset([EXTERNAL], id="external")]},
    "a function that makes a toolset": {"toolsets": [lambda _: functions()]},
    "a check before the decision": {"tools": [Tool(wipe, args_validator=checks)]},
    "an output function": {"output_type": wipe},
    "an output function among types": {"output_type": [int, wipe]},
    "an output function as a tool": {"output_type": ToolOutput(wipe)},
    "an output function for text": {"output_type": [TextOutput(wipe)]},
    "an output function of the provider": {"output_type": NativeOutput([wipe, int])},
    "choices that stand for functions": {
        "output_type": Choices({"a": Choice("It wipes.", value=partial(wipe, "a"))})
    },
    "a capability with a toolset": {"capabilities": [Toolset(Own())]},
    "a capability with a toolset in one": {
        "capabilities": [PrefixTools(Toolset(Own()), prefix="a")]
    },
    "a capability with tools that are made": {
        "capabilities": [DynamicCapability(lambda _: Toolset(functions()), id="dynamic")]
    },
    "a capability around tools": {"capabilities": [Around()]},
    "a capability around tools in one": {"capabilities": [WrapperCapability(Around())]},
    "a capability around tools among some": {"capabilities": [CombinedCapability([Around()])]},
    "a capability whose hook is its own": {"capabilities": [patched()]},
    "a capability that wraps tools": {"capabilities": [Wrapping()]},
    "a hook": {"capabilities": [Hooks(before_tool_execute=handle)]},
    "a handler of what is deferred": {"capabilities": [HandleDeferredToolCalls(handle)]},
    "a search of its own": {"capabilities": [ToolSearch(strategy=searches)]},
    "a tool of the provider": {"capabilities": [NativeTool(WebSearchTool())]},
    "a choice of the provider's tools": {"capabilities": [NativeTool(lambda _: WebSearchTool())]},
}
LATE: dict[str, Callable[[], AbstractCapability[Any]]] = {
    "a toolset": lambda: Toolset(Own()),
    "functions": lambda: Toolset(functions()),
    "a hook around tools": Around,
    "a wrapper of tools": Wrapping,
    "hooks": lambda: Hooks(tool_execute=handle),
    "a tool of the provider": lambda: NativeTool(WebSearchTool()),
}


def respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Ask once for whatever there is, then say something."""
    ASKED.append("turn")
    tools = [tool.name for tool in (*info.function_tools, *info.output_tools)]
    if len(ASKED) > 1 or not tools:
        return ModelResponse(parts=[TextPart("everything")])
    return ModelResponse(parts=[ToolCallPart(tool, WIPE) for tool in tools])


async def flow(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
    """Say the same in pieces."""
    for number, part in enumerate(respond(messages, info).parts):
        if isinstance(part, ToolCallPart):
            yield {number: DeltaToolCall(part.tool_name, json.dumps(part.args))}
        elif isinstance(part, TextPart):
            yield part.content


def agent_of(kind: type[Agent[Any, Any]] = Agent, **given: Any) -> Agent[Any, Any]:
    model = FunctionModel(respond, stream_function=flow, model_name="m")
    return kind(model, name="ready", **given)
