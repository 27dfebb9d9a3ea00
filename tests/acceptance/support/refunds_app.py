"""An app whose refunds a person approves, and whose policies look at who asks."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from tests.acceptance.support.cli import Cli

_APP = '''\
"""Pays refunds."""

from datetime import timedelta

import fairlead as fl


@fl.tool(effect="once", scope="refunds:write")
async def pay(ctx: fl.Context, item: str) -> str:
    """Pay one item back."""
    return f"{item} for {ctx.principal.user} of {ctx.principal.tenant}"


@fl.tool(effect="read", scope="self:read")
async def who(ctx: fl.Context) -> dict[str, object]:
    """Say who asks."""
    asker = ctx.principal
    return {
        "user": asker.user,
        "tenant": asker.tenant,
        "roles": list(asker.roles),
        "scopes": None if asker.scopes is None else list(asker.scopes),
        "issuer": asker.issuer,
    }


SLO = fl.SLO(success=0.9, latency_p95=timedelta(seconds=10))


@fl.workflow(
    intent="Pay refunds", owner="group:default/tests", input=str, output=str, tools=[pay], slo=SLO
)
async def refund(run: fl.Run[str], item: str) -> str:
    """Ask a person, then pay."""
    return await run.approve(pay, item)


@fl.workflow(
    intent="Pay small refunds",
    owner="group:default/tests",
    input=str,
    output=str,
    tools=[pay],
    slo=SLO,
)
async def small(run: fl.Run[str], item: str) -> str:
    """Pay without a question."""
    return await run.call(pay, item)


@fl.workflow(
    intent="Say who asks",
    owner="group:default/tests",
    input=str,
    output=dict[str, object],
    tools=[who],
    slo=SLO,
)
async def whoami(run: fl.Run[dict[str, object]], deep: str) -> dict[str, object]:
    """Say who asks, from a child when it is wanted."""
    return await run.child(whoami, "") if deep else await run.call(who)


app = fl.App("refunds", workflows=[refund, small, whoami])
'''
_POLICY = """\
@id("everything")
permit (principal, action, resource);

@id("no-guests")
forbid (principal, action, resource) when { principal.roles.contains("viewer") };
"""


_BASE = '[database]\nsynchronous = "normal"\n\n[worker]\ndrain_s = 2\n'


def refunds_app(folder: Path, identity: str = "") -> Cli:
    """Return a copy of the app with an active release, and with a table `[identity]`."""
    shutil.copytree(_built(), folder)
    # It is no part of a release, and nobody needed a token to make this one.
    (folder / "fairlead.toml").write_text(f"{_BASE}\n[identity]\n{identity}")
    return Cli(folder)


@cache
def _built() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="fairlead-refunds-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "policies").mkdir()
    (folder / "policies" / "all.cedar").write_text(_POLICY)
    (folder / "app.py").write_text(_APP)
    (folder / "fairlead.toml").write_text(_BASE)
    cli = Cli(folder)
    release = cli.json("release", "create")["release"]
    cli("release", "activate", release, "--override", "a test")
    return folder
