"""An app whose tools write files: whoever executes a body leaves a trace of it."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.support.cli import Cli

CONFIG = """\
[app]
name = "payer"
module = "app.py:app"

[database]
synchronous = "normal"

[gate.pay]
dataset = "evals/pay.yaml"
threshold = 0.5

"""

NAPS = """
[gate.nap]
dataset = "evals/nap.yaml"
threshold = 0.5
"""

APP = '''\
"""Pays, and leaves a trace of each body that is executed."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import fairlead as fl

VERSION = "@VERSION@"
TRACE = Path(os.environ["TRACE"])
SLO = fl.SLO(success=0.9, latency_p95=timedelta(seconds=10))
COMMON = {"intent": "Test", "owner": "group:default/tests", "slo": SLO}


@fl.tool(effect="once", scope="money:write", targets=["order"])
async def pay(ctx: fl.Context, order: str) -> dict[str, str]:
    """Pay."""
    with TRACE.open("a") as file:
        file.write(f"pay {order} {VERSION}\\n")
    return {"order": order}


@fl.tool(effect="idempotent", scope="notes:write", targets=["order"])
async def note(ctx: fl.Context, order: str) -> int:
    """Note."""
    with TRACE.open("a") as file:
        file.write(f"note {order} {VERSION}\\n")
    return 1


@fl.tool(effect="read", scope="notes:read")
async def look(ctx: fl.Context, order: str) -> str:
    """Look."""
    await asyncio.sleep(0.01)
    return VERSION


@fl.workflow(**COMMON, input=@INPUT@, output=list[str], tools=[pay, note, look])
async def pay_order(run: fl.Run[list[str]], order: @INPUT@) -> list[str]:
    """Look, pay, note, look."""
    before = await run.call(look, str(order))
    await run.call(pay, str(order))
    await run.call(note, str(order))
    return [before, await run.call(look, str(order))]


@fl.workflow(**COMMON, input=str, output=str)
async def nap(run: fl.Run[str], text: str) -> str:
    """Wait for a word that nobody says."""
    return await run.signal("word", str, within=timedelta(hours=1))


app = fl.App("payer", workflows=[pay_order, nap])
'''

CASES = """\
cases:
  - name: one
    inputs: o1
    evaluators: [{State: succeeded}]
  - name: two
    inputs: o2
    evaluators: [{State: succeeded}]
"""


def write(folder: Path, version: str, *, given: str = "str", more: str = NAPS) -> None:
    """Write the app in one version.

    Args:
        folder: The app's folder.
        version: What its code says.
        given: The type of the input.
        more: More of `fairlead.toml`; by default, that the way to wait is a part of drills.
    """
    config = CONFIG.replace("gate.pay", "gate.pay_order") + more
    for path, text in {
        "fairlead.toml": config,
        "app.py": APP.replace("@VERSION@", version).replace("@INPUT@", given),
        "policies/all.cedar": "permit(principal, action, resource);\n",
        "evals/pay.yaml": CASES,
        "evals/nap.yaml": CASES,
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def release(cli: Cli, version: str, **changes: str) -> str:
    """Make a release of a version, and let new runs start on it."""
    write(cli.folder, version, **changes)
    made: str = cli.json("release", "create")["release"]
    cli("release", "activate", made, "--override", "a test")
    return made
