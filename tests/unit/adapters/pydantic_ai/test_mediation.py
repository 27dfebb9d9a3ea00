"""No body that a model may choose is executed round the boundary, however an agent brings it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Annotated, Any, NewType

import pytest
from pydantic import AfterValidator, BaseModel
from pydantic_ai import (
    Agent,
    NativeOutput,
    PromptedOutput,
    TextOutput,
    Tool,
    ToolOutput,
)
from pydantic_ai.capabilities import (
    AbstractCapability,
    Capability,
    CombinedCapability,
    DynamicCapability,
    HandleDeferredToolCalls,
    Hooks,
    IncludeToolReturnSchemas,
    Instrumentation,
    NativeTool,
    PrefixTools,
    PrepareTools,
    ProcessHistory,
    SetToolMetadata,
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
from typing_extensions import TypeAliasType

import fairlead as fl
from fairlead.adapters.pydantic_ai import generator
from fairlead.adapters.pydantic_ai.durability import Durability, Turns
from fairlead.adapters.pydantic_ai.generator import PydanticGenerator, make_model
from fairlead.adapters.pydantic_ai.mediation import check_output
from fairlead.core.errors import InvalidDeclaration
from fairlead.ports.boundary import current_call
from fairlead.ports.generator import Task
from tests.unit.runtime.bench import SLO_OF_TESTS, Bench

EXECUTED: list[str] = []
ASKED: list[str] = []
WIPE = {"item": "everything"}


@pytest.fixture(autouse=True)
def nothing_yet() -> Iterator[None]:
    EXECUTED.clear()
    ASKED.clear()
    yield


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


def bench_of(agent: Agent[Any, Any], around: Callable[[], Any] = nullcontext) -> Bench:
    """Return a run that runs an agent."""

    @fl.workflow(
        intent="A", owner="group:default/tests", input=str, output=str, slo=SLO_OF_TESTS
    )  # fmt: skip
    async def asks(run: fl.Run[str], item: str) -> str:
        """Ask."""
        with around():
            return str(await run.agent(agent, item))

    return Bench(asks)


def assert_refused(bench: Bench) -> None:
    """The run failed before its model was asked, and nothing was executed."""
    ended = bench.execute()
    assert (EXECUTED, ASKED) == ([], [])
    assert (ended.state, ended.outcome["code"]) == ("failed", "FL-006")
    assert " agent ready " in f" {ended.outcome['reason']}"


@pytest.mark.parametrize("way", REFUSED)
def test_what_leads_round_the_boundary_is_refused_in_a_run(way: str) -> None:
    assert_refused(bench_of(agent_of(**REFUSED[way])))


@pytest.mark.parametrize("way", REFUSED)
def test_what_leads_round_the_boundary_is_refused_by_the_gate(way: str) -> None:
    with pytest.raises(InvalidDeclaration, match="ready"):
        PydanticGenerator().check(agent_of(**REFUSED[way]))


@pytest.mark.parametrize("late", LATE)
def test_what_shows_when_a_run_begins_is_refused(late: str) -> None:
    agent = agent_of(capabilities=[Late(LATE[late])])
    PydanticGenerator().check(agent)
    assert_refused(bench_of(agent))


@pytest.mark.parametrize(
    "hook",
    [
        "get_wrapper_toolset",
        "before_tool_validate",
        "wrap_tool_validate",
        "after_tool_validate",
        "on_tool_validate_error",
        "before_tool_execute",
        "wrap_tool_execute",
        "handle_deferred_tool_calls",
    ],
)
def test_no_hook_sees_what_a_model_chose_before_the_decision(hook: str) -> None:
    hooked = type("Hooked", (AbstractCapability,), {hook: handle})
    with pytest.raises(InvalidDeclaration, match=f"Hooked of agent ready has the hook {hook}"):
        PydanticGenerator().check(agent_of(capabilities=[hooked()]))


def test_an_agent_of_its_own_class_is_refused() -> None:
    assert_refused(bench_of(agent_of(Mine)))


def test_a_toolset_of_an_agents_own_decorator_is_refused() -> None:
    agent = agent_of()
    agent.toolset(lambda _: functions())
    assert_refused(bench_of(agent))


@pytest.mark.parametrize(
    "given",
    [
        {"toolsets": [Own()]},
        {"tools": [wipe]},
        {"native_tools": [WebSearchTool()]},
        {"spec": {"capabilities": [{"NativeTool": {"tool": {"kind": "web_search"}}}]}},
    ],
    ids=["toolsets", "tools", "native tools", "spec"],
)
def test_what_replaces_an_agents_tools_for_a_while_is_refused(given: dict[str, Any]) -> None:
    agent = agent_of()
    around: Callable[[], AbstractContextManager[None]] = partial(agent.override, **given)
    assert_refused(bench_of(agent, around))


# ------------------------------------------------------------------------- a bound agent's own ways


async def whole(agent: Agent[Any, Any], **given: Any) -> None:
    await agent.run("go", **given)


async def streamed(agent: Agent[Any, Any], **given: Any) -> None:
    async with agent.run_stream("go", **given) as stream:
        await stream.get_output()


async def events(agent: Agent[Any, Any], **given: Any) -> None:
    async with agent.run_stream_events("go", **given) as stream:
        async for _ in stream:
            pass


async def steps(agent: Agent[Any, Any], **given: Any) -> None:
    async with agent.iter("go", **given) as run:
        async for _ in run:
            pass


@pytest.mark.parametrize(
    "given",
    [
        {"toolsets": [Own()]},
        {"toolsets": [functions()]},
        {"capabilities": [Toolset(Own())]},
        {"capabilities": [Around()]},
        {"capabilities": [NativeTool(WebSearchTool())]},
        {"output_type": ToolOutput(wipe)},
        {"output_type": TextOutput(wipe)},
    ],
    ids=["toolset", "functions", "capability", "hook", "native tool", "output", "text"],
)
@pytest.mark.parametrize("way", [whole, streamed, events, steps])
def test_what_a_bound_agent_is_run_with_is_refused(
    way: Callable[..., Any], given: dict[str, Any]
) -> None:
    turns = Turns(make=make_model, fallbacks=(), reasks=2)
    bound = agent_of(capabilities=[Durability("function:m", name="ready", turns=turns)])

    @fl.workflow(
        intent="A", owner="group:default/tests", input=str, output=str, slo=SLO_OF_TESTS
    )  # fmt: skip
    async def asks(run: fl.Run[str], item: str) -> str:
        """Ask."""
        await way(bound, **given)
        return item

    ended = Bench(asks).execute()
    assert EXECUTED == []
    assert (ended.state, ended.outcome["code"]) == ("failed", "FL-006")


# ------------------------------------------------------------------------------------ what may stay


class Fine(BaseModel):
    """An output."""

    item: str


Named = NewType("Named", str)
FINE: dict[str, dict[str, Any]] = {
    "functions": {"toolsets": [functions()]},
    "functions that are renamed": {"toolsets": [functions().renamed({"gone": "wipe"})]},
    "functions with a prefix": {"toolsets": [functions().prefixed("my")]},
    "functions that are filtered": {"toolsets": [functions().filtered(lambda *_: True)]},
    "functions that are prepared": {"toolsets": [functions().prepared(lambda _, tools: tools)]},
    "functions with notes": {"toolsets": [functions().with_metadata(a=1)]},
    "functions that are found": {"toolsets": [functions().defer_loading()]},
    "functions together": {"toolsets": [CombinedToolset([functions()])]},
    "a plain wrapper": {"toolsets": [WrapperToolset(functions())]},
    "an agent's own": {"tools": [wipe]},
    "a capability with tools": {"capabilities": [Capability(tools=[wipe], id="cap")]},
    "a capability with functions": {"capabilities": [Toolset(functions())]},
    "a capability with a prefix": {"capabilities": [PrefixTools(Toolset(functions()), prefix="a")]},
    "a capability that is loaded": {
        "capabilities": [Capability(tools=[wipe], id="cap", description="c", defer_loading=True)]
    },
    "capabilities that know no arguments": {
        "tools": [wipe],
        "capabilities": [
            Instrumentation(),
            IncludeToolReturnSchemas(),
            SetToolMetadata(a=1),
            PrepareTools(lambda _, tools: tools),
            ProcessHistory(lambda messages: messages),
            Hooks(before_model_request=None),
        ],
    },
}


@pytest.mark.parametrize("way", FINE)
def test_what_leads_through_the_boundary_stays(way: str) -> None:
    """Nobody gave these tools a contract, so the boundary denies them: it was asked."""
    bench = bench_of(agent_of(**FINE[way]))
    ended = bench.execute()
    assert ASKED
    assert EXECUTED == []
    found = [record.name for record in bench.journal.of_run("r1") if record.kind == "tool"]
    loads = "found" in way or "loaded" in way
    assert loads or (found, ended.outcome["code"]) == (["wipe"], "FL-501")


def test_what_a_workflow_lends_stays() -> None:
    """Such a tool makes its call itself."""

    @fl.tool(effect="read", scope="items:read", targets=["item"])
    async def lent(_: fl.Context, item: str) -> str:
        """Look."""
        return await wipe(item)

    agent = agent_of()

    @fl.workflow(
        intent="A",
        owner="group:default/tests",
        input=str,
        output=str,
        tools=[lent],
        slo=SLO_OF_TESTS,
    )
    async def asks(run: fl.Run[str], item: str) -> str:
        """Ask."""
        return str(await run.agent(agent, item))

    bench = Bench(asks)
    assert bench.execute().state == "succeeded"
    assert EXECUTED == []
    assert [record.name for record in bench.journal.of_run("r1")][1] == "lent"


@pytest.mark.parametrize(
    "output",
    [
        str,
        Fine,
        [str, Fine],
        str | Fine,
        list[Fine],
        ToolOutput(Fine),
        NativeOutput([Fine, int]),
        PromptedOutput(Fine),
        Annotated[str, AfterValidator(str.strip)],
        TypeAliasType("Alias", str | Fine),
        Choices(["a", "b"]),
        Named,
        None,
        dict[str, Any],
    ],
)
def test_a_type_is_an_output(output: Any) -> None:
    check_output("ready", output)


@pytest.mark.parametrize(
    "output",
    [
        wipe,
        partial(wipe, "a"),
        EXECUTED.append,
        [[str, wipe]],
        PromptedOutput([Fine, wipe]),
        str | Choices({"a": Choice("It wipes.", value=partial(wipe, "a"))}),
        TypeAliasType("Alias", Annotated[wipe, "a"]),
    ],
)
def test_a_function_is_no_output(output: Any) -> None:
    with pytest.raises(InvalidDeclaration, match="output function") as error:
        check_output("ready", output)
    assert error.value.code == "FL-006"


def test_a_workflows_own_output_is_a_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "make_model", lambda _: FunctionModel(respond))
    task = Task(name="ready", model="a:b", instructions="", message="go", output=[str, wipe])
    with pytest.raises(InvalidDeclaration, match="agent ready has the output function wipe"):
        asyncio.run(PydanticGenerator().generate(task))
