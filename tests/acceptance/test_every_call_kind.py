"""Every call, of every kind and by every route, passes every interceptor.

For each interceptor there is a situation in which it matters. Each route is taken in that situation
twice, with the interceptor and without it, and the run must come out differently: so no route goes
round an interceptor, and no interceptor is one that nothing depends on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

import fairlead as fl
from fairlead.adapters.pydantic_ai import generator
from fairlead.adapters.pydantic_ai.durability import Durability, Turns
from fairlead.adapters.pydantic_ai.generator import make_model
from fairlead.core.errors import OutsideRun
from fairlead.core.rates import THROTTLED
from fairlead.ports.boundary import current_call
from fairlead.runtime import interceptors
from tests.acceptance.support.plays import Scene, just_run
from tests.acceptance.support.routes import ROUTES, TARGETS, Route, World, errand
from tests.acceptance.support.situation import Situation, served
from tests.acceptance.support.situations import SITUATIONS, taken
from tests.unit.runtime.bench import SLO_OF_TESTS, Bench

pytestmark = pytest.mark.acceptance

TOOLS_ONLY = "a model and a collection are named by the release, and the rest is its own code"
NO_EFFECT = "it has no effect outside and may be repeated"
NOBODY_ELSE = "it is the platform's own database or the workflow's own code, and nobody else's"
NO_ACT = "a step of the workflow's own code is no act on anything: no policy is asked about it"

EXEMPT: dict[tuple[str, str], str] = {
    **{("contract", kind): TOOLS_ONLY for kind in ("model", "retrieval", "step", "child")},
    ("schema", "model"): "a model turn's input is counted in tokens, which `context` does",
    **{("grants", kind): "only a tool names a scope" for kind in TARGETS if kind != "tool"},
    **{(name, "step"): NO_ACT for name in ("policy", "approval", "redact")},
    ("redact", "child"): "what comes back is the run's id, which has no fields",
    **{("screen", kind): "guardrails of the stage `tool`" for kind in TARGETS if kind != "tool"},
    **{("context", kind): "only model turns are read" for kind in TARGETS if kind != "model"},
    **{("ledger", kind): NO_EFFECT for kind in TARGETS if kind != "tool"},
    **{("intent", kind): NO_EFFECT for kind in TARGETS if kind != "tool"},
    **{("answers", kind): "it steps aside outside of a replay" for kind in TARGETS},
    **{("rate", kind): NOBODY_ELSE for kind in TARGETS if kind not in THROTTLED},
    **{("breaker", kind): NOBODY_ELSE for kind in TARGETS if kind not in THROTTLED},
}
"""Which interceptor cannot matter for which kind, and why."""

OWN = ("step", "child")
"""Kinds that only the workflow's own code can ask for, no model."""


def exempt(situation: Situation, route: Route) -> bool:
    """Whether a situation is none for a route."""
    if not situation.fits(route) or (situation.rules and ("policy", route.kind) in EXEMPT):
        return True
    return (situation.interceptor, route.kind) in EXEMPT


MATRIX = [
    pytest.param(route, situation, id=f"{situation.interceptor}, {situation.name}: {route.name}")
    for situation in SITUATIONS
    for route in ROUTES
    if not exempt(situation, route)
]


