"""A ready agent is bound once, and each of its loops is a loop of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.durable_exec import BaseDurabilityCapability
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

import fairlead as fl
from fairlead.adapters.pydantic_ai import generator
from fairlead.adapters.pydantic_ai.durability import Durability, Turns
from fairlead.adapters.pydantic_ai.generator import Binding, PydanticGenerator, make_model
from fairlead.ports.generator import Task
from tests.unit.runtime.bench import SLO_OF_TESTS, Bench

TURNS = Turns(make=make_model, fallbacks=(), reasks=2)


def model(name: str, *says: str) -> FunctionModel:
    """A model that says one thing after the other, and the last one for ever."""
    told: list[int] = []

    def respond(_: list[ModelMessage], __: AgentInfo) -> ModelResponse:
        told.append(1)
        return ModelResponse(parts=[TextPart(says[min(len(told), len(says)) - 1])])

    return FunctionModel(respond, model_name=name)


def bench_of(agent: Agent[Any, Any], body: Callable[..., Any], *rails: Any) -> Bench:
    return Bench(
        fl.workflow(
            intent="Answer",
            owner="group:default/tests",
            input=str,
            output=str,
            model=agent,
            guardrails=rails,
            limits=fl.Limits(reasks=1),
            slo=SLO_OF_TESTS,
        )(body)
    )


async def thrice(run: Any, item: str) -> str:
    """Answer three times."""
    for _ in range(3):
        (await run.answer(item)).unwrap()
    return "that will do, please"


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The agents that were bound, one by one."""
    found: list[Any] = []
    real = BaseDurabilityCapability._bind_for_agent

    def spied(self: Any, agent: Any) -> Any:
        found.append(agent)
        return real(self, agent)

    monkeypatch.setattr(BaseDurabilityCapability, "_bind_for_agent", spied)
    return found


def test_an_agent_is_bound_once(bound: list[Any]) -> None:
    agent = Agent(model("m", "a", "b", "c"), name="ready")
    bench = bench_of(agent, thrice)
    assert bench.execute().state == "succeeded"
    assert bound == [agent]
    assert [record.name for record in bench.journal.of_run("r1")] == ["function:m"] * 3


def test_each_loop_may_be_asked_again_as_often_as_the_first() -> None:
    """What one loop has used up is not missing to the next one."""

    @fl.guardrail(stage="output", on_fail="retry")
    def polite(_: fl.Context, draft: fl.Draft[str]) -> fl.Verdict:
        """An answer is polite."""
        return fl.PASS if "please" in draft.output else fl.fail("say please")

    agent = Agent(model("m", *["no", "please"] * 3), name="ready")
    bench = bench_of(agent, thrice, polite)
    assert bench.execute().state == "succeeded"
    assert len(bench.journal.of_run("r1")) == 6


def test_an_agent_whose_model_has_changed_is_bound_again(bound: list[Any]) -> None:
    agent = Agent(model("one", "1"), name="ready")

    async def changes(run: Any, item: str) -> str:
        """Change the model between two answers."""
        (await run.answer(item)).unwrap()
        agent.model = model("two", "2")
        (await run.answer(item)).unwrap()
        return item

    bench = bench_of(agent, changes)
    assert bench.execute().state == "succeeded"
    assert len(bound) == 2
    assert [call.name for call in bench.journal.of_run("r1")] == ["function:one", "function:two"]


def test_no_more_agents_than_the_bound_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "BINDINGS_MAX", 2)
    made = PydanticGenerator()
    for number in range(5):
        task = Task(
            name=f"task-{number}",
            model=Agent(model("m", "a"), name="ready"),
            instructions="",
            message="go",
            output=str,
        )
        made._agent(task)
        assert len(made._bindings) <= 2


def test_a_loop_shares_the_binding_and_none_of_its_state() -> None:
    binding = Binding(
        Agent(model("m", "a"), name="ready"),
        Durability("function:m", name="task", turns=TURNS),
    )
    one, two = binding.durability.begun(TURNS), binding.durability.begun(TURNS)
    one._led.add("r1")
    assert two._led == set()
    assert one.agent is two.agent is not None
    assert one.get_durable_operation_backend() is not two.get_durable_operation_backend()
