"""A run of a conversation: what it reads, once and for good, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

import fairlead as fl
from fairlead.core.history import turn_from_json
from tests.unit.runtime.bench import SLO_OF_TESTS, Bench, manifest_of

EARLIER = [
    fl.Turn(question="is it there?", answer="it is"),
    fl.Turn(
        question="and the lamp?",
        answer="that too",
        uses=(fl.ToolUse(name="look", arguments={"item": "lamp"}, result="lamp is there"),),
    ),
]


@fl.tool(effect="read", scope="items:read", targets=["item"])
async def look(_: fl.Context, item: str) -> str:
    """Look at an item."""
    return f"{item} is there"


async def tells(run: Any, item: str) -> str:
    """Plain code that reads the history by itself."""
    return f"{item} after {len(run.history.turns)}, without {run.history.dropped}"


class Listener:
    """A model that calls a tool, answers, and keeps what it was told."""

    def __init__(self) -> None:
        self.heard: list[list[str]] = []

    def model(self) -> FunctionModel:
        """Return the model."""

        def respond(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
            told = [str(getattr(p, "content", "")) for m in messages for p in m.parts]
            self.heard.append(told)
            if "lamp" in told[-1] or not any("book" in text for text in told):
                return ModelResponse(parts=[TextPart("neither")])
            if "book is there" not in told:
                call = ToolCallPart("look", {"item": "book"}, tool_call_id="same")
                return ModelResponse(parts=[call])
            return ModelResponse(parts=[TextPart("the book is there")])

        return FunctionModel(respond, model_name="listener")


def bench_of(body: Callable[..., Any], *, model: Any = None, **table: Any) -> Bench:
    """Return a third turn of a conversation."""
    declare = fl.workflow(
        intent="Tell",
        owner="group:default/tests",
        input=str,
        output=str,
        model=model,
        tools=[look],
        slo=SLO_OF_TESTS,
    )
    workflow = declare(body)
    bench = Bench(workflow, input="the book?", manifest=manifest_of(workflow, **table))
    run = bench.runs.get("r1")
    bench.runs.records["r1"] = replace(run, conversation="t", turn=3)
    bench.conversations.earlier = [*EARLIER]
    return bench


async def answers(run: Any, item: str) -> str:
    """Ask the workflow's model."""
    answer: str = (await run.answer(item)).unwrap()
    return answer


def said(bench: Bench) -> fl.Turn | None:
    """Return what the run said."""
    data = bench.runs.said["r1"]
    return None if data is None else replace(turn_from_json(data), label=None)


def test_plain_code_reads_the_history_and_what_it_answers_is_said() -> None:
    bench = bench_of(tells)
    ended = bench.execute()
    assert ended.outcome["answer"] == "the book? after 2, without 0"
    assert said(bench) == fl.Turn(question="the book?", answer="the book? after 2, without 0")


def test_a_run_without_a_conversation_reads_and_says_nothing() -> None:
    bench = bench_of(tells)
    bench.runs.records["r1"] = replace(bench.runs.get("r1"), conversation=None, turn=None)
    assert bench.execute().outcome["answer"] == "the book? after 0, without 0"
    assert (said(bench), bench.conversations.reads) == (None, 0)
    assert [name for name, _ in bench.engine.steps] == ["finish"]


def test_the_limits_of_the_release_bound_what_is_read() -> None:
    bench = bench_of(tells, limits={"history_messages": 1})
    assert bench.execute().outcome["answer"] == "the book? after 0, without 2"
    bench = bench_of(tells, limits={"history_messages": 4})
    assert bench.execute().outcome["answer"] == "the book? after 1, without 1"


def test_what_was_read_is_read_again_on_a_recovery() -> None:
    bench = bench_of(tells)
    first = bench.execute().outcome
    assert bench.engine.steps[0] == ("history", {"said": ["0", "1"], "dropped": 0})
    bench.conversations.earlier.append(fl.Turn(question="later", answer="later"))
    bench.forget_end()
    assert bench.execute(bench.engine.replay(keep=-1)).outcome == first
    assert bench.conversations.reads == 1
    # Without its record it would be another: so it is the record that holds it.
    bench.forget_end()
    assert bench.execute(bench.engine.replay(keep=0)).outcome != first


def test_a_fork_to_a_release_that_reads_less_counts_what_it_leaves_out() -> None:
    bench = bench_of(tells)
    bench.execute()
    less = bench_of(tells, limits={"history_messages": 2})
    ended = less.execute(bench.engine.replay(keep=1))
    assert ended.outcome["answer"] == "the book? after 1, without 1"


