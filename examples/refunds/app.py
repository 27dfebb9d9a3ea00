"""Pays orders back: once, within policy, and with a person's consent where it is much."""

from dataclasses import dataclass
from datetime import timedelta

import shop
from clerk import desk_agent

import fairlead as fl


@dataclass(frozen=True)
class Order:
    """An order, as the shop knows it."""

    paid_cents: int
    mail: str
    note: str


@dataclass(frozen=True)
class Refund:
    """What a customer asks for."""

    order_id: str
    cents: int


# The shop's own fields may be trusted. The note is the customer's text, whoever that is.
ORDER_LABELS = {
    "paid_cents": fl.Label(readers=("tenant",)),
    "mail": fl.Label(readers=("tenant",)),
    "note": fl.Label(integrity="untrusted", readers=("tenant",)),
}


@fl.tool(effect="read", scope="orders:read", targets=["order_id"], labels=ORDER_LABELS)
async def find_order(_: fl.Context, order_id: str) -> Order:
    """Look an order up."""
    found = shop.order(order_id)
    if found is None:
        raise fl.ToolFailed(f"there is no order {order_id}")
    return Order(**found)


async def find_refund(
    ctx: fl.Context, order_id: str, cents: int
) -> fl.Happened[str] | fl.NotHappened:
    """Find out whether money was paid back."""
    found = shop.payment(ctx.idempotency_key, order_id, cents)
    return fl.Happened(found) if found else fl.NOT_HAPPENED


@fl.tool(
    effect="once",
    scope="refunds:write",
    targets=["order_id"],
    payload=["cents"],
    key=["order_id"],
    reconcile=find_refund,
    labels={"": fl.Label(readers=("tenant",))},
)
async def issue_refund(ctx: fl.Context, order_id: str, cents: int) -> str:
    """Pay an order back."""
    return shop.pay(ctx.idempotency_key, order_id, cents)


@fl.tool(
    effect="idempotent",
    scope="mail:send",
    targets=["address"],
    payload=["text"],
    egress=True,
    labels={"": fl.Label(readers=("tenant",))},
)
async def tell_customer(ctx: fl.Context, address: str, text: str) -> bool:
    """Mail a customer."""
    shop.mail(ctx.idempotency_key, address, text)
    return True


TOOLS = [find_order, issue_refund, tell_customer]


@fl.workflow(
    intent="Pay an order back within policy, once, and tell the customer",
    owner="group:default/support",
    input=Refund,
    output=str,
    tools=TOOLS,
    memory=fl.Memory(remember=fl.Remember(["episodic"])),
    limits=fl.Limits(steps=8, cost_usd=0.05, wall_time=timedelta(minutes=5)),
    slo=fl.SLO(success=0.99, latency_p95=timedelta(seconds=20)),
)
async def refund(run: fl.Run[str], request: Refund) -> str:
    """Plain code decides what is done; the policies decide whether it may be."""
    order = await run.call(find_order, request.order_id)
    cents = min(request.cents, order.paid_cents)
    paid = await run.call(issue_refund, request.order_id, cents)
    done = f"We paid a refund of {cents / 100:.2f} EUR for order {request.order_id}."
    await run.call(tell_customer, order.mail, done)
    await run.memory.remember(done, kind="episodic", subject=order.mail)
    return paid


@fl.workflow(
    intent="Answer a customer's message about an order, and pay it back where that is right",
    owner="group:default/support",
    input=str,
    output=str,
    model=desk_agent,
    tools=TOOLS,
    memory=fl.Memory(remember=fl.Remember(["episodic"], grounding=True)),
    limits=fl.Limits(steps=12, cost_usd=0.20, wall_time=timedelta(minutes=5)),
    slo=fl.SLO(success=0.95, latency_p95=timedelta(seconds=30)),
)
async def desk(run: fl.Run[str], message: str) -> str:
    """A model decides what is done; the same policies decide whether it may be."""
    return (await run.answer(message)).unwrap()


app = fl.App("refunds", workflows=[refund, desk])
