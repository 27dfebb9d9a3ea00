"""Wrong uses of the product lane; both checkers refuse each line that is marked."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import fairlead as fl

SLO = fl.SLO(success=0.99, latency_p95=timedelta(seconds=20))


@dataclass(frozen=True)
class Refund:
    """What is decided."""

    amount_eur: Decimal


@dataclass(frozen=True)
class Letter:
    """Something else."""

    text: str


@fl.tool(effect="sometimes", scope="x")  # wrong: no such effect
async def unknown_effect(_: fl.Context) -> str:
    """Do something."""
    return ""


@fl.tool(effect="read")  # wrong: a contract names its scope
async def no_scope(_: fl.Context) -> str:
    """Do something."""
    return ""


@fl.tool(effect="read", scope="x")  # wrong: a tool is async
def not_async(_: fl.Context, order_id: str) -> str:
    """Do something."""
    return order_id


@fl.tool(effect="read", scope="x")
async def find(_: fl.Context, order_id: str) -> int:
    """Find something."""
    return len(order_id)


@fl.guardrail(stage="output", on_fail="ignore")  # wrong: no such consequence
def unknown_consequence(_: fl.Context, draft: fl.Draft[Refund]) -> fl.Verdict:
    """Check something."""
    return fl.PASS


@fl.guardrail(stage="output", on_fail="block")
def reads_letters(_: fl.Context, draft: fl.Draft[Letter]) -> fl.Verdict:
    """Check a letter."""
    return fl.PASS if draft.output.text else fl.fail("empty")


@fl.workflow(intent="x", input=str, output=Refund, slo=SLO)  # wrong: nobody owns it
async def no_owner(run: fl.Run[Refund], text: str) -> Refund:
    """Nobody answers for this."""
    return (await run.answer(text)).unwrap()


@fl.workflow(intent="x", owner="y", input=str, output=Refund)  # wrong: it has no objective
async def no_slo(run: fl.Run[Refund], text: str) -> Refund:
    """Nobody knows when this is bad."""
    return (await run.answer(text)).unwrap()


@fl.workflow(
    intent="x",
    owner="y",
    input=str,
    output=Refund,
    slo=SLO,
    guardrails=[reads_letters],  # wrong: it checks another output
)
async def other_guardrail(run: fl.Run[Refund], text: str) -> Refund:
    """The guardrail would see a refund."""
    return (await run.answer(text)).unwrap()


@fl.workflow(intent="x", owner="y", input=str, output=Refund, slo=SLO)  # wrong: returns a letter
async def other_output(run: fl.Run[Refund], text: str) -> Letter:
    """The body returns something else."""
    return Letter(text=text)


@fl.workflow(intent="x", owner="y", input=str, output=int, slo=SLO)
async def calls(run: fl.Run[int], text: str) -> int:
    """Calls with wrong arguments and wrong hopes."""
    await run.call(find, 7)  # wrong: an order id is text
    await run.call(find, text, amount=1)  # wrong: no such argument
    name: str = await run.call(find, text)  # wrong: it finds a number
    await run.call(fl.mcp("files", "read"), text)  # wrong: its arguments go by name
    await run.sleep(5)  # wrong: a duration has a unit
    await run.flag("fast")  # wrong: it has no default
    return len(name)


app = fl.App("support", workflows=[find])  # wrong: a tool is no workflow
