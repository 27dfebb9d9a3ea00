"""The app that the suite's runs execute; a copy of this file is the `app.py` of each site.

What a tool does is one line in a file outside of the platform, appended in one write. So executions
are counted by what happened, whoever was killed before or after it, and never by our own log.
"""

import asyncio
import json
import os
import time
from datetime import timedelta
from pathlib import Path

import fairlead as fl

OUTSIDE = "FAIRLEAD_CONFORMANCE_OUTSIDE"
"""Environment variable that names the folder outside of the platform."""

LEDGER = "ledger.jsonl"
"""In that folder: one line per execution of a body."""

SEEN = "seen.jsonl"
"""In that folder: what a workflow's own code was given, one line each time, replays too."""

HELD = "held"
"""In that folder: while a file in it has the name of an item, the body stays after its effect."""


def outside(name: str) -> Path:
    """Return a path in the world outside."""
    return Path(os.environ[OUTSIDE]) / name


def append(name: str, entry: dict[str, object]) -> None:
    """Append one line in one write: it is there, or it is not."""
    file = os.open(outside(name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, json.dumps(entry).encode() + b"\n")
    finally:
        os.close(file)


async def act(tool: str, ctx: fl.Context, item: str) -> str:
    """Do what a tool does, then stay in its body while the item is held."""
    entry = {"tool": tool, "item": item, "run": ctx.run_id, "key": ctx.idempotency_key}
    append(LEDGER, {**entry, "pid": os.getpid(), "at": time.time()})
    # Another process lets it go.
    while outside(HELD).joinpath(item).exists():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return item


async def find_charge(ctx: fl.Context, item: str) -> fl.Happened[str] | fl.NotHappened:
    """Say whether a charge happened: whether its key is in the ledger."""
    lines = outside(LEDGER).read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    done = any((e["tool"], e["key"]) == ("charge", ctx.idempotency_key) for e in entries)
    return fl.Happened(item) if done else fl.NOT_HAPPENED


@fl.tool(effect="read", scope="items:read", targets=["item"])
async def look(ctx: fl.Context, item: str) -> str:
    """Read an item."""
    return await act("look", ctx, item)


@fl.tool(effect="idempotent", scope="items:write", targets=["item"])
async def put(ctx: fl.Context, item: str) -> str:
    """Put an item in its place, which is safe to repeat."""
    return await act("put", ctx, item)


@fl.tool(effect="once", scope="money:write", targets=["item"])
async def pay(ctx: fl.Context, item: str) -> str:
    """Pay for an item, which nobody can look up afterwards."""
    return await act("pay", ctx, item)


@fl.tool(effect="once", scope="money:write", targets=["item"], reconcile=find_charge)
async def charge(ctx: fl.Context, item: str) -> str:
    """Charge for an item, which can be looked up afterwards."""
    return await act("charge", ctx, item)


TOOLS = {tool.name: tool for tool in (look, put, pay, charge)}
SLO = fl.SLO(success=0.9, latency_p95=timedelta(seconds=30))
LIMITS = fl.Limits(steps=200)


@fl.workflow(
    intent="Do one thing after another",
    owner="group:default/conformance",
    input=list[str],
    output=list[str],
    tools=[look, put, pay, charge],
    slo=SLO,
    limits=LIMITS,
)
async def series(run: fl.Run[list[str]], steps: list[str]) -> list[str]:
    """Each step is `TOOL:ITEM`, `approve:ITEM` for a charge that a person allows, or `sleep:S`."""
    done: list[str] = []
    for step in steps:
        verb, _, item = step.partition(":")
        if verb == "sleep":
            await run.sleep(timedelta(seconds=float(item)))
        elif verb == "approve":
            done.append(await run.approve(charge, item))
        else:
            done.append(await run.call(TOOLS[verb], item))
    return done


@fl.workflow(
    intent="Do several series side by side",
    owner="group:default/conformance",
    input=list[list[str]],
    output=list[list[str]],
    tools=[look, put, pay, charge],
    slo=SLO,
    limits=LIMITS,
)
async def family(run: fl.Run[list[list[str]]], children: list[list[str]]) -> list[list[str]]:
    """Each child is a run of `series`."""
    return list(await run.gather(*[run.child(series, steps) for steps in children]))


@fl.workflow(
    intent="Say what chance gave",
    owner="group:default/conformance",
    input=int,
    output=float,
    slo=SLO,
    limits=LIMITS,
)
async def die(run: fl.Run[float], number: int) -> float:
    """Sleep the longer the smaller the number is, so that children end in another order."""
    await run.sleep(timedelta(seconds=0.3 / (1 + number)))
    return await run.random()


@fl.workflow(
    intent="Say what time, chance and children gave",
    owner="group:default/conformance",
    input=int,
    output=list[str],
    tools=[put],
    slo=SLO,
    limits=LIMITS,
)
async def dice(run: fl.Run[list[str]], rounds: int) -> list[str]:
    """Each round asks for everything that a replay must repeat, and streams what it got."""
    said: list[str] = []

    def see(what: str, value: object) -> None:
        said.append(f"{what}={value}")
        entry = {"run": run.context.run_id, "place": len(said), "value": said[-1]}
        append(SEEN, {**entry, "pid": os.getpid()})

    for number in range(rounds):
        see("now", (await run.now()).isoformat())
        see("random", await run.random())
        see("uuid", await run.uuid())
        see("step", await run.step(os.getpid))
        see("gather", list(await run.gather(*[run.child(die, child) for child in range(2)])))
        await run.sleep(timedelta(seconds=0.05))
        item = await run.call(put, f"{number}:{said[-1]}")
        see("put", item)
        await run.stream({"number": number, "said": said[-1]})
    return said


app = fl.App("conformance", workflows=[series, family, die, dice])
