"""An effect that becomes unknown again after somebody found out about it is a new question."""

from __future__ import annotations

from datetime import timedelta

import fairlead as fl
from fairlead.core.digests import Json
from fairlead.ports.runs import Order
from fairlead.ports.waits import Wait
from tests.unit.runtime.bench import Bench

QUESTIONS = 3


def workflow_of(calls: list[str]) -> fl.Workflow[str, str]:
    """Return a workflow whose payment fails some times in a way that says nothing of the effect."""

    @fl.tool(effect="once", scope="money:write")
    async def pay(ctx: fl.Context, item: str) -> str:
        """Pay."""
        calls.append(ctx.idempotency_key)
        if len(calls) <= QUESTIONS:
            raise ConnectionError("the line is bad")
        return item

    @fl.workflow(
        intent="Pay in the end",
        owner="group:default/tests",
        input=str,
        output=str,
        tools=[pay],
        limits=fl.Limits(unknown_wait=timedelta(hours=1)),
        slo=fl.SLO(success=0.9, latency_p95=timedelta(seconds=10)),
    )
    async def buy(run: fl.Run[str], item: str) -> str:
        """Pay once."""
        return await run.call(pay, item)

    return buy


def test_each_time_that_it_is_unknown_the_run_waits_for_its_whole_time() -> None:
    calls: list[str] = []
    bench = Bench(workflow_of(calls))
    waited: list[float] = []

    def answer(wait: Wait) -> None:
        waited.append(wait.due_at - wait.opened_at)
        bench.effects.resolve(wait.topic, False, None, Order(by="ann", reason="not there"))
        said: Json = {"happened": False}
        bench.waits.answer("effect", wait.topic, said)

    bench.seat.answer = answer
    run = bench.execute()
    assert (run.state, run.reason) == ("succeeded", "")
    assert waited == [3600.0] * QUESTIONS
    assert len(calls) == QUESTIONS + 1
    assert len(set(calls)) == 1


def test_what_nobody_finds_out_about_ends_the_run_after_its_time() -> None:
    calls: list[str] = []
    bench = Bench(workflow_of(calls))
    began_at = bench.clock.now()
    run = bench.execute()
    assert run.state == "failed"
    assert bench.clock.now() - began_at == 3600.0
    assert len(calls) == 1
