"""A small app that remembers: what it is told, a summary of that, and a talk about it."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.support.app import OUTSIDE

_TOML = """\
[app]
name = "memory"

[database]
synchronous = "normal"

[worker]
lease_s = 0.5
drain_s = 2
concurrency = CONCURRENCY

[collections.notes]
path = "notes"
"""

_APP = '''\
"""Remembers, derives, recalls, and waits."""

from datetime import timedelta

import fairlead as fl

SLO = fl.SLO(success=0.9, latency_p95=timedelta(seconds=10))
COMMON = {"intent": "Test", "owner": "group:default/tests", "slo": SLO}
MEMORY = fl.Memory(remember=fl.Remember())


@fl.tool(effect="once", scope="mail:write", key=["to"])
async def mail(ctx: fl.Context, to: str, text: str) -> str:
    """Send a mail, once for ever."""
    return f"sent to {to}: {text}"


@fl.workflow(**COMMON, input=dict[str, str], output=str, memory=MEMORY)
async def tell(run: fl.Run[str], told: dict[str, str]) -> str:
    """Remember what is told of a subject, and a summary of it."""
    first = await run.memory.remember(told["text"], subject=told["subject"])
    if first.refused:
        return "refused"
    said = f"In short, {told['text']}"
    second = await run.memory.remember(said, subject="summary", derived_from=[first.id])
    return f"{first.id} {second.id}"


@fl.workflow(**COMMON, input=str, output=str, memory=MEMORY, tools=[mail])
async def ask(run: fl.Run[str], question: str) -> str:
    """Say what is known, in words and as a stream."""
    found = await run.memory.recall(question)
    said = " / ".join(one.item.text for one in found)
    await run.stream(said, name="words")
    return said


@fl.workflow(**COMMON, input=str, output=str, memory=MEMORY)
async def linger(run: fl.Run[str], question: str) -> str:
    """Recall, and wait for a word."""
    found = await run.memory.recall(question)
    heard = await run.signal("word", str, within=timedelta(minutes=5))
    return " / ".join((heard, *(one.item.text for one in found)))


app = fl.App("memory", workflows=[tell, ask, linger])
'''


def write_erasure_app(folder: Path, *, concurrency: int = 4) -> Path:
    """Write the app into a folder.

    Args:
        folder: Where; it is made.
        concurrency: Most runs that one worker executes at the same time.
    """
    files = {
        "fairlead.toml": _TOML.replace("CONCURRENCY", str(concurrency)),
        "app.py": _APP,
        "outside.py": OUTSIDE,
        "notes/a.md": "# Notes\n\nNothing of note.\n",
        "policies/all.cedar": '@id("all")\npermit (principal, action, resource);\n',
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
