"""No body that a model may choose is executed round the boundary, however an agent brings it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
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
    ToolOutput,
)
from pydantic_ai.capabilities import (
    AbstractCapability,
    Capability,
    Hooks,
    IncludeToolReturnSchemas,
    Instrumentation,
    NativeTool,
    PrefixTools,
    PrepareTools,
    ProcessHistory,
    SetToolMetadata,
    Toolset,
)
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.native_tools import WebSearchTool
from pydantic_ai.output import Choice, Choices
from pydantic_ai.toolsets import (
    CombinedToolset,
    WrapperToolset,
)
from typing_extensions import TypeAliasType

import fairlead as fl
from fairlead.adapters.pydantic_ai import generator
from fairlead.adapters.pydantic_ai.durability import Durability, Turns
from fairlead.adapters.pydantic_ai.generator import PydanticGenerator, make_model
from fairlead.adapters.pydantic_ai.mediation import check_output
from fairlead.core.errors import InvalidDeclaration
from fairlead.ports.generator import Task
from tests.unit.adapters.pydantic_ai.ways_round import (
    ASKED,
    EXECUTED,
    LATE,
    REFUSED,
    Around,
    Late,
    Mine,
    Own,
    agent_of,
    functions,
    handle,
    respond,
    wipe,
)
from tests.unit.runtime.bench import SLO_OF_TESTS, Bench


@pytest.fixture(autouse=True)
def nothing_yet() -> Iterator[None]:
    EXECUTED.clear()
    ASKED.clear()
    yield


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
