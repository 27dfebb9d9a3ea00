"""A workflow of one call, which leaves a line outside, and a budget for it."""

import asyncio
import json
import os
import time
from datetime import timedelta
from pathlib import Path

import fairlead as fl

LEDGER = Path(__file__).with_name("ledger.jsonl")


@fl.tool(effect="read", scope="items:read")
async def spend(ctx: fl.Context) -> int:
    """Write a line in one write, as the world outside that is called."""
    line = json.dumps({"run": ctx.run_id, "pid": os.getpid()}).encode() + b"\n"
    ledger = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(ledger, line)
    finally:
        os.close(ledger)
    await asyncio.sleep(0.05)
    return 1


@fl.workflow(
    intent="Spend what a budget allows",
    owner="group:default/benchmarks",
    input=float,
    output=int,
    tools=[spend],
    slo=fl.SLO(success=0.99, latency_p95=timedelta(minutes=1)),
)
async def spending(run: fl.Run[int], at: float) -> int:
    """Spend once, at the same moment as all other runs of the round."""
    await asyncio.sleep(max(at - time.time(), 0.0))
    return await run.call(spend)


app = fl.App("budget", workflows=[spending])
