"""Right uses of the product lane; both checkers accept every line."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, assert_type

import fairlead as fl


@dataclass(frozen=True)
class RefundRequest:
    """What a customer asks."""

    order_id: str
    question: str


@dataclass(frozen=True)
class Refund:
    """What is decided."""

    order_id: str
    amount_eur: Decimal


@fl.tool(effect="read", scope="orders:read", rate=fl.Rate(10, per_s=1.0))
async def find_order(ctx: fl.Context, order_id: str, *, deep: bool = False) -> dict[str, str]:
    """Look an order up."""
    return {"order_id": order_id, "key": ctx.idempotency_key, "deep": str(deep)}


@fl.tool(effect="once", scope="refunds:write", targets=["order_id"])
async def issue_refund(ctx: fl.Context, order_id: str, amount_eur: Decimal) -> str:
    """Pay one order back."""
    return f"{ctx.run_id} {order_id} {amount_eur}"


@fl.guardrail(stage="output", on_fail="escalate", samples=[fl.Sample(passes=True)])
def is_small(_: fl.Context, draft: fl.Draft[Refund]) -> fl.Verdict:
    """A refund is small."""
    return fl.PASS if draft.output.amount_eur < 100 else fl.fail("too large")


@fl.guardrail(stage="input", on_fail="block")
def is_short(_: fl.Context, request: fl.Request) -> fl.Verdict:
    """A question is short."""
    return fl.PASS if len(request.question) < 500 else fl.fail("too long")


@fl.workflow(
    intent="Decide refund requests within policy",
    owner="group:default/support",
    input=RefundRequest,
    output=Refund,
    prompt="refund.md",
    model="openai:gpt-5",
    tools=[find_order, issue_refund],
    guardrails=[is_short, is_small, fl.grounded],
    memory=fl.Memory(semantic=fl.Recall("refund-policy", top_k=5)),
    limits=fl.Limits(steps=12, cost_usd=0.20, wall_time=timedelta(minutes=5)),
    slo=fl.SLO(success=0.99, latency_p95=timedelta(seconds=20)),
)
async def refund(run: fl.Run[Refund], request: RefundRequest) -> Refund:
    """Decide one request."""
    order = await run.call(find_order, request.order_id, deep=True)
    assert_type(order, dict[str, str])
    assert_type(await run.flag("fast", default=False), bool)
    assert_type(await run.flag_details("tone", "plain"), fl.FlagDetails[str])
    outcome = await run.answer(request)
    assert_type(outcome, fl.Outcome[Refund])
    decided = outcome.unwrap()
    receipt = await run.call(issue_refund, request.order_id, amount_eur=decided.amount_eur)
    assert_type(receipt, str)
    await run.sleep(timedelta(seconds=1))
    return decided


READ_FILE = fl.mcp("files", "read_file")


@fl.workflow(
    intent="Read",
    owner="group:default/docs",
    input=str,
    output=str,
    tools=[READ_FILE, find_order],
    slo=fl.SLO(success=0.99, latency_p95=timedelta(seconds=1)),
)
async def read(run: fl.Run[str], path: str) -> str:
    """A tool of an MCP server stands beside one of the app; what it returns is JSON."""
    assert_type(await run.call(READ_FILE, path=path), Any)
    assert_type(await run.approve(READ_FILE, path=path), Any)
    return path


@fl.workflow(
    intent="Count words",
    owner="group:default/docs",
    input=str,
    output=int,
    slo=fl.SLO(success=0.999, latency_p95=timedelta(seconds=1)),
)
async def count(run: fl.Run, text: str) -> int:
    """A workflow needs no model, and `fl.Run` alone will do."""
    assert_type(await run.answer(text), fl.Outcome[Any])
    return len(text.split())


assert_type(refund, fl.Workflow[RefundRequest, Refund])
app = fl.App("support", workflows=[refund, count])