def without(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Cut an interceptor."""
    for place in ("BEFORE", "INSIDE"):
        kept = tuple(i for i in getattr(interceptors, place) if i.__name__ != name)
        monkeypatch.setattr(interceptors, place, kept)


@pytest.mark.parametrize(("route", "situation"), MATRIX)
def test_a_route_depends_on_each_interceptor(
    route: Route, situation: Situation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_it = taken(route, situation)
    assert with_it == situation.expected(route)
    without(monkeypatch, situation.interceptor)
    assert taken(route, situation) != with_it


def test_each_interceptor_has_a_situation() -> None:
    names = {interceptor.__name__ for interceptor in (*interceptors.BEFORE, *interceptors.INSIDE)}
    # In a replay `answers` stands for the driver; the tests of replays find what goes round it.
    assert {situation.interceptor for situation in SITUATIONS} == names - {"answers"}


def test_each_kind_meets_each_interceptor_or_is_exempt() -> None:
    names = {interceptor.__name__ for interceptor in (*interceptors.BEFORE, *interceptors.INSIDE)}
    met = {(param.values[1].interceptor, param.values[0].kind) for param in MATRIX}  # type: ignore[union-attr]
    exempted = {(name, kind) for name, kind in EXEMPT}
    assert not met & exempted
    assert met | exempted == {(name, kind) for name in names for kind in TARGETS}


def test_each_kind_is_taken_by_plain_code_an_agent_and_a_batch() -> None:
    assert {route.kind for route in ROUTES} == set(TARGETS)
    for kind in TARGETS:
        names = [route.name for route in ROUTES if route.kind == kind]
        assert any("plain" in name or "agent's turn" in name for name in names), kind
        assert any("gathered" in name for name in names), kind
        if kind not in OWN:
            assert any("agent" in name or "answer" in name for name in names), kind


@pytest.mark.soak
@pytest.mark.parametrize(("interceptor", "kind"), EXEMPT, ids=lambda value: value)
def test_an_exemption_is_true(interceptor: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the situation, cutting the interceptor changes nothing for this kind."""
    routes = [route for route in ROUTES if route.kind == kind]
    assert routes
    every = [(route, situation) for route in routes for situation in SITUATIONS]
    with_it = [taken(route, situation) for route, situation in every]
    without(monkeypatch, interceptor)
    assert [taken(route, situation) for route, situation in every] == with_it


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_body_is_executed_inside_its_call_only(
    route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever touches the outside knows the call that it belongs to."""
    scene = Scene(route, Situation(interceptor="", name="plain", expected=served()))
    monkeypatch.setattr(generator, "make_model", scene.world.named_model)
    just_run(scene)
    keys = [context and context.idempotency_key for context in scene.world.bodies]
    first = route.first
    assert keys == [f"r1:{number}" for number in range(first, first + route.targets)]
    assert current_call.get() is None


def test_an_adapter_that_goes_round_the_boundary_is_seen() -> None:
    """A body that is executed by workflow code itself is in no call: the check above can tell."""
    world = World()

    async def sneak(run: Any, _: World, touch: Any) -> None:
        await touch.function(run.context, "item")

    route = Route(name="sneak", kind="tool", body=sneak)
    Bench(route.workflow(world)).execute()
    assert world.bodies == [None]


def durable_agent() -> Agent[None, str]:
    """Return an agent that can only run inside a run."""
    turns = Turns(make=make_model, fallbacks=(), reasks=2)
    capability = Durability("test:test", name="durable", turns=turns)
    return Agent(TestModel(call_tools=[]), name="durable", capabilities=[capability])


def test_a_durable_agent_does_not_run_outside_of_a_run() -> None:
    with pytest.raises(OutsideRun) as error:
        asyncio.run(durable_agent().run("hello"))
    assert error.value.code == "FL-402"


def test_a_workflow_does_not_run_when_it_is_called() -> None:
    route = next(iter(ROUTES)).workflow(World())
    with pytest.raises(OutsideRun):
        route("item")


class Inner(NamedTuple):
    """What a tool's body tries, and what it is."""

    name: str
    try_it: Callable[[Any, Any], Any]


async def _run_agent(_: Any, __: Any) -> None:
    await durable_agent().run("hello")


async def _call_tool(run: Any, inner: Any) -> None:
    await run.call(inner)


async def _retrieve(run: Any, _: Any) -> None:
    await run.retrieve("an item")


async def _approve(run: Any, inner: Any) -> None:
    await run.approve(inner)


async def _step(run: Any, _: Any) -> None:
    await run.step(len, "an item")


async def _child(run: Any, _: Any) -> None:
    await run.child(errand, "an item")


async def _sleep(run: Any, _: Any) -> None:
    await run.sleep(timedelta(seconds=1))


async def _signal(run: Any, _: Any) -> None:
    await run.signal("go", str)


async def _send(run: Any, _: Any) -> None:
    await run.send("r2", "go", "on")


async def _stream(run: Any, _: Any) -> None:
    await run.stream("an item")


async def _now(run: Any, _: Any) -> None:
    await run.now()


INNER = [
    Inner("agent", _run_agent),
    Inner("tool", _call_tool),
    Inner("approved tool", _approve),
    Inner("retrieval", _retrieve),
    Inner("step", _step),
    Inner("child", _child),
    Inner("sleep", _sleep),
    Inner("signal", _signal),
    Inner("send", _send),
    Inner("stream", _stream),
    Inner("time", _now),
]


@pytest.mark.parametrize("inner", INNER, ids=lambda inner: inner.name)
def test_a_tools_body_makes_no_call_of_its_own(inner: Inner) -> None:
    """A call inside a call would be journaled inside a step: it is refused, not silently plain."""
    runs: list[Any] = []

    @fl.tool(effect="read", scope="items:read")
    async def other(_: fl.Context) -> str:
        """Do nothing."""
        raise AssertionError("executed inside another body")

    @fl.tool(effect="read", scope="items:read")
    async def outer(_: fl.Context) -> str:
        """Try to make a call."""
        await inner.try_it(runs[0], other)
        return "made it"

    @fl.workflow(
        intent="Call inside a call",
        owner="group:default/tests",
        input=str,
        output=str,
        tools=[outer, other],
        memory=fl.Memory(semantic=fl.Recall("notes")),
        slo=SLO_OF_TESTS,
    )
    async def nested(run: fl.Run[str], _: str) -> str:
        """Call a tool that calls."""
        runs.append(run)
        return await run.call(outer)

    bench = Bench(nested)
    ended = bench.execute()
    assert (ended.state, ended.outcome["code"]) == ("failed", "FL-402")
    assert [record.name for record in bench.journal.of_run("r1")] == ["outer"]


def test_workflow_code_gathers_calls_in_the_order_in_which_they_were_asked() -> None:
    """Numbers, keys and steps fall the same way when the run is executed again."""
    scene = Scene(ROUTES[1], Situation(interceptor="", name="plain", expected=served()))
    just_run(scene)
    steps = scene.bench.engine.steps
    scene.bench.forget_end()
    scene.bench.execute(scene.bench.engine.replay())
    assert scene.bench.engine.steps == steps
    assert scene.bench.engine.executed == []
    assert len(scene.world.bodies) == ROUTES[1].targets


def test_the_wall_time_of_these_runs_is_the_default() -> None:
    """`late` moves the clock beyond it."""
    assert fl.Limits().wall_time < timedelta(seconds=1000)
