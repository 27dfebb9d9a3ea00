"""Tools of every effect class, and two workflows that call them, for workers that are killed."""

from dataclasses import dataclass
from datetime import timedelta

from outside import act, happened

import fairlead as fl

COMMON = {
    "intent": "Have every effect happen once, whatever dies",
    "owner": "group:default/benchmarks",
    "slo": fl.SLO(success=0.99, latency_p95=timedelta(minutes=1)),
    "limits": fl.Limits(steps=200, wall_time=timedelta(minutes=30)),
}


@dataclass(frozen=True)
class Series:
    """A run's input: how many calls it makes, and for how long they work.

    A call works for half of `ms` up to one and a half of it; with another seed in another order, so
    that runs that begin together do not go on in step.
    """

    calls: int
    ms: int
    seed: int


@fl.tool(effect="read", scope="items:read")
async def look(ctx: fl.Context, before_ms: int, after_ms: int) -> int:
    """Look at something."""
    await act(ctx, "look", before_ms, after_ms)
    return after_ms


@fl.tool(effect="idempotent", scope="items:write")
async def put(ctx: fl.Context, before_ms: int, after_ms: int) -> int:
    """Put something in its place."""
    await act(ctx, "put", before_ms, after_ms)
    return after_ms


@fl.tool(effect="once", scope="money:write")
async def pay(ctx: fl.Context, before_ms: int, after_ms: int) -> int:
    """Pay where nobody can be asked whether it happened."""
    await act(ctx, "pay", before_ms, after_ms)
    return after_ms


async def find_charge(
    ctx: fl.Context,
    before_ms: int,  # noqa: ARG001 - a probe has its tool's arguments
    after_ms: int,
) -> fl.Happened[int] | fl.NotHappened:
    """Look for the charge under its key."""
    return fl.Happened(after_ms) if happened(ctx) else fl.NOT_HAPPENED


@fl.tool(effect="once", scope="money:write", reconcile=find_charge)
async def charge(ctx: fl.Context, before_ms: int, after_ms: int) -> int:
    """Charge where one can ask whether it happened."""
    await act(ctx, "charge", before_ms, after_ms)
    return after_ms


@fl.tool(effect="once", scope="money:write", reconcile=find_charge)
async def refund(ctx: fl.Context, before_ms: int, after_ms: int) -> int:
    """Refund what a person agreed to."""
    await act(ctx, "refund", before_ms, after_ms)
    return after_ms


@fl.workflow(**COMMON, input=Series, output=int, tools=[look, put, charge])
async def series(run: fl.Run[int], series: Series) -> int:
    """Make many calls: of five, three read, one is idempotent, and one happens once."""
    for number in range(series.calls):
        tool = (look, put, look, charge, look)[number % 5]
        share = (series.seed * 37 + number * 61) % 101
        await run.call(tool, 0, series.ms * (50 + share) // 100)
    return series.calls


@fl.workflow(**COMMON, input=int, output=int, tools=[look, put, pay, charge, refund])
async def errand(run: fl.Run[int], ms: int) -> int:
    """Make a call of each effect class, and the last effect with a person's approval."""
    await run.call(look, ms, ms)
    await run.call(put, ms, ms)
    await run.call(pay, ms, ms)
    await run.call(charge, ms, ms)
    await run.approve(refund, ms, ms)
    return await run.call(look, ms, ms)


app = fl.App("crashes", workflows=[series, errand])
