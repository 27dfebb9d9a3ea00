"""What is beyond the bounds is refused, on record, and read by nobody."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

import fairlead as fl
from fairlead.core.bounds import ANSWER_BYTES_MAX, TURN_CALLS_MAX
from tests.unit.runtime.bench import SLO_OF_TESTS, Bench

TERMS: dict[str, Any] = {
    "intent": "Test",
    "owner": "group:default/tests",
    "input": str,
    "slo": SLO_OF_TESTS,
}


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


def noting() -> tuple[Any, list[Any]]:
    noted: list[Any] = []

    @fl.tool(effect="once", scope="notes:write", targets=["what"])
    async def note(_: fl.Context, what: Any) -> str:
        """Note something."""
        noted.append(what)
        return "noted"

    return note, noted


def asked_by_code(what: Any) -> tuple[Bench, list[Any]]:
    """Execute plain code that asks for something."""
    note, noted = noting()

    @fl.workflow(**TERMS, output=str, tools=[note])
    async def work(run: fl.Run[str], _: str) -> str:
        """Note."""
        return await run.call(note, what)

    bench = Bench(work)
    bench.execute()
    return bench, noted


def asked_by_model(*parts: Any) -> tuple[Bench, list[Any]]:
    """Execute a model that answers with some parts, and then with a word."""
    note, noted = noting()

    def model(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=list(parts) if len(messages) == 1 else [TextPart("end")])

    agent = Agent(FunctionModel(model, model_name="hostile"), name="hostile")

    @fl.workflow(**TERMS, output=str, model=agent, tools=[note], limits=fl.Limits(steps=500))
    async def work(run: fl.Run[str], item: str) -> str:
        """Ask the model."""
        return (await run.answer(item)).unwrap()

    bench = Bench(work)
    bench.execute()
    return bench, noted


@pytest.mark.parametrize(
    ("what", "bound"),
    [
        ("x" * 1_000_001, "1000000 characters"),
        ({"x" * 1_000_001: 1}, "1000000 characters"),
        ([0] * 1_000_001, "1000000 characters"),
        (nested(64), "64 levels"),
        (nested(100_000), "64 levels"),
    ],
    ids=["text", "name", "list", "deep", "deeper"],
)
def test_invariant_11_arguments_of_code_are_bounded(what: Any, bound: str) -> None:
    bench, noted = asked_by_code(what)
    ended = bench.runs.get("r1")
    assert (ended.state, ended.outcome["code"]) == ("denied", "FL-502")
    assert f"the arguments have more than {bound}" in ended.reason
    assert noted == []
    assert len(bench.journal.records) == 1
    # A recovery says the same, and asks nobody.
    bench.forget_end()
    bench.execute(bench.engine.replay(keep=len(bench.engine.steps) - 1))
    assert bench.runs.get("r1").outcome == ended.outcome
    assert len(bench.journal.records) == 1


def test_what_is_within_the_bounds_is_decided_and_done() -> None:
    for what in (nested(63), "x" * 999_000):
        bench, noted = asked_by_code(what)
        assert bench.runs.get("r1").outcome["answer"] == "noted"
        assert noted == [what]


def call(what: Any) -> ToolCallPart:
    return ToolCallPart("note", what)


@pytest.mark.parametrize(
    "parts",
    [
        [call({"what": number}) for number in range(TURN_CALLS_MAX + 1)],
        [call({"what": nested(64)})],
        [call({"what": nested(1_000)})],
        [call('{"what": ' + "[" * 64 + "]" * 64 + "}")],
        [call('{"what": ' + "[" * 100_000 + "]" * 100_000 + "}")],
        [call({"what": "x" * 1_000_001})],
        [call({"what": "x" * 600_000}), call({"what": "y" * 600_000})],
        [ToolCallPart("n" * 1_000_001, {})],
    ],
    ids=[
        "calls",
        "deep",
        "very deep",
        "deep text",
        "deeper text",
        "large",
        "large together",
        "name",
    ],
)
def test_invariant_11_an_answer_beyond_the_bounds_is_refused_whole(parts: list[Any]) -> None:
    bench, noted = asked_by_model(*parts)
    ended = bench.runs.get("r1")
    assert (ended.state, ended.outcome["code"]) == ("failed", "FL-619")
    assert noted == []
    assert len(bench.journal.records) == 1


def test_as_many_calls_as_the_bound_are_made() -> None:
    bench, noted = asked_by_model(*[call({"what": n}) for n in range(TURN_CALLS_MAX)])
    assert bench.runs.get("r1").state == "succeeded"
    assert noted == list(range(TURN_CALLS_MAX))


def test_invariant_11_a_whole_answer_is_bounded() -> None:
    bench, _ = asked_by_model(TextPart("x" * (ANSWER_BYTES_MAX + 1)))
    assert bench.runs.get("r1").outcome["code"] == "FL-431"


@pytest.mark.parametrize(
    "args",
    ["[1]", "null", "{", '{"what": "\\ud800"}', '{"what": ' + "9" * 10_000 + "}"],
    ids=["list", "null", "broken", "half a character", "large number"],
)
def test_what_is_no_object_is_asked_for_again_and_not_executed(args: str) -> None:
    bench, noted = asked_by_model(call(args))
    assert bench.runs.get("r1").state == "succeeded"
    assert noted == []


def test_what_is_no_json_ends_the_run() -> None:
    bench, noted = asked_by_model(call('{"what": NaN}'))
    assert bench.runs.get("r1").outcome["code"] == "FL-406"
    assert noted == []


def test_an_undoing_may_take_a_large_result() -> None:
    undone: list[int] = []

    @fl.tool(effect="idempotent", scope="notes:write", targets=["what"])
    async def forget(_: fl.Context, what: str, result: str) -> None:
        """Forget something."""
        undone.append(len(result))

    @fl.tool(effect="once", scope="notes:write", targets=["what"], compensate=forget)
    async def note(_: fl.Context, what: str) -> str:
        """Note something."""
        return what * 2_000_000

    @fl.workflow(**TERMS, output=str, tools=[note, forget])
    async def work(run: fl.Run[str], item: str) -> str:
        """Note, and fail."""
        await run.call(note, "x")
        raise ValueError(item)

    bench = Bench(work)
    bench.execute()
    assert undone == [2_000_000]
