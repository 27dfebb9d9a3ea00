"""How long one `run.answer` takes on 1,000 documents, beside one durable insert.

The time runs from the run's start on a worker to its recorded end: admission, retrieval, the model
turn, the guardrails, and every journaled step in between, with `synchronous=full`. The wait in the
queue is shown apart. The floor is one committed insert into the same database in the same run.
`help_p50_ms` is how long `fairlead --help` takes, beside a Python that does nothing.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.bench_app import example_app, quantile
from fairlead import Principal
from fairlead.core.event import Fact
from fairlead.operations import Platform, Release

DOCUMENTS = 1000
QUESTIONS = 100
COMMANDS = 20
_SUBJECTS = (
    "pump",
    "valve",
    "winch",
    "anchor",
    "mast",
    "rudder",
    "engine",
    "cabin",
    "hatch",
    "keel",
)
_VERBS = ("is checked", "is oiled", "is replaced", "is painted", "is tightened", "is measured")


def main() -> None:
    """Ask the questions one after another and print the figures."""
    chance = random.Random(7)
    with example_app(_documents(chance)) as (platform, release):
        waits, times = asyncio.run(_ask(platform, release, chance))
        floor = _floor(platform)
    figures = {
        "documents": DOCUMENTS,
        "questions": QUESTIONS,
        "p50_ms": round(quantile(times, 0.5), 1),
        "p95_ms": round(quantile(times, 0.95), 1),
        "queue_p50_ms": round(quantile(waits, 0.5), 1),
        "floor_p50_ms": round(quantile(floor, 0.5), 2),
        "ratio_p50": round(quantile(times, 0.5) / quantile(floor, 0.5), 1),
        "help_p50_ms": _command_ms(str(Path(sys.executable).with_name("fairlead")), "--help"),
        "python_p50_ms": _command_ms(sys.executable, "-c", "pass"),
    }
    print(json.dumps(figures))


def _documents(chance: random.Random) -> dict[str, str]:
    def text(number: int) -> str:
        lines = [
            f"The {chance.choice(_SUBJECTS)} of ship {number} {chance.choice(_VERBS)} every "
            f"{chance.randint(2, 90)} days by crew {chance.randint(1, 40)}."
            for _ in range(12)
        ]
        return f"# Ship {number}\n\n" + "\n".join(lines) + "\n"

    return {f"ship-{number:04d}.md": text(number) for number in range(DOCUMENTS)}


async def _ask(
    platform: Platform, release: Release, chance: random.Random
) -> tuple[list[float], list[float]]:
    waits, times = [], []
    for _ in range(QUESTIONS):
        question = (
            f"How often is the {chance.choice(_SUBJECTS)} of ship {chance.randrange(1000)} checked?"
        )
        run = platform.admission.start(
            release, "answer", {"question": question}, principal=Principal(user="bench")
        )
        ended = await platform.admission.wait(run.id, 60.0)
        started = ended.started_at or 0.0
        waits.append((started - ended.created_at) * 1000)
        times.append(((ended.finished_at or 0.0) - started) * 1000)
    return waits, times


def _floor(platform: Platform) -> list[float]:
    times = []
    for number in range(100):
        began = time.perf_counter()
        platform.events.append([Fact(chain=f"floor:{number}", type="documents.ingested")])
        times.append((time.perf_counter() - began) * 1000)
    return times


def _command_ms(*command: str) -> float:
    times = []
    for _ in range(COMMANDS):
        began = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        times.append((time.perf_counter() - began) * 1000)
    return round(quantile(times, 0.5), 1)


if __name__ == "__main__":
    main()
