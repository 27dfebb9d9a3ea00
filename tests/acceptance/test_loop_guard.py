"""An agent that goes round in a circle is stopped after three effects at most, and its run ends."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.capabilities import AbstractCapability

import fairlead as fl
from fairlead.adapters.pydantic_ai import generator
from fairlead.testing import ScriptedModel
from tests.unit.runtime.bench import SLO_OF_TESTS, Bench

pytestmark = pytest.mark.acceptance

PAY: tuple[str, dict[str, Any]] = ("pay", {"item": "A-17"})
LOOK: tuple[str, dict[str, Any]] = ("look", {"item": "A-17"})
SCRIPTS: dict[str, list[Any]] = {
    "one call a turn": [[PAY]],
    "two calls a turn": [[PAY, PAY]],
    "many calls a turn": [[PAY] * 9],
    "a circle of two": [[PAY], [LOOK]] * 9,
    "a circle of two in one turn": [[PAY, LOOK]],
}


class Swallowing(AbstractCapability[Any]):
    """Tells the model that all is well, whatever a tool raises."""

    async def on_tool_execute_error(self, ctx: Any, **_: Any) -> Any:
        return "all is well"


def circle(script: list[Any], *, ready: bool, swallow: bool) -> tuple[Bench, list[str]]:
    """Return a run of an agent that follows a script, and what it did."""
    effects: list[str] = []
    model = ScriptedModel(script).model()

    @fl.tool(effect="once", scope="money:write", targets=["item"])
    async def pay(_: fl.Context, item: str) -> str:
        """Pay for an item."""
        effects.append(f"pay {item}")
        return "accepted"

    @fl.tool(effect="idempotent", scope="items:write", targets=["item"])
    async def look(_: fl.Context, item: str) -> str:
        """Look at an item, and note that it was looked at."""
        effects.append(f"look {item}")
        return "nothing new"

    agent = Agent(model, name="circle", capabilities=[Swallowing()] if swallow else [])
    for one in (pay, look):

        async def body(item: str, tool: Any = one) -> str:
            result: str = await tool.function(None, item)
            return result

        body.__name__, body.__doc__ = one.name, one.description
        agent.tool_plain(_without_tool(body))

    @fl.workflow(
        intent="Go round",
        owner="group:default/tests",
        input=str,
        output=str,
        model=agent if ready else "test:circle",
        tools=[pay, look],
        slo=SLO_OF_TESTS,
    )
    async def rounds(run: fl.Run[str], item: str) -> str:
        """Ask the agent, and say that all is well whatever happens."""
        outcome = await run.answer(item)
        return outcome.unwrap() if not swallow else "all is well"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generator, "make_model", lambda _: model)
        bench = Bench(rounds)
        bench.execute()
    return bench, effects


def _without_tool(body: Any) -> Any:
    """Hide the argument that is no argument of the model's."""

    async def plain(item: str) -> str:
        result: str = await body(item)
        return result

    plain.__name__, plain.__doc__ = body.__name__, body.__doc__
    return plain


@pytest.mark.parametrize("swallow", [False, True], ids=["plain", "swallowed"])
@pytest.mark.parametrize("ready", [False, True], ids=["by name", "ready agent"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_looping_agent_makes_at_most_three_effects(
    script: str, ready: bool, swallow: bool
) -> None:
    bench, effects = circle(SCRIPTS[script], ready=ready, swallow=swallow)
    ended = bench.runs.get("r1")
    assert (ended.state, ended.outcome["code"]) == ("denied", "FL-506")
    assert len(effects) == 3
    # Whoever swallows the error is refused its next model turn too: the loop ends.
    assert len(bench.journal.records) < 12


def test_a_recovery_stops_at_the_same_place() -> None:
    bench, effects = circle(SCRIPTS["a circle of two"], ready=True, swallow=True)
    steps = list(bench.engine.steps)
    bench.forget_end()
    bench.execute(bench.engine.replay(keep=len(steps) - 1))
    assert bench.engine.steps == steps
    assert bench.runs.get("r1").outcome["code"] == "FL-506"
    assert len(effects) == 3


def test_an_agent_that_gets_on_is_not_stopped() -> None:
    script = [[("pay", {"item": f"A-{number}"}), LOOK] for number in range(5)]
    bench, effects = circle([*script, "done"], ready=False, swallow=False)
    assert bench.runs.get("r1").state == "succeeded"
    assert len(effects) == 10
