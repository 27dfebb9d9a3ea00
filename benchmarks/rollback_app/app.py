"""An app whose answers depend on one prompt file, with long runs that pay something."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel

import fairlead as fl

LEDGER = Path(__file__).with_name("ledger.jsonl")


class Asked(BaseModel):
    """A question: its number, as a word by which a request tells its run."""

    question: str


class Paid(BaseModel):
    """A payment that waits before and after."""

    number: int
    before_s: float
    after_s: float


@fl.tool(effect="once", scope="payments:write", targets=["number"])
async def pay(ctx: fl.Context, number: int) -> str:
    """Pay once; the ledger outside of the platform knows how often it really was."""
    line = {"key": ctx.idempotency_key, "run": ctx.run_id, "number": number, "at": time.time()}
    with LEDGER.open("a", encoding="utf-8") as ledger:
        ledger.write(json.dumps(line) + "\n")
    return f"paid {number}"


@fl.guardrail(stage="output", on_fail="escalate")
def is_right(_: fl.Context, draft: fl.Draft[str]) -> fl.Verdict:
    """An answer that says WRONG is not given."""
    return fl.fail("a wrong answer") if "WRONG" in str(draft.output) else fl.PASS


@fl.workflow(
    intent="Answer a numbered question",
    owner="group:default/bench",
    input=Asked,
    output=str,
    model="openai-chat:bench",
    prompt="answer.md",
    guardrails=[is_right],
    slo=fl.SLO(success=0.99, latency_p95=timedelta(seconds=60)),
)
async def answer(run: fl.Run[str], asked: Asked) -> str:
    """Ask the model once."""
    outcome = await run.answer(asked)
    return outcome.unwrap()


@fl.workflow(
    intent="Pay, with waits around it",
    owner="group:default/bench",
    input=Paid,
    output=str,
    tools=[pay],
    slo=fl.SLO(success=0.99, latency_p95=timedelta(seconds=60)),
)
async def long(run: fl.Run[str], asked: Paid) -> str:
    """Wait, pay once, and wait again: it is in flight for all that time."""
    await run.sleep(timedelta(seconds=asked.before_s))
    paid = await run.call(pay, asked.number)
    await run.sleep(timedelta(seconds=asked.after_s))
    return str(paid)


app = fl.App("rollback", workflows=[answer, long])
