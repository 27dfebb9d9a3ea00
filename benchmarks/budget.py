"""Whether a budget that many runs share is exceeded, and whether all of it can be used.

A round has 50 runs at the same time, on two worker processes, and a budget of 10 calls. Each run
makes one call. What was executed is counted in a file outside of the platform, to which the tool's
body appends one line. 20 rounds on each database. The figures:

- `admitted`: the largest number of calls that were executed in any round; it may not be above 10.
- `reached`: the smallest number, so it is 10 when the budget was used up in each round.
- `refused_rightly`: runs that were denied with FL-520, which are all others.
- `repeats`: executions of a call that was reserved before: a slow machine can cost a worker its
  lease, and then a call that only reads is executed again under its one reservation.
- `workers_min`: the fewest workers that had runs of a round.
- `events`: how many `budget.exhausted` were recorded: one for each round.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from fairlead import Principal
from fairlead.core.outcome import FINAL_STATES
from fairlead.operations import (
    Platform,
    Release,
    create_release,
    load_settings,
    open_platform,
    outcome_of_run,
)
from fairlead.testing.postgres import PostgresServer

APP = Path(__file__).with_name("budget_app")
COMMAND = str(Path(sys.executable).with_name("fairlead"))
BUDGET, RUNS, WORKERS = 10, 50, 2
ROUND_S_MAX = 120.0
START_S = 1.0
"""Runs begin to spend so long after the first one was admitted, all at once."""


def main() -> None:
    """Play the rounds and print the figures; the exit status is 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.budget")
    parser.add_argument("--rounds", type=int, default=20, help="rounds on each database")
    parser.add_argument("--only", choices=["sqlite", "postgresql"], help="on one database")
    options = parser.parse_args()
    rounds: list[Counter[str]] = []
    for kind in ("sqlite", "postgresql"):
        if options.only in (None, kind):
            with _address(kind) as url:
                rounds += _play(kind, url, options.rounds)
    figures = {
        "admitted": max(played["executed"] for played in rounds),
        "reached": min(played["executed"] for played in rounds),
        "budget": BUDGET,
        "rounds": len(rounds),
        "runs": sum(played["runs"] for played in rounds),
        "refused_rightly": sum(played["FL-520"] for played in rounds),
        "repeats": sum(played["repeats"] for played in rounds),
        "workers_min": min(played["workers"] for played in rounds),
        "events": sum(played["events"] for played in rounds),
    }
    print(json.dumps(figures))
    sys.exit(figures["admitted"] > BUDGET or figures["reached"] < BUDGET)


@contextmanager
def _address(kind: str) -> Iterator[str]:
    if kind == "sqlite":
        with TemporaryDirectory(prefix="fairlead-bench-") as folder:
            yield f"sqlite:///{folder}/budget.db"
        return
    server = PostgresServer(fsync=False)
    try:
        server.start()
        with server.database() as url:
            yield url
    finally:
        server.close()


def _play(kind: str, url: str, rounds: int) -> list[Counter[str]]:
    with TemporaryDirectory(prefix="fairlead-bench-") as temporary:
        folder = Path(temporary) / "app"
        shutil.copytree(APP, folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "ledger.jsonl").touch()
        settings = replace(load_settings(folder), database_url=url)
        with open_platform(settings) as platform:
            release, _ = create_release(platform)
            with _workers(folder, url, platform):
                found = []
                for number in range(1, rounds + 1):
                    found.append(_round(platform, release, f"round-{number}", folder))
                    print(f"{kind} round {number}: {dict(found[-1])}", flush=True)
                return found


@contextmanager
def _workers(folder: Path, url: str, platform: Platform) -> Iterator[None]:
    environment = {**os.environ, "FAIRLEAD_DATABASE_URL": url}
    started = [
        subprocess.Popen(
            [COMMAND, "worker", "--app", str(folder)], env=environment, stdout=subprocess.DEVNULL
        )
        for _ in range(WORKERS)
    ]
    try:
        _until(lambda: len(platform.workers.living(60.0)) == WORKERS, "the workers are there")
        yield
    finally:
        for worker in started:
            worker.terminate()
        for worker in started:
            worker.wait(timeout=60)


def _round(platform: Platform, release: Release, tenant: str, folder: Path) -> Counter[str]:
    principal = Principal(user="bench", tenant=tenant)
    at = time.time() + START_S
    ids = [
        platform.admission.start(release, "spending", at, principal=principal).id
        for _ in range(RUNS)
    ]
    _until(
        lambda: all(platform.runs.get(run_id).state in FINAL_STATES for run_id in ids),
        f"the runs of {tenant} have ended",
    )
    codes = Counter(outcome_of_run(platform.runs.get(run_id)).code for run_id in ids)
    lines = [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
    executed = Counter(line["run"] for line in lines if line["run"] in set(ids))
    workers = {
        event.data["worker"]
        for run_id in ids
        for event in platform.events.list(chain=f"run:{run_id}")
        if event.type == "run.started"
    }
    chain = f"budget:budget:round:{tenant}"
    return Counter(
        {
            "runs": len(ids),
            "executed": len(executed),
            "repeats": executed.total() - len(executed),
            "FL-520": codes["FL-520"],
            "workers": len(workers),
            "events": len(platform.events.list(chain=chain)),
        }
    )


def _until(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + ROUND_S_MAX
    while not reached():
        if time.monotonic() > deadline:
            sys.exit(f"after {ROUND_S_MAX:g} s still not: {what}")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
