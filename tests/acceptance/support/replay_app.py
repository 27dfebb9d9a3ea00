"""An app that does everything that a replay must not do: each body leaves a line in a file."""

from __future__ import annotations

from pathlib import Path

BOOK = "book.txt"

_TOML = """\
[app]
name = "desk"

[database]
synchronous = "normal"

[worker]
lease_s = 5
drain_s = 2
concurrency = 4
"""

_APP = '''\
"""Everything that a run can do to the outside."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel

import fairlead as fl

BOOK = Path(__file__).parent / "book.txt"
COMMON = {
    "intent": "Test",
    "owner": "group:default/tests",
    "slo": fl.SLO(success=0.9, latency_p95=timedelta(seconds=10)),
}
KINDS = ["semantic", "working"]


def note(what: str) -> None:
    """Leave a line."""
    with BOOK.open("a") as book:
        book.write(what + "\\n")


@fl.tool(effect="read", scope="orders:read")
async def look(ctx: fl.Context, order: str) -> dict[str, Any]:
    """Look an order up."""
    note("look")
    return {"order": order, "cents": 4000}


@fl.tool(effect="once", scope="money:write", targets=["order"])
async def unpay(ctx: fl.Context, order: str) -> str:
    """Take a payment back."""
    note("unpay")
    return "unpaid " + order


@fl.tool(effect="once", scope="money:write", targets=["order"], compensate=unpay)
async def pay(ctx: fl.Context, order: str, cents: int) -> str:
    """Pay an order back."""
    note("pay")
    return f"paid {order} {cents}"


@fl.tool(effect="once", scope="money:write", targets=["order"], key=["order"], compensate=unpay)
async def charge(ctx: fl.Context, order: str) -> str:
    """Charge an order once, whoever asks for it."""
    note("charge")
    return "charged " + order


def stamped() -> str:
    """A step of the workflow's own code."""
    note("step")
    return "stamped"


def says(messages: Any, info: Any) -> ModelResponse:
    """Answer as the prompt says."""
    note("model")
    if DOWN.exists():
        raise ModelHTTPError(status_code=503, model_name="s")
    asked = str(messages[-1].parts[-1].content)
    rude = "rude" in (info.instructions or "") and "angry" in asked
    return ModelResponse(parts=[TextPart("go away" if rude else "gladly")])


DOWN = Path(__file__).parent / "down"
SAYS = Agent(FunctionModel(says, model_name="s"), name="says")


@fl.guardrail(stage="output", on_fail="block")
def is_kind(ctx: fl.Context, draft: fl.Draft[str]) -> fl.Verdict:
    """Nobody is sent away."""
    return fl.fail("it sends somebody away") if "away" in draft.output else fl.PASS


ONCE = fl.Limits(attempts=1)


@fl.workflow(
    **COMMON,
    input=str,
    output=str,
    prompt="reply.md",
    model=SAYS,
    guardrails=[is_kind],
    limits=ONCE,
)
async def reply(run: fl.Run[str], letter: str) -> str:
    """Reply to a letter."""
    return (await run.answer(letter)).unwrap()


REMEMBERS = fl.Memory(remember=fl.Remember(KINDS))


@fl.workflow(**COMMON, input=str, output=str, memory=REMEMBERS)
async def clerk(run: fl.Run[str], order: str) -> str:
    """What a child does."""
    await run.memory.remember("a clerk saw order " + order)
    return "seen " + order


@fl.workflow(
    **COMMON, input=dict[str, Any], output=Any, tools=[look, pay, unpay], memory=REMEMBERS
)
async def everything(run: fl.Run[Any], given: dict[str, Any]) -> Any:
    """Do all of it."""
    order = given["order"]
    found = await run.call(look, order)
    drawn = [str(await run.now()), await run.random(), str(await run.uuid())]
    known = [one.item.text for one in await run.memory.recall("which orders came in?")]
    stamp = await run.step(stamped)
    await run.memory.remember("order came in " + order)
    seen = await run.child(clerk, order)
    await run.stream({"order": order})
    paid = await run.approve(pay, order, found["cents"])
    said = await run.signal("go", str, within=timedelta(seconds=60))
    return [paid, said, seen, stamp, known, drawn]


@fl.workflow(**COMMON, input=str, output=Any, memory=REMEMBERS)
async def ask(run: fl.Run[Any], question: str) -> Any:
    """Recall, as much as the release says."""
    return [one.item.text for one in await run.memory.recall(question)]


@fl.workflow(**COMMON, input=str, output=str, tools=[pay, unpay])
async def regret(run: fl.Run[str], order: str) -> str:
    """Pay, and fail after it."""
    await run.call(pay, order, 1)
    raise ValueError("no")


@fl.workflow(**COMMON, input=str, output=str, tools=[charge, unpay])
async def charged(run: fl.Run[str], words: str) -> str:
    """Charge the order, which another run may have done."""
    said = await run.call(charge, words.split()[0])
    if "fail" in words:
        raise ValueError("no")
    return said


@fl.workflow(**COMMON, input=str, output=Any, tools=[look])
async def talk(run: fl.Run[Any], words: str) -> Any:
    """Say what was said before."""
    return [turn.question for turn in run.history.turns]


@fl.workflow(**COMMON, input=str, output=str)
async def echo(run: fl.Run[str], words: str) -> str:
    """Return a key that stands in the code, as nobody should."""
    return "the key is ghp_" + "a1B2c3D4e5" * 3 + "f6G7h8"


app = fl.App("desk", workflows=[reply, clerk, everything, ask, regret, charged, talk, echo])
'''


def write_replay_app(folder: Path, *, concurrency: int = 4) -> Path:
    """Write the app into a folder.

    Args:
        folder: Where; it is made.
        concurrency: Most runs that one worker executes at the same time.
    """
    files = {
        "fairlead.toml": _TOML.replace("concurrency = 4", f"concurrency = {concurrency}"),
        "app.py": _APP,
        "prompts/reply.md": "Reply kindly.\n",
        "policies/all.cedar": '@id("all")\npermit (principal, action, resource);\n',
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def lines(folder: Path) -> list[str]:
    """Return what bodies wrote so far."""
    path = folder / BOOK
    return path.read_text().splitlines() if path.exists() else []