def test_the_record_of_a_turn_names_what_it_read_and_does_not_repeat_it() -> None:
    bench = bench_of(tells, limits={"history_messages": 400})
    bench.conversations.earlier = [fl.Turn(question="q" * 1000, answer="a") for _ in range(20)]
    bench.execute()
    assert len(str(bench.engine.steps[0])) < 300


def test_a_model_hears_what_was_said_before_and_its_tools_are_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listener = Listener()
    monkeypatch.setattr(
        "fairlead.adapters.pydantic_ai.generator.infer_model", lambda _: listener.model()
    )
    bench = bench_of(answers, model="openai:gpt-5")
    ended = bench.execute()
    assert ended.outcome["answer"] == "the book is there"
    before = ["is it there?", "it is", "and the lamp?", "", "lamp is there", "that too"]
    assert listener.heard[0][:6] == before
    assert "the book?" in listener.heard[0][6]
    assert listener.heard[1][:6] == before
    assert said(bench) == fl.Turn(
        question="the book?",
        answer="the book is there",
        uses=(fl.ToolUse(name="look", arguments={"item": "book"}, result="book is there"),),
    )
    # A recovery says the same without asking again.
    first = bench.runs.said["r1"]
    bench.forget_end()
    bench.execute(bench.engine.replay(keep=-1))
    assert bench.runs.said["r1"] == first
    assert len(listener.heard) == 2


def test_the_history_alone_never_fills_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener()
    monkeypatch.setattr(
        "fairlead.adapters.pydantic_ai.generator.infer_model", lambda _: listener.model()
    )
    bench = bench_of(answers, model="openai:gpt-5", limits={"context_tokens": 1500})
    bench.conversations.earlier.append(fl.Turn(question="long " * 2000, answer="yes"))
    assert bench.execute().state == "succeeded"
    assert not any("long" in text for heard in listener.heard for text in heard)


def ready(listener: Listener) -> Agent[None, str]:
    """Return a ready agent with a system prompt."""
    agent = Agent(listener.model(), name="ready", system_prompt="Be short.")

    @agent.tool_plain(name="look")
    async def see(item: str) -> str:
        return f"{item} is there"

    return agent


def test_a_ready_agent_keeps_its_system_prompt_and_hears_the_history() -> None:
    listener = Listener()
    bench = bench_of(answers, model=ready(listener))
    assert bench.execute().outcome["answer"] == "the book is there"
    assert listener.heard[0][:3] == ["Be short.", "is it there?", "it is"]
    assert [text for text in listener.heard[1] if text == "Be short."] == ["Be short."]


def test_an_agent_may_be_run_without_the_history() -> None:
    listener = Listener()
    agent = ready(listener)

    async def twice(run: Any, item: str) -> str:
        await run.agent(agent, item, history=False)
        answer: str = await run.agent(agent, item)
        return answer

    bench = bench_of(twice)
    assert bench.execute().state == "succeeded"
    assert listener.heard[0] == ["Be short.", "the book?"]
    assert "is it there?" in listener.heard[2]
    spoken = said(bench)
    assert spoken is not None
    assert [use.name for use in spoken.uses] == ["look", "look"]


def test_a_run_that_does_not_succeed_says_nothing() -> None:
    async def fails(run: Any, item: str) -> str:
        raise ValueError(item)

    bench = bench_of(fails)
    assert bench.execute().state == "failed"
    assert said(bench) is None


def test_a_fork_stands_aside_and_says_nothing() -> None:
    bench = bench_of(tells)
    bench.runs.records["r1"] = replace(bench.runs.get("r1"), aside=True)
    assert bench.execute().outcome["answer"] == "the book? after 2, without 0"
    assert said(bench) is None


def test_what_is_said_is_bounded() -> None:
    async def long(run: Any, item: str) -> str:
        return "so " * 100_000

    bench = bench_of(long)
    assert bench.execute().state == "succeeded"
    spoken = said(bench)
    assert spoken is not None
    assert spoken.chars <= fl.Limits().history_chars


def test_tools_and_telemetry_know_the_conversation() -> None:
    seen: list[str] = []

    @fl.tool(effect="read", scope="items:read")
    async def know(ctx: fl.Context) -> str:
        """Say where it is."""
        seen.append(ctx.conversation)
        return "known"

    async def asks(run: Any, _: str) -> str:
        answer: str = await run.call(know)
        return answer

    workflow = fl.workflow(
        intent="Know",
        owner="group:default/tests",
        input=str,
        output=str,
        tools=[know],
        slo=SLO_OF_TESTS,
    )(asks)
    bench = Bench(workflow)
    bench.runs.records["r1"] = replace(bench.runs.get("r1"), conversation="t", turn=1)
    assert bench.execute().state == "succeeded"
    assert seen == ["t"]
