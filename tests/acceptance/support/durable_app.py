"""A small app of everything that a durable run can wait for; each body leaves a line outside."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.support.app import OUTSIDE

_TOML = """\
[app]
name = "durable"

[database]
synchronous = "normal"

[worker]
lease_s = 0.5
drain_s = 2
concurrency = CONCURRENCY
SETTINGS
"""

_APP = '''\
"""Everything that a durable run can wait for."""

from datetime import timedelta
from pathlib import Path

import fairlead as fl

from outside import note

SLO = fl.SLO(success=0.9, latency_p95=timedelta(seconds=10))
COMMON = {"intent": "Test", "owner": "group:default/tests", "slo": SLO}
BANK = Path(__file__).with_name("bank")


async def find_payment(ctx: fl.Context, item: str) -> fl.Happened[str] | fl.NotHappened:
    """Look whether the bank has it."""
    note("probe", ctx, item=item)
    if item == "silent":
        raise ConnectionError("the bank does not answer")
    return fl.Happened(item) if (BANK / ctx.idempotency_key).exists() else fl.NOT_HAPPENED


@fl.tool(effect="once", scope="money:write", targets=["item"], reconcile=find_payment)
async def pay(ctx: fl.Context, item: str) -> str:
    """Pay; the bank remembers the key."""
    note("pay", ctx, item=item)
    BANK.mkdir(exist_ok=True)
    (BANK / ctx.idempotency_key).write_text(item)
    return item


@fl.tool(effect="idempotent", scope="items:write")
async def put_back(ctx: fl.Context, item: str, result: str) -> str:
    """Put an item back."""
    note("put_back", ctx, item=item, result=result)
    return item


@fl.tool(effect="once", scope="items:write", targets=["item"], compensate=put_back)
async def take(ctx: fl.Context, item: str) -> str:
    """Take an item."""
    note("take", ctx, item=item)
    return f"taken {item}"


@fl.tool(effect="once", scope="money:write", targets=["order"], key=["order"])
async def refund(ctx: fl.Context, order: str, amount: float) -> str:
    """Refund an order, once for ever."""
    note("refund", ctx, order=order)
    return f"refunded {order}"


@fl.tool(effect="read", scope="items:read")
async def look(ctx: fl.Context, item: str) -> str:
    """Look at an item."""
    note("look", ctx, item=item)
    return item


@fl.workflow(**COMMON, input=str, output=str, tools=[pay])
async def buy(run: fl.Run[str], item: str) -> str:
    """Pay once."""
    return await run.call(pay, item)


@fl.workflow(**COMMON, input=str, output=str, tools=[take, look])
async def saga(run: fl.Run[str], item: str) -> str:
    """Take two, then fail."""
    await run.call(take, f"{item}-1")
    await run.call(take, f"{item}-2")
    raise RuntimeError("something went wrong")


@fl.workflow(**COMMON, input=str, output=str, tools=[refund])
async def refund_order(run: fl.Run[str], order: str) -> str:
    """Refund under a business key."""
    return await run.call(refund, order, 10.0)


@fl.workflow(**COMMON, input=str, output=str, tools=[pay, look])
async def ask(run: fl.Run[str], item: str) -> str:
    """Pay when a person agrees."""
    await run.call(look, item)
    return await run.approve(pay, item)


@fl.workflow(**COMMON, input=float, output=str, tools=[look])
async def listen(run: fl.Run[str], within: float) -> str:
    """Wait for a signal."""
    await run.call(look, "before")
    heard = await run.signal("word", str, within=timedelta(seconds=within))
    await run.call(look, heard)
    return heard


@fl.workflow(**COMMON, input=int, output=int, tools=[look])
async def double(run: fl.Run[int], number: int) -> int:
    """Double a number, slowly."""
    await run.call(look, str(number))
    await run.sleep(timedelta(seconds=0.3))
    if number < 0:
        raise ValueError("negative")
    return number * 2


@fl.workflow(**COMMON, input=list[int], output=list[int], limits=fl.Limits(steps=12))
async def family(run: fl.Run[list[int]], numbers: list[int]) -> list[int]:
    """Double numbers side by side."""
    return list(await run.gather(*[run.child(double, number) for number in numbers]))


@fl.workflow(**COMMON, input=str, output=str, tools=[look])
async def chat(run: fl.Run[str], item: str) -> str:
    """Look at an item, and name all that was asked before."""
    before = " ".join(turn.question for turn in run.history.turns)
    return await run.call(look, f"{item} after {before}")


app = fl.App(
    "durable",
    workflows=[buy, saga, refund_order, ask, listen, double, family, chat],
)
'''


def write_durable_app(folder: Path, *, concurrency: int = 4, settings: str = "") -> Path:
    """Write the app into a folder.

    Args:
        folder: Where; it is made.
        concurrency: Most runs that one worker executes at the same time.
        settings: Further lines of the table `worker`.
    """
    files = {
        "fairlead.toml": _TOML.replace("CONCURRENCY", str(concurrency)).replace(
            "SETTINGS", settings
        ),
        "app.py": _APP,
        "outside.py": OUTSIDE,
        "policies/all.cedar": '@id("all")\npermit (principal, action, resource);\n',
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
