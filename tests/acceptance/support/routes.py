"""Every way from a run to the outside: each call kind, in plain code, agent loops and batches.

Each route begins with one model turn of another agent, `warm`, so that limits, costs and time can
be used up before the calls that the route is about: its targets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import fairlead as fl
from fairlead.core.calls import CallKind
from fairlead.core.context import Context
from fairlead.ports.boundary import current_call
from tests.unit.runtime.bench import SLO_OF_TESTS

TARGETS: dict[CallKind, str] = {
    "tool": "touch",
    "retrieval": "notes",
    "model": "function:target",
    "step": "reckon",
    "child": "errand",
}
"""Name of what each kind of route calls."""

NAMED_MODEL = "test:other"
"""A model by its name; it asks for a batch of two tools, then answers."""


@dataclass
class World:
    """The outside: what was done to it, and what it does.

    Attributes:
        bodies: Context of each execution of a target's body; None outside of a call.
        turns: Model turns of any agent so far.
        words: What the targets are given, those of tools aside.
        said: What a tool or a model says.
        why: Why an operator stops it.
        rails: The workflow's guardrails.
        probed: Whether the tool can find out afterwards what happened; then it always did.
        on_body: Called inside each execution of a target's body.
        on_turn: Called inside each model turn with its number, from 1.
        first: What the workflow does before its targets, with its tool `spin`.
    """

    bodies: list[Context | None] = field(default_factory=list)
    turns: int = 0
    words: str = "an item"
    said: str = "done"
    why: str = "it is wrong"
    rails: tuple[fl.Guardrail[Any], ...] = ()
    probed: bool = False
    on_body: Callable[[], None] = lambda: None
    on_turn: Callable[[int], None] = lambda _: None
    first: Callable[[Any, Any], Awaitable[None]] | None = None

    def body(self) -> None:
        """A target's body is executed."""
        self.bodies.append(current_call.get())
        self.on_body()

    def touched(self, item: str) -> dict[str, str]:
        """Return what a tool returns."""
        self.body()
        return {"item": item, "said": self.said}

    def named_model(self, name: str) -> Any:
        """Return the model that stands for `NAMED_MODEL`."""
        assert name == NAMED_MODEL
        return self.model("other", [["touch", "touch"]])

    def agent(self, name: str, turns: list[list[str]], *, target: bool = False) -> Any:
        """Return a ready agent.

        Args:
            name: The model's name.
            turns: Tools that each turn asks for; the turn after the last one answers.
            target: Whether its turns are targets of the route.
        """
        from pydantic_ai import Agent

        agent = Agent(self.model(name, turns, target=target), name=name)

        @agent.tool_plain
        async def touch(item: str) -> dict[str, str]:
            """Touch an item."""
            return self.touched(item)

        return agent

    def model(self, name: str, turns: list[list[str]], *, target: bool = False) -> Any:
        """Return a model; see `agent`."""
        from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
        from pydantic_ai.models.function import AgentInfo, FunctionModel

        async def respond(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
            self.turns += 1
            self.on_turn(self.turns)
            if target:
                self.body()
            number = sum(isinstance(message, ModelResponse) for message in messages)
            if number >= len(turns):
                return ModelResponse(parts=[TextPart(self.said)])
            calls = [
                ToolCallPart(tool_name=tool, args={"item": "item"}, tool_call_id=f"{number}-{n}")
                for n, tool in enumerate(turns[number])
            ]
            return ModelResponse(parts=calls)

        return FunctionModel(respond, model_name=name)


@dataclass(frozen=True, kw_only=True)
class Route:
    """One way to make calls.

    Attributes:
        name: What is done.
        kind: Kind of the targets.
        body: What the workflow does after its warm turn.
        first: Number of the first target among the run's calls.
        targets: How many targets there are.
        turns: Model turns before the first target.
        goes_on: Whether the other targets are asked for when the first one failed.
        model: The workflow's model.
        recalls: Whether the workflow declares memory.
        asks: Whether a person must agree to the target first.
    """

    name: str
    kind: CallKind
    body: Callable[[Any, World, Any], Awaitable[object]]
    first: int = 2
    targets: int = 1
    turns: int = 1
    goes_on: bool = False
    model: Callable[[World], Any] = lambda _: NAMED_MODEL
    recalls: bool = True
    asks: bool = False

    @property
    def steps(self) -> int:
        """Journaled steps before the first target: one for each call, two for a question."""
        return self.first - 1 + 2 * self.asks

    def workflow(self, world: World) -> fl.Workflow[str, str]:
        """Return the workflow that takes this route."""

        @fl.tool(effect="read", scope="items:read", targets=["item"])
        async def touch(_: fl.Context, item: str) -> dict[str, str]:
            """Touch an item."""
            return world.touched(item)

        async def happened(
            _: fl.Context, item: str
        ) -> fl.Happened[dict[str, str]] | fl.NotHappened:
            return fl.Happened({"item": item})

        if world.probed:
            # The situation's contract says what its effect is.
            touch = replace(touch, reconcile=happened)

        @fl.tool(effect="read", scope="items:read")
        async def spin(_: fl.Context) -> str:
            """Go round."""
            return "round"

        warm = world.agent("warm", [])

        @fl.workflow(
            intent="Take one route",
            owner="group:default/tests",
            input=str,
            output=str,
            model=self.model(world),
            tools=[touch, spin],
            guardrails=world.rails,
            memory=fl.Memory(semantic=fl.Recall("notes", top_k=1) if self.recalls else None),
            slo=SLO_OF_TESTS,
        )
        async def route(run: fl.Run[str], _: str) -> str:
            """Take the route."""
            await run.agent(warm, "warm up")
            if world.first is not None:
                await world.first(run, spin)
            await self.body(run, world, touch)
            return "ended"

        return route


async def all_of(calls: Iterable[Awaitable[object]]) -> None:
    """Make calls at the same time, all of them whatever happens, then raise the first error."""
    for found in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(found, BaseException):
            raise found


async def _tool(run: Any, _: World, touch: Any) -> None:
    await run.call(touch, "item")


async def _tools(run: Any, _: World, touch: Any) -> None:
    await all_of(run.call(touch, "item") for _ in range(2))


async def _approved(run: Any, _: World, touch: Any) -> None:
    await run.approve(touch, "item")


def _reckon(world: World) -> Callable[[str], str]:
    def reckon(item: str) -> str:
        world.body()
        return item

    return reckon


async def _step(run: Any, world: World, _: Any) -> None:
    await run.step(_reckon(world), world.words)


async def _steps(run: Any, world: World, _: Any) -> None:
    await all_of(run.step(_reckon(world), world.words) for _ in range(2))


@fl.workflow(
    intent="Be given work",
    owner="group:default/tests",
    input=str,
    output=str,
    slo=SLO_OF_TESTS,
)
async def errand(_: fl.Run[str], item: str) -> str:
    """Return the item; the run that gives it only waits for its end."""
    return item


async def _child(run: Any, world: World, _: Any) -> None:
    await run.child(errand, world.words)


async def _children(run: Any, world: World, _: Any) -> None:
    await run.gather(*(run.child(errand, world.words) for _ in range(2)))


async def _retrieval(run: Any, world: World, _: Any) -> None:
    await run.retrieve(world.words)


async def _retrievals(run: Any, world: World, _: Any) -> None:
    await all_of(run.retrieve(world.words) for _ in range(2))


async def _answer(run: Any, world: World, _: Any) -> None:
    (await run.answer(world.words)).unwrap()


async def _model(run: Any, world: World, _: Any) -> None:
    await run.agent(world.agent("target", [], target=True), world.words)


async def _models(run: Any, world: World, _: Any) -> None:
    agent = world.agent("target", [], target=True)
    await all_of(run.agent(agent, world.words) for _ in range(2))


async def _agent_tool(run: Any, world: World, _: Any) -> None:
    await run.agent(world.agent("other", [["touch"]]), "answer")


async def _agent_tools(run: Any, world: World, _: Any) -> None:
    await run.agent(world.agent("other", [["touch", "touch"]]), "answer")


def _other(world: World) -> Any:
    return world.agent("other", [])


def _target(world: World) -> Any:
    return world.agent("target", [], target=True)


ROUTES = (
    Route(name="plain tool", kind="tool", body=_tool),
    Route(name="gathered tools", kind="tool", body=_tools, targets=2, goes_on=True),
    Route(name="agent's tool", kind="tool", body=_agent_tool, first=3, turns=2),
    Route(name="agent's batch", kind="tool", body=_agent_tools, first=3, targets=2, turns=2),
    Route(
        name="answer's batch",
        kind="tool",
        body=_answer,
        first=3,
        targets=2,
        turns=2,
        model=lambda _: NAMED_MODEL,
        recalls=False,
    ),
    Route(name="approved tool", kind="tool", body=_approved, asks=True),
    Route(name="plain retrieval", kind="retrieval", body=_retrieval),
    Route(name="gathered retrievals", kind="retrieval", body=_retrievals, targets=2, goes_on=True),
    Route(name="answer's retrieval", kind="retrieval", body=_answer, model=_other),
    Route(name="answer's turn", kind="model", body=_answer, model=_target, recalls=False),
    Route(name="agent's turn", kind="model", body=_model),
    Route(name="gathered turns", kind="model", body=_models, targets=2, goes_on=True),
    Route(name="plain step", kind="step", body=_step),
    Route(name="gathered steps", kind="step", body=_steps, targets=2, goes_on=True),
    Route(name="plain child", kind="child", body=_child),
    # They are started one after another: where one is refused, the next is not asked for.
    Route(name="gathered children", kind="child", body=_children, targets=2),
)
"""Each call kind through plain code, an agent's loop and a batch, where it can be made there."""
