"""The result of an agent's own tool: bare inside a call, in the library's form outside."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai import Agent, BinaryContent, ImageUrl, ModelRetry
from pydantic_ai.durable_exec import JSON_CODEC, CallToolResult
from pydantic_ai.durable_exec import _toolset as library
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturn,
    ToolReturnPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

import fairlead as fl
from fairlead.adapters.pydantic_ai.results import result_of, wire_of
from fairlead.ports.boundary import DriverError
from tests.unit.runtime.bench import SLO_OF_TESTS, Bench

KINDS = ("tool-return", "tool_return", "tool_content_result", "model_retry", "tool_failed", "text")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("kind", "result", "message", "a")), inner, max_size=3)
        | st.fixed_dictionaries({"kind": st.sampled_from(KINDS), "result": inner})
    ),
    max_leaves=8,
)


def play(returns: Any, effect: Any = "read") -> tuple[Bench, list[Any]]:
    """Let an agent call its own tool once; return the run, and what the model was told."""
    told: list[Any] = []

    def respond(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        found = [p for p in messages[-1].parts if isinstance(p, ToolReturnPart)]
        told.extend((part.outcome, part.content) for part in found)
        return ModelResponse(parts=[TextPart("end") if found else ToolCallPart("look", {})])

    agent = Agent(FunctionModel(respond, model_name="m"), name="ready")

    @agent.tool_plain(name="look")
    async def own() -> Any:
        if isinstance(returns, Exception):
            raise returns
        return returns

    @fl.tool(effect=effect, scope="items:read")
    async def look(_: fl.Context) -> Any:
        """Look."""

    @fl.workflow(
        intent="Look",
        owner="group:default/tests",
        input=str,
        output=str,
        model=agent,
        tools=[look],
        slo=SLO_OF_TESTS,
    )
    async def work(run: fl.Run[str], item: str) -> str:
        """Look."""
        return (await run.answer(item)).unwrap()

    bench = Bench(work)
    bench.execute()
    return bench, told


@given(VALUES)
def test_any_value_comes_through_the_boundary_as_it_is(value: Any) -> None:
    async def tool() -> Any:
        return value

    wire = JSON_CODEC.dump(CallToolResult, asyncio.run(library.wrap_tool_call_result(tool())))
    assert result_of(wire) == value
    loaded = JSON_CODEC.load(CallToolResult, wire_of(value))
    assert library.unwrap_tool_call_result(loaded) == value


def test_a_structured_return_passes_as_its_value() -> None:
    bench, told = play(ToolReturn(return_value={"a": 1}, metadata={"for": "the app"}))
    assert told == [("success", {"a": 1})]
    assert bench.journal.of_run("r1")[1].result.value == {"a": 1}  # type: ignore[union-attr]


def test_what_a_tool_says_beside_its_value_is_refused_and_the_effect_counts() -> None:
    bench, told = play(ToolReturn(return_value="a", content="and read this"), effect="idempotent")
    assert (bench.runs.get("r1").outcome or {})["code"] == "FL-406"
    assert told == []


@pytest.mark.parametrize(
    "file", [BinaryContent(b"abc", media_type="image/png"), ImageUrl(url="https://x.test/y.png")]
)
def test_a_file_is_a_file_to_the_model(file: Any) -> None:
    bench, told = play([file])
    (((outcome, (content,))),) = told
    assert (outcome, bench.runs.get("r1").state) == ("success", "succeeded")
    assert isinstance(content, BinaryContent | ImageUrl)


@pytest.mark.parametrize("error", [ModelRetry("ask: later"), ToolFailed("ask: later")])
def test_a_wish_for_another_try_is_told_and_is_no_result(error: Exception) -> None:
    bench, told = play(error, effect="once")
    assert told == [("retried", "ask: later")]
    call = bench.journal.of_run("r1")[1]
    assert (call.state, call.result.code) == ("failed", "FL-622")  # type: ignore[union-attr]
    # A recovery tells the model the same, and asks the tool for nothing.
    bench.forget_end()
    assert bench.execute(bench.engine.replay(keep=len(bench.engine.steps) - 1)).state == "succeeded"


def test_what_no_agent_can_ask_for_in_a_run_fails() -> None:
    with pytest.raises(DriverError, match="call_deferred"):
        result_of({"kind": "call_deferred"})
