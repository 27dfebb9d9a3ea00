"""A ready agent is answered by the model that the policies are asked about, and by no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.capabilities import (
    AbstractCapability,
    BatchModelRequests,
    CapabilityOrdering,
    CombinedCapability,
    FileUnderstanding,
    Hooks,
    Instrumentation,
    ModelFallback,
    ProcessHistory,
    ResolveModelId,
    SelectModel,
    UseThreadExecutor,
    WrapperCapability,
)
from pydantic_ai.exceptions import ModelHTTPError, RetryModelRequest, SkipModelRequest
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models import Model
from pydantic_ai.models.concurrency import ConcurrencyLimitedModel
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.instrumented import InstrumentedModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.models.wrapper import WrapperModel

import fairlead as fl
from fairlead.adapters.pydantic_ai.durability import Durability, Turns
from fairlead.adapters.pydantic_ai.generator import PydanticGenerator, make_model
from fairlead.core.errors import InvalidDeclaration
from tests.unit.runtime.bench import SLO_OF_TESTS, Bench, manifest_of

OWN = "function:own"
ASKED: list[str] = []
BUSY = [False]


def model(name: str) -> FunctionModel:
    """Return a model that notes that it was asked."""

    def respond(_: list[ModelMessage], __: AgentInfo) -> ModelResponse:
        ASKED.append(name)
        if name == "own" and BUSY[0]:
            raise ModelHTTPError(503, name)
        return ModelResponse(parts=[TextPart(name)])

    return FunctionModel(respond, model_name=name)


MINE, OTHER = model("own"), model("other")


@pytest.fixture(autouse=True)
def nobody_yet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`test` is a name that the library makes a model of without a network."""
    request = TestModel.request

    async def noted(self: TestModel, *given: Any, **more: Any) -> ModelResponse:
        ASKED.append("test")
        return await request(self, *given, **more)

    monkeypatch.setattr(TestModel, "request", noted)
    ASKED.clear()
    BUSY[0] = False
    yield


def agent_of(*capabilities: AbstractCapability[Any], by: Any = MINE) -> Agent[None, str]:
    return Agent(by, name="ready", capabilities=capabilities)


def bench_of(agent: Any, around: Callable[[], Any] = nullcontext, **table: Any) -> Bench:
    """Return a run that runs an agent."""

    @fl.workflow(
        intent="A", owner="group:default/tests", input=str, output=str, slo=SLO_OF_TESTS,
        limits=fl.Limits(attempts=1),
    )  # fmt: skip
    async def asks(run: fl.Run[str], item: str) -> str:
        """Ask."""
        with around():
            return str(await run.agent(agent, item))

    return Bench(asks, manifest=manifest_of(asks, **table))


def assert_refused(bench: Bench, asked: tuple[str, ...] = ()) -> None:
    """The run failed, and no other model was asked."""
    ended = bench.execute()
    assert tuple(ASKED) == asked
    assert [record.name for record in bench.journal.of_run("r1")] == [OWN] * len(asked)
    assert (ended.state, ended.outcome["code"]) == ("failed", "FL-006")
    assert " agent ready " in f" {ended.outcome['reason']}"


def hooked(**hooks: Any) -> AbstractCapability[Any]:
    """Return a capability of an app's own."""
    made: AbstractCapability[Any] = type("Hooked", (AbstractCapability,), hooks)()
    return made


class Late(AbstractCapability[Any]):
    """A capability that shows what it is when a run begins."""

    def __init__(self, made: Callable[[], AbstractCapability[Any]]) -> None:
        self.made = made

    async def for_run(self, ctx: Any) -> AbstractCapability[Any]:
        return self.made()


class Sly(WrapperModel):
    """A wrapper that asks another model under the name of the one that it wraps."""

    async def request(self, *given: Any, **more: Any) -> ModelResponse:
        return await OTHER.request(*given, **more)


async def instead(_: Any, ctx: Any, *, request_context: Any, **__: Any) -> ModelResponse:
    """Ask another model where the agent's own one stands."""
    asked = request_context
    return await OTHER.request(asked.messages, asked.model_settings, asked.model_request_parameters)


async def wraps(_: Any, ctx: Any, asked: Any) -> Any:
    asked.model = Sly(asked.model)
    return asked


async def whole(_: Any, ctx: Any, **__: Any) -> Any:
    """Answer in the place of a whole run."""
    return await Agent(OTHER).run("go")


