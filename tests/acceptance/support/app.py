"""A small app for acceptance tests: every kind of call, each with a line in a ledger outside."""

from __future__ import annotations

from pathlib import Path

LEDGER = "ledger.jsonl"
MODEL = "test:recorder"

_TOML = """\
[app]
name = "ledger"

[database]
synchronous = "normal"

[worker]
lease_s = 0.3
drain_s = 2
concurrency = CONCURRENCY

[collections.notes]
path = "notes"

[workflow.everything]
model = "test:recorder"
collection = "notes"
top_k = 3

[workflow.patient]
top_k = 3
"""

_APP = '''\
"""Calls of every kind; each body leaves a line outside of the platform."""

from datetime import timedelta

import fairlead as fl

from outside import note

SLO = fl.SLO(success=0.9, latency_p95=timedelta(seconds=10))


@fl.tool(effect="read", scope="items:read", targets=["item"])
async def look(ctx: fl.Context, item: str) -> str:
    """Look at an item."""
    note("tool look", ctx)
    return item


@fl.tool(effect="idempotent", scope="items:write", targets=["item"])
async def put(ctx: fl.Context, item: str) -> str:
    """Put an item in its place."""
    note("tool put", ctx)
    return item


@fl.tool(effect="once", scope="money:write", targets=["item"])
async def pay(ctx: fl.Context, item: str) -> str:
    """Pay for an item."""
    note("tool pay", ctx)
    return item


@fl.workflow(
    intent="Make a call of every kind",
    owner="group:default/tests",
    input=str,
    output=str,
    model="test:recorder",
    prompt="everything.md",
    tools=[look, put, pay],
    memory=fl.Memory(semantic=fl.Recall("notes", top_k=3)),
    slo=SLO,
)
async def everything(run: fl.Run[str], item: str) -> str:
    """Calls 1 to 3 are tools, 4 a retrieval; turn 5 asks for tools 6 and 7, turn 8 answers."""
    await run.call(look, item)
    await run.call(put, item)
    await run.call(pay, item)
    return (await run.answer(item)).unwrap()


@fl.workflow(
    intent="Wait, then ask the model",
    owner="group:default/tests",
    input=float,
    output=str,
    model="test:recorder",
    prompt="everything.md",
    memory=fl.Memory(semantic=fl.Recall("notes", top_k=3)),
    slo=SLO,
)
async def patient(run: fl.Run[str], seconds: float) -> str:
    """Wait durably, then walk the request path."""
    await run.sleep(timedelta(seconds=seconds))
    return (await run.answer(seconds, question="item under load")).unwrap()


@fl.workflow(
    intent="Call, wait, call",
    owner="group:default/tests",
    input=float,
    output=str,
    tools=[look],
    slo=SLO,
)
async def nap(run: fl.Run[str], seconds: float) -> str:
    """Look, wait durably, and look again."""
    await run.call(look, "before")
    await run.sleep(timedelta(seconds=seconds))
    return await run.call(look, "after")


app = fl.App("ledger", workflows=[everything, patient, nap])
'''

OUTSIDE = '''\
"""The world outside: a ledger that survives the process that wrote it."""

import json
import os
from pathlib import Path

import fairlead as fl

LEDGER = Path(__file__).with_name("ledger.jsonl")


def note(what: str, ctx: fl.Context, **more: object) -> None:
    """Append one line; it is with the system before the next statement runs."""
    entry = {"what": what, "run": ctx.run_id, "key": ctx.idempotency_key, "pid": os.getpid()}
    with LEDGER.open("a") as ledger:
        ledger.write(json.dumps({**entry, **more}) + "\\n")
'''

_NOTES = "# Notes\n\nAn item under load is an item that works.\n"


def write_app(folder: Path, *, concurrency: int = 1) -> Path:
    """Write the app into a folder.

    Args:
        folder: Where; it is made.
        concurrency: Most runs that one worker executes at the same time.
    """
    files = {
        "fairlead.toml": _TOML.replace("CONCURRENCY", str(concurrency)),
        "app.py": _APP,
        "outside.py": OUTSIDE,
        "notes/notes.md": _NOTES,
        "prompts/everything.md": "Answer.\n",
        "policies/all.cedar": '@id("all")\npermit (principal, action, resource);\n',
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
