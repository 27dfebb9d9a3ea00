"""An app with flags: those of its release, or those of a provider that changes its mind."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.support.app import OUTSIDE

_TOML = """\
[app]
name = "flagged"

[database]
synchronous = "normal"

[worker]
lease_s = 0.3
drain_s = 2
concurrency = CONCURRENCY

[flags]
tone = "plain"
"""

_APP = '''\
"""Asks for a flag, uses it in a call, waits, and uses it again."""

from datetime import timedelta
from pathlib import Path

import fairlead as fl
from outside import note

SLO = fl.SLO(success=0.9, latency_p95=timedelta(seconds=10))
COMMON = {"intent": "Test", "owner": "group:default/tests", "slo": SLO}


@fl.tool(effect="read", scope="items:read")
async def use(ctx: fl.Context, tone: str) -> str:
    """Use a tone."""
    note("use", ctx, tone=tone)
    return tone


@fl.workflow(input=str, output=list[str], tools=[use], **COMMON)
async def speak(run: fl.Run[list[str]], _: str) -> list[str]:
    """Evaluate, use, use again."""
    tone = await run.flag("tone", default="none")
    return [await run.call(use, tone), await run.call(use, await run.flag("tone", "none"))]


@fl.workflow(input=float, output=str, tools=[use], **COMMON)
async def wait(run: fl.Run[str], seconds: float) -> str:
    """Wait first, and evaluate then."""
    await run.sleep(timedelta(seconds=seconds))
    return await run.call(use, await run.flag("tone", default="none"))


app = fl.App("flagged", workflows=[speak, wait])
'''

_PROVIDER = '''

from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider.in_memory_provider import InMemoryProvider

ASKED = Path(__file__).with_name("asked.txt")


class Fickle(InMemoryProvider):
    """Says another tone each time that it is asked, by whichever process."""

    async def resolve_string_details_async(self, flag_key, default_value, evaluation_context=None):
        with ASKED.open("a") as asked:
            asked.write(f"{evaluation_context.attributes['workflow']}\\n")
        count = len(ASKED.read_text().splitlines())
        return FlagResolutionDetails(f"tone-{count}", variant=f"v{count}", reason="SPLIT")


app = fl.App("flagged", workflows=[speak, wait], flags=Fickle({}))
'''


def write_flags_app(folder: Path, *, concurrency: int = 1) -> Path:
    """Write the app with the flags of its release into a folder."""
    return _write(folder, _APP, concurrency)


def write_provider_app(folder: Path, *, concurrency: int = 1) -> Path:
    """Write the app with a provider of its own into a folder."""
    return _write(folder, _APP + _PROVIDER, concurrency)


def _write(folder: Path, app: str, concurrency: int) -> Path:
    files = {
        "fairlead.toml": _TOML.replace("CONCURRENCY", str(concurrency)),
        "app.py": app,
        "outside.py": OUTSIDE,
        "policies/all.cedar": '@id("all")\npermit (principal, action, resource);\n',
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
