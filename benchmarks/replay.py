"""How many recorded runs are replayed in a second, with all answers from the recording.

An app of one workflow looks an order up, asks a model with tools for an answer, and pays: three
calls, and each body leaves a line in a file. Its runs are recorded by a real worker on SQLite. Then
they are replayed twice by the product's own verb: on their own release (A/A), and on a candidate
whose limits differ. The time is that of the whole verb: recordings are read, rules compiled, runs
executed, and evidence counted. `effects_executed` counts lines that were written while it lasted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from fairlead import Principal
from fairlead.operations import (
    Platform,
    Release,
    ReplayOptions,
    ReplaySelection,
    ReplayTerms,
    create_release,
    load_settings,
    open_platform,
    replay_runs,
    working,
)

RUNS = 200
ROUNDS = 3

_TOML = """\
[app]
name = "bench"

[database]
synchronous = "normal"

[worker]
concurrency = 8
"""

_APP = '''\
"""A workflow that asks a model with tools, and pays."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel

import fairlead as fl

BOOK = Path(__file__).parent / "book.txt"


def note(what: str) -> None:
    """Leave a line."""
    with BOOK.open("a") as book:
        book.write(what + "\\n")


@fl.tool(effect="read", scope="orders:read")
async def look(ctx: fl.Context, order: str) -> dict[str, Any]:
    """Look an order up."""
    note("look")
    return {"order": order, "cents": 4000, "lines": ["lamp", "shade"]}


@fl.tool(effect="once", scope="money:write", targets=["order"])
async def pay(ctx: fl.Context, order: str, cents: int) -> str:
    """Pay an order back."""
    note("pay")
    return f"paid {order} {cents}"


def says(messages: Any, info: Any) -> ModelResponse:
    """Answer."""
    note("model")
    return ModelResponse(parts=[TextPart("It is paid back.")])


SAYS = Agent(FunctionModel(says, model_name="s"), name="says")


@fl.workflow(
    intent="Pay orders back",
    owner="group:default/bench",
    slo=fl.SLO(success=0.9, latency_p95=timedelta(seconds=10)),
    input=str,
    output=str,
    model=SAYS,
    tools=[look, pay],
)
async def refund(run: fl.Run[str], order: str) -> str:
    """Look the order up, ask a model, then pay."""
    found = await run.call(look, order.split()[-1])
    said = (await run.answer(order)).unwrap()
    await run.call(pay, found["order"], found["cents"])
    return said


app = fl.App("bench", workflows=[refund])
'''


def main() -> None:
    """Replay the runs and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="how many runs")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often; the median counts")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="fairlead-bench-") as folder:
        figures = measure(Path(folder), options.runs, options.rounds)
    print(json.dumps(figures))


def measure(folder: Path, runs: int, rounds: int) -> dict[str, Any]:
    """Record runs, replay them, and return the figures."""
    files = {
        "fairlead.toml": _TOML,
        "app.py": _APP,
        "policies/all.cedar": '@id("all")\npermit (principal, action, resource);\n',
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    with open_platform(load_settings(folder)) as platform:
        release, _ = create_release(platform)
        record(platform, release, runs)
        toml = folder / "fairlead.toml"
        toml.write_text(_TOML + "\n[workflow.refund.limits]\nsteps = 30\n", encoding="utf-8")
    with open_platform(load_settings(folder)) as platform:
        candidate, _ = create_release(platform)
        book = folder / "book.txt"
        written = len(book.read_text(encoding="utf-8").splitlines())
        rates, same = [], []
        for _ in range(rounds):
            begun = monotonic()
            report = replay_runs(
                platform,
                candidate.digest,
                ReplaySelection(runs=runs),
                ReplayOptions(terms=ReplayTerms(model="recorded")),
            )
            rates.append(report.replays / (monotonic() - begun))
            same.append(report.noise["same"] / len(report.runs))
            print(f"{rates[-1]:>8.0f} replays in a second  {report.verdicts} {report.conclusion}")
        effects = len(book.read_text(encoding="utf-8").splitlines()) - written
    return {
        "runs": runs,
        "rounds": rounds,
        "calls_per_run": 3,
        "replays": report.replays,
        "replays_per_s": round(sorted(rates)[len(rates) // 2], 1),
        "effects_executed": effects,
        "aa_same": min(same),
        "candidate_same": report.verdicts["same"] / len(report.runs),
        "conclusion": report.conclusion,
    }


def record(platform: Platform, release: Release, runs: int) -> None:
    """Let a worker execute runs."""

    async def wait(ids: list[str]) -> None:
        for run_id in ids:
            ended = await platform.admission.wait(run_id, 300.0)
            if ended.state != "succeeded":
                raise SystemExit(f"run {run_id} {ended.state}: {ended.reason}")

    with working(platform, release):
        ids = [
            platform.admission.start(
                release, "refund", f"pay back order A-{number}", principal=Principal()
            ).id
            for number in range(runs)
        ]
        asyncio.run(wait(ids))


if __name__ == "__main__":
    main()
