"""An app whose model, or whose own code, asks for what is beyond every bound."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from fairlead.testing import Asked, Reply
from tests.acceptance.support.cli import Cli

_APP = '''\
"""Notes what it is told."""

import os
from datetime import timedelta
from typing import Any

import fairlead as fl


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


VALUES = {
    "wide": lambda: "x" * 100_000_000,
    "deep": lambda: nested(1_000),
    "deeper": lambda: nested(100_000),
    "fine": lambda: "fine",
}


@fl.tool(effect="once", scope="notes:write", targets=["what"])
async def note(_: fl.Context, what: Any) -> str:
    """Note something, where everybody can count what was really done."""
    with open(os.environ["NOTES"], "a") as file:
        file.write("noted\\n")
    return "noted"


TERMS = {
    "owner": "group:default/tests",
    "input": str,
    "output": str,
    "tools": [note],
    "slo": fl.SLO(success=0.9, latency_p95=timedelta(seconds=10)),
}


@fl.workflow(intent="Let a model note", model="openai-chat:gpt-5", **TERMS)
async def clerk(run: fl.Run[str], item: str) -> str:
    """A model decides what is noted."""
    return (await run.answer(item)).unwrap()


@fl.workflow(intent="Note", **TERMS)
async def coder(run: fl.Run[str], item: str) -> str:
    """The workflow's own code decides what is noted."""
    return await run.call(note, VALUES[item]())


@fl.workflow(intent="Note, and wait", model="openai-chat:gpt-5", **TERMS)
async def patient(run: fl.Run[str], item: str) -> str:
    """Catch what becomes of both, wait for long enough to be killed, and go on."""
    said = [(await run.answer(item)).code]
    try:
        await run.call(note, VALUES["wide"]())
    except Exception as error:
        said.append(error.code)
    await run.sleep(timedelta(seconds=4))
    return " ".join([*said, await run.call(note, "fine")])


app = fl.App("hostile", workflows=[clerk, coder, patient])
'''


def hostile_app(folder: Path, **environment: str) -> Cli:
    """Return the app with an active release.

    Args:
        folder: Where it is made.
        environment: Variables of its commands and workers.
    """
    (folder / "policies").mkdir(parents=True)
    (folder / "policies" / "all.cedar").write_text(
        '@id("everything")\npermit (principal, action, resource);\n'
    )
    (folder / "app.py").write_text(_APP)
    (folder / "fairlead.toml").write_text('[database]\nsynchronous = "normal"\n')
    cli = Cli(folder, NOTES=str(folder / "notes"), **environment)
    release = cli.json("release", "create")["release"]
    cli("release", "activate", release, "--override", "a test")
    return cli


def hostile(asked: Asked) -> Reply:
    """Answer with what the question names."""
    if '"role": "tool"' in asked.text:
        return Reply(text="end")
    if "many" in asked.text:
        return Reply(tools=[("note", {"what": f"A-{number}"}) for number in range(10_000)])
    if "deeper" in asked.text:
        return Reply(tools=[("note", '{"what": ' + "[" * 100_000 + "]" * 100_000 + "}")])
    if "deep" in asked.text:
        return Reply(tools=[("note", '{"what": ' + "[" * 1_000 + "]" * 1_000 + "}")])
    if "wide" in asked.text:
        return Reply(tools=[("note", json.dumps({"what": "x" * 100_000_000}))])
    return Reply(tools=[("note", {"what": "fine"})])


def ended(cli: Cli, run: str) -> tuple[str, str]:
    """Wait for a run's end; return its state and the code of its outcome."""
    query = "SELECT state FROM runs WHERE id = ?"
    with closing(sqlite3.connect(cli.folder / ".fairlead" / "fairlead.db", timeout=30)) as database:
        deadline = time.monotonic() + 50
        while database.execute(query, (run,)).fetchone()[0] in ("queued", "running", "waiting"):
            assert time.monotonic() < deadline, "the run did not end"
            time.sleep(0.1)
    shown: dict[str, Any] = cli.json("runs", "show", run)
    return shown["state"], shown.get("code") or (shown.get("outcome") or {}).get("code", "")
