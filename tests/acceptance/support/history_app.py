"""A small app whose runs leave much history: a large result, and an agent of many turns."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.support.app import OUTSIDE

_TOML = """\
[app]
name = "history"

[database]
synchronous = "normal"

[worker]
lease_s = 0.5
drain_s = 2
concurrency = CONCURRENCY

[retention]
keep_per_release = 2
"""

_APP = '''\
"""A large result, and an agent of many turns."""

from datetime import timedelta

from pydantic_ai import Agent

import fairlead as fl
from fairlead.testing import ScriptedModel

from outside import note

SLO = fl.SLO(success=0.9, latency_p95=timedelta(seconds=10))
COMMON = {"intent": "Test", "owner": "group:default/tests", "slo": SLO}


@fl.tool(effect="once", scope="items:write")
async def fetch(ctx: fl.Context, size: int) -> str:
    """Fetch much."""
    note("fetch", ctx)
    return "x" * size


@fl.tool(effect="read", scope="items:read")
async def look(ctx: fl.Context, item: str) -> str:
    """Look at an item."""
    note("look", ctx)
    return f"{item} " * 300


@fl.workflow(**COMMON, input=int, output=int, tools=[fetch, look])
async def large(run: fl.Run[int], size: int) -> int:
    """Fetch, look, and say how much it was."""
    found = await run.call(fetch, size)
    await run.call(look, "after")
    return len(found)


@fl.workflow(**COMMON, input=str, output=str)
async def echo(run: fl.Run[str], text: str) -> str:
    """Say it again."""
    return text


@fl.workflow(**COMMON, input=int, output=str)
async def words(run: fl.Run[str], size: int) -> str:
    """Answer at length."""
    return "w" * size


@fl.workflow(**COMMON, input=int, output=int, tools=[look])
async def parent(run: fl.Run[int], size: int) -> int:
    """Have a child answer at length, and look."""
    (said,) = await run.gather(run.child(words, size))
    await run.call(look, "after")
    return len(said)


def talk(turns: int) -> Agent:
    """Return an agent that looks once in each of its turns."""
    script = [[("look", {"item": f"item {turn}"})] for turn in range(turns)]
    made = Agent(ScriptedModel([*script, "done"]).model(), name="talker")

    @made.tool_plain(name="look")
    async def agents_own_tool(item: str) -> str:
        """Look at an item."""
        return f"{item} " * 300

    return made


@fl.workflow(**COMMON, input=int, output=str, tools=[look], limits=fl.Limits(steps=200))
async def agent(run: fl.Run[str], turns: int) -> str:
    """Let the agent talk."""
    return str(await run.agent(talk(turns), "look at everything"))


app = fl.App("history", workflows=[large, echo, words, parent, agent])
'''


def write_history_app(folder: Path, *, concurrency: int = 4) -> Path:
    """Write the app into a folder.

    Args:
        folder: Where; it is made.
        concurrency: Most runs that one worker executes at the same time.
    """
    files = {
        "fairlead.toml": _TOML.replace("CONCURRENCY", str(concurrency)),
        "app.py": _APP,
        "outside.py": OUTSIDE,
        "policies/all.cedar": '@id("all")\npermit (principal, action, resource);\n',
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