WAYS: dict[str, Callable[[], AbstractCapability[Any]]] = {
    "a choice of a name": lambda: SelectModel(lambda _: "test"),
    "a choice of an object": lambda: SelectModel(lambda _: OTHER),
    "a name": lambda: hooked(get_model=lambda _: "test"),
    "a fallback": lambda: ModelFallback("test", fallback_on=[lambda _: True]),
    "what a name means": lambda: ResolveModelId(lambda *_: OTHER),
    "a wrapper": lambda: hooked(get_wrapper_model=lambda _, inner: Sly(inner)),
    "batches": lambda: BatchModelRequests(),
    "a wrapper for one attempt": lambda: hooked(prepare_model_request=wraps),
    "a model that reads files": lambda: FileUnderstanding(fallback_subagent_model=OTHER),
    "an answer around a turn": lambda: hooked(wrap_model_request=instead),
    "an answer to an error": lambda: hooked(on_model_request_error=instead),
    "an answer of a hook": lambda: Hooks(model_request=partial(instead, None)),
    "an answer around a step": lambda: hooked(wrap_node_run=whole),
    "an answer to a step's error": lambda: hooked(on_node_run_error=whole),
    "an answer around a run": lambda: hooked(wrap_run=whole),
    "an answer to a run's error": lambda: hooked(on_run_error=whole),
    "one among others": lambda: CombinedCapability([SelectModel(lambda _: "test")]),
    "one in a wrapper": lambda: WrapperCapability(SelectModel(lambda _: "test")),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("busy", [False, True])
def test_a_capability_brings_no_other_model(way: str, busy: bool) -> None:
    BUSY[0] = busy
    assert_refused(bench_of(agent_of(WAYS[way]())))


@pytest.mark.parametrize("way", WAYS)
def test_the_gate_refuses_a_capability_that_brings_another_model(way: str) -> None:
    with pytest.raises(InvalidDeclaration, match="ready has the hook"):
        PydanticGenerator().check(agent_of(WAYS[way]()))


@pytest.mark.parametrize("way", [way for way in WAYS if way != "an answer around a run"])
def test_what_shows_when_a_run_begins_brings_no_other_model(way: str) -> None:
    agent = agent_of(Late(WAYS[way]))
    assert PydanticGenerator().check(agent) == OWN
    assert_refused(bench_of(agent))


def test_what_shows_when_a_run_begins_does_not_answer_for_the_run() -> None:
    """Nobody keeps code of an app from asking by itself: but its answer is not the agent's."""
    bench = bench_of(agent_of(Late(WAYS["an answer around a run"])))
    assert bench.execute().outcome["code"] == "FL-006"


@pytest.mark.parametrize("innermost", [False, True])
def test_a_hook_before_a_turn_wraps_no_model(innermost: bool) -> None:
    place = CapabilityOrdering(position="innermost") if innermost else None
    hook = hooked(before_model_request=wraps, get_ordering=lambda _: place)
    assert_refused(bench_of(agent_of(hook)))


def test_a_hook_before_a_turn_does_not_change_the_model() -> None:
    async def changes(_: Any, ctx: Any, asked: Any) -> Any:
        return replace(asked, model=OTHER)

    bench = bench_of(agent_of(hooked(before_model_request=changes)))
    assert bench.execute().state == "failed"
    assert ASKED == []


def test_a_hook_before_a_turn_does_not_answer() -> None:
    async def skips(_: Any, ctx: Any, asked: Any) -> Any:
        raise SkipModelRequest(ModelResponse(parts=[TextPart("made up")]))

    assert_refused(bench_of(agent_of(hooked(before_model_request=skips))))


@pytest.mark.parametrize("to", ["test", OTHER])
def test_a_hook_after_a_turn_does_not_ask_another_model(to: Any) -> None:
    async def retries(_: Any, ctx: Any, *, request_context: Any, response: Any) -> Any:
        raise RetryModelRequest(to)

    bench = bench_of(agent_of(hooked(after_model_request=retries)))
    assert bench.execute().state == "failed"
    assert ASKED == ["own"]


def test_an_agent_does_not_go_back_from_the_model_of_the_release() -> None:
    """The library knows the agent's own object, too, and would ask it under the other's name."""

    async def goes_back(_: Any, ctx: Any, asked: Any) -> Any:
        return replace(asked, model=MINE, model_id=None)

    agent = agent_of(hooked(before_model_request=goes_back))

    @fl.workflow(
        intent="A", owner="group:default/tests", input=str, output=str, model=agent,
        prompt="p.md", slo=SLO_OF_TESTS,
    )  # fmt: skip
    async def answers(run: fl.Run[str], item: str) -> str:
        """Answer."""
        return (await run.answer(item)).unwrap()

    assert_refused(Bench(answers, manifest=manifest_of(answers, model="test")))


@pytest.mark.parametrize(
    "given",
    [
        {"model": OTHER},
        {"model": "test"},
        {"spec": {"model": "test"}},
        {"spec": {"capabilities": [{"ModelFallback": {"models": ["test"]}}]}},
    ],
    ids=["object", "name", "spec", "spec of a fallback"],
)
def test_an_override_for_a_while_brings_no_other_model(given: dict[str, Any]) -> None:
    agent = agent_of()
    assert_refused(bench_of(agent, partial(agent.override, **given)))


@pytest.mark.parametrize("given", ["test", OTHER])
def test_a_bound_agent_is_run_with_no_other_model(given: Any) -> None:
    turns = Turns(make=make_model, fallbacks=(), reasks=2)
    bound = agent_of(Durability(OWN, name="ready", turns=turns))

    @fl.workflow(
        intent="A", owner="group:default/tests", input=str, output=str, slo=SLO_OF_TESTS
    )  # fmt: skip
    async def asks(run: fl.Run[str], item: str) -> str:
        """Ask."""
        return (await bound.run(item, model=given)).output

    assert_refused(Bench(asks))


# --------------------------------------------------------------------------- the agent's own object


@pytest.mark.parametrize(
    ("by", "why"),
    [
        (FallbackModel(MINE, OTHER), "declare fallbacks"),
        (WrapperModel(FallbackModel(MINE, OTHER)), "declare fallbacks"),
        (ConcurrencyLimitedModel(FallbackModel(MINE, OTHER), limiter=2), "declare fallbacks"),
        (InstrumentedModel(FallbackModel(MINE, OTHER)), "class InstrumentedModel"),
        (Sly(MINE), "class Sly"),
        (WrapperModel(Sly(MINE)), "class Sly"),
        (None, "has no model"),
    ],
)
def test_an_agents_own_model_asks_no_other(by: Any, why: str) -> None:
    BUSY[0] = True
    agent = agent_of(by=by)
    with pytest.raises(InvalidDeclaration, match=why):
        PydanticGenerator().check(agent)
    assert_refused(bench_of(agent))


# ------------------------------------------------------------------------------------ what may stay


async def changes_messages(_: Any, ctx: Any, asked: Any) -> Any:
    return replace(asked, messages=list(asked.messages))


async def changes_response(_: Any, ctx: Any, *, request_context: Any, response: Any) -> Any:
    return response


async def same_again(_: Any, ctx: Any, *, request_context: Any, response: Any) -> Any:
    if request_context.attempt == 1:
        raise RetryModelRequest
    return response


FINE: dict[str, Callable[[], AbstractCapability[Any]]] = {
    "telemetry": Instrumentation,
    "threads": lambda: UseThreadExecutor(ThreadPoolExecutor(1)),
    "a history": lambda: ProcessHistory(lambda messages: messages),
    "a hook before": lambda: hooked(before_model_request=changes_messages),
    "a hook after": lambda: hooked(after_model_request=changes_response),
    "the same model again": lambda: hooked(after_model_request=same_again),
}


@pytest.mark.parametrize("way", FINE)
def test_what_asks_the_same_model_stays(way: str) -> None:
    bench = bench_of(agent_of(FINE[way]()))
    assert bench.execute().outcome["answer"] == "own"
    assert [record.name for record in bench.journal.of_run("r1")] == [OWN] * len(ASKED)


@pytest.mark.parametrize("by", [MINE, WrapperModel(MINE), ConcurrencyLimitedModel(MINE, limiter=2)])
def test_a_wrapper_that_asks_what_it_holds_stays(by: Model) -> None:
    bench = bench_of(agent_of(by=by))
    assert bench.execute().outcome["answer"] == "own"
    assert [record.name for record in bench.journal.of_run("r1")] == [OWN]


def test_an_agent_with_telemetry_stays() -> None:
    agent = agent_of()
    agent.instrument = True
    assert bench_of(agent).execute().outcome["answer"] == "own"


def test_a_fallback_that_is_declared_stays() -> None:
    BUSY[0] = True
    bench = bench_of(agent_of(), fallbacks=["test"])
    assert bench.execute().state == "succeeded"
    assert ASKED == ["own", "test"]
    assert [record.name for record in bench.journal.of_run("r1")] == [OWN, "test"]
