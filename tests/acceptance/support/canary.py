"""An app that tries to get secrets into the record in every way that there is."""

from __future__ import annotations

from pathlib import Path

AWS = "AKIA" + "CANARY4711ZZZZZZ"
GITHUB = "ghp_" + "c4nAry" * 6
NAMED = "Zx81kQmN02pLsT5vCanary"
HANDLE = "handle of the canary, in plain words"
"""Is a secret by its value alone: it has no form, and no name stands before it."""

CANARIES = (AWS, GITHUB, NAMED, HANDLE)
TEXT = f"my key is {AWS}, api_key = {NAMED} and {GITHUB}."

_TOML = """\
[app]
name = "canary"
module = "app.py:app"

[database]
synchronous = "normal"

[collections.notes]
path = "documents"

[workflow.answer]
model = "fairlead:extractive"
"""

_APP = '''\
"""Leaks wherever it can."""

import logging
import os
from datetime import timedelta

import fairlead as fl

for name in (None, "dbos", "sqlalchemy.engine", "httpx", "pydantic_ai", "asyncio", "alembic"):
    logging.getLogger(name).setLevel(logging.DEBUG)

TEXT = os.environ["CANARY_TEXT"]
KEY = fl.Secret("CANARY_HANDLE")
SLO = fl.SLO(success=0.9, latency_p95=timedelta(seconds=10))
COMMON = {"intent": "Test", "owner": "group:default/tests", "slo": SLO}
GOT: list[str] = []


@fl.tool(effect="read", scope="a:read")
async def returns(ctx: fl.Context, how: str) -> dict[str, str]:
    """Return secrets."""
    return {"text": TEXT, TEXT: "as a name", "password": TEXT.split()[-3]}


@fl.tool(effect="once", scope="a:write", targets=["note"])
async def pays(ctx: fl.Context, note: str) -> str:
    """Get a secret in plain; the body sees it."""
    assert note == TEXT, "the body gets what the code gave"
    return note


@fl.tool(effect="read", scope="a:read")
async def fails(ctx: fl.Context) -> str:
    """Raise a secret."""
    logging.getLogger("app").warning("about to fail with %s", TEXT)
    raise ValueError(TEXT)


@fl.tool(effect="read", scope="a:read", secrets=[KEY])
async def hands_back(ctx: fl.Context, broken: bool) -> str:
    """Give away what it was handed."""
    if broken:
        raise ValueError(f"bad credentials: {ctx.secret(KEY)}")
    return f"used {ctx.secret(KEY)}"


def computes() -> str:
    """Return a secret from a step."""
    return TEXT


@fl.workflow(**COMMON, input=str, output=str)
async def inner(run: fl.Run[str], text: str) -> str:
    """Say what was said."""
    return text + TEXT


@fl.workflow(**COMMON, input=str, output=str, tools=[returns, pays, fails, hands_back])
async def leak(run: fl.Run[str], text: str) -> str:
    """Leak."""
    await run.call(returns, "plain")
    await run.call(pays, TEXT)
    await run.step(computes)
    for call in (run.call(fails), run.call(hands_back, True)):
        try:
            await call
        except fl.FairleadError:
            pass
    said = await run.call(hands_back, False)
    await run.stream({"said": TEXT, TEXT: said})
    await run.child(inner, TEXT)
    heard = await run.signal("word", str)
    try:
        await run.approve(pays, TEXT)
    except fl.FairleadError:
        pass
    return heard + TEXT


@fl.workflow(**COMMON, input=str, output=str)
async def breaks(run: fl.Run[str], text: str) -> str:
    """Raise a secret from its own code."""
    raise RuntimeError(TEXT)


@fl.workflow(**COMMON, input=str, output=fl.Answer, model="fairlead:extractive",
             memory=fl.Memory(semantic=fl.Recall("notes")))
async def answer(run: fl.Run[fl.Answer], text: str) -> fl.Answer:
    """Answer from documents that hold secrets."""
    return (await run.answer(text)).answer or fl.Answer(text=TEXT)


app = fl.App("canary", workflows=[leak, breaks, answer, inner])
'''


def make(folder: Path) -> None:
    """Write the app into a folder."""
    for name, text in {
        "fairlead.toml": _TOML,
        "app.py": _APP,
        "policies/all.cedar": '@id("all")\npermit (principal, action, resource);\n',
        "documents/notes.md": f"# Notes\n\nThe access to the store: {TEXT} Keep it.\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
