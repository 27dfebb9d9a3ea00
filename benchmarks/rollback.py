"""A bad prompt is rolled back by evidence, with real processes, on SQLite and on PostgreSQL.

Release B differs from A in one prompt file. A process of its own starts 20 runs a second; one in
ten is a long run that pays once and waits. The model is a server that speaks a provider's protocol:
to A's prompt it answers right, to B's it answers wrong one time in three. `fairlead up` keeps the
worker and carries the rollout on; worker and traffic do not, and every event of the rollback must
name the process of `fairlead up`.

`verdict_runs`: runs that B was given before the verdict. `new_traffic_safe_s`: from the verdict
until the last run was admitted to B. `in_flight_safe_s`: until the last run of B had ended, which
are long ones, on B, as they were pinned. `runs_lost`: runs that did not come to an end.
`runs_reversioned`: runs whose model was asked with another prompt than their release's, or whose
release is not the one that they were admitted to. `effects_duplicated`: payments beyond the first
under a key, told by the tool's own file.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fairlead.core.outcome import FINAL_STATES
from fairlead.operations import (
    Platform,
    Release,
    create_release,
    load_settings,
    open_platform,
    operator,
    read_rollout_terms,
    start_rollout,
)
from fairlead.testing import Asked, ProviderServer, Reply
from fairlead.testing.postgres import PostgresServer

APP = Path(__file__).with_name("rollback_app")
COMMAND = str(Path(sys.executable).with_name("fairlead"))
WRONG_ONE_IN = 3
VERDICT_S_MAX = 300.0
GOOD, BAD = "Style: good.", "Style: bad."
_QUESTION = re.compile(r"q(\d+)q")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is played.

    Attributes:
        rate: Runs that start in a second.
        after_s: Seconds that a long run waits behind its payment.
        warm_s: Seconds of traffic before the rollout starts.
    """

    rate: float
    after_s: float
    warm_s: float


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The app in a folder of its own.

    Attributes:
        folder: The app's folder.
        url: Its database.
        platform: The open platform of this process, which executes nothing and decides nothing.
        provider: The model.
    """

    folder: Path
    url: str
    platform: Platform
    provider: ProviderServer


def main() -> None:
    """Play it on both databases and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rollback")
    parser.add_argument("--rate", type=float, default=20.0, help="runs that start in a second")
    parser.add_argument("--after", type=float, default=10.0, help="last wait of a long run, s")
    parser.add_argument("--warm", type=float, default=10.0, help="traffic before the rollout, s")
    parser.add_argument("--only", choices=("sqlite", "postgresql"), help="one database")
    options = parser.parse_args()
    plan = Plan(rate=options.rate, after_s=options.after, warm_s=options.warm)
    figures: dict[str, Any] = {}
    if options.only != "postgresql":
        figures["sqlite"] = _played("", plan)
        print(f"sqlite: {figures['sqlite']}", flush=True)
    if options.only != "sqlite":
        server = PostgresServer(fsync=True)
        try:
            server.start()
            with server.database() as url:
                figures["postgresql"] = _played(url, plan)
                print(f"postgresql: {figures['postgresql']}", flush=True)
        finally:
            server.close()
    print(json.dumps(figures))


def _played(url: str, plan: Plan) -> dict[str, Any]:
    with _stage(url) as stage:
        good = _release(stage)
        stage.platform.releases.activate(good.digest, by=operator(), override="a benchmark")
        prompt = stage.folder / "prompts/answer.md"
        prompt.write_text(prompt.read_text().replace(GOOD, BAD))
        bad = _release(stage)
        with _process(stage, COMMAND, "up", "--app", str(stage.folder)) as up:
            _until(lambda: bool(stage.platform.workers.living(2.0)), "a worker lives")
            after = ("--rate", str(plan.rate), "--after", str(plan.after_s))
            module = (sys.executable, "-m", "benchmarks.rollback_traffic")
            with _process(stage, *module, str(stage.folder), stage.url, *after) as traffic:
                time.sleep(plan.warm_s)
                terms = read_rollout_terms(stage.platform, bad.digest)
                rollout = start_rollout(
                    stage.platform, bad.digest, terms=terms, override="a benchmark"
                ).id
                store = stage.platform.rollout_store
                _until(lambda: store.get(rollout).decided_at is not None, "there is a verdict")
                # Traffic goes on behind the verdict, so that a run that slips through is seen.
                _until(lambda: store.get(rollout).final, "all runs of the candidate have ended")
                time.sleep(2.0)
                traffic.stdin.close()  # type: ignore[union-attr]
                traffic.wait(60)
            _until(lambda: not _open(stage), "all runs have ended")
        return _figures(stage, rollout, (good, bad), up.pid)


def _release(stage: Stage) -> Release:
    release, new = create_release(stage.platform)
    if not new:
        sys.exit("the release is not new")
    return release


def _figures(
    stage: Stage, rollout_id: str, pair: tuple[Release, Release], controller: int
) -> dict[str, Any]:
    platform, (_, bad) = stage.platform, pair
    rollout = platform.rollout_store.get(rollout_id)
    if rollout.phase != "rolled_back" or rollout.decided_at is None:
        sys.exit(f"the rollout is {rollout.phase}: {rollout.reason}")
    events = list(platform.events.list(chain=f"rollout:{rollout_id}", limit=10_000))
    by = f"controller {socket.gethostname()}:{controller}"
    wrote = {str(one.data["by"]) for one in events if one.type != "rollout.started"}
    if wrote != {by}:
        sys.exit(f"{wrote} wrote the rollout's events, and not {by} alone")
    [verdict] = [one for one in events if one.type == "rollout.rolled_back"]
    admitted = _admitted(platform)
    to_bad = [one for one in admitted.values() if one["release"] == bad.digest]
    before = sum(one["at"] <= verdict.time for one in to_bad)
    last = max((one["at"] for one in to_bad), default=0.0)
    ended = platform.events.list(chain=f"rollout:{rollout_id}", limit=10_000)[-1]
    in_flight_s = float(ended.data["in_flight_safe_s"])
    runs = platform.runs.list(limit=100_000)
    finals = Counter(run.state for run in runs)
    return {
        "verdict_runs": before,
        "verdict_s": round(verdict.time - rollout.began_at, 2),
        "new_traffic_safe_s": round(max(last - verdict.time, 0.0), 3),
        "in_flight_safe_s": round(in_flight_s, 2),
        "in_flight_at_verdict": _in_flight(runs, bad, verdict.time),
        "runs": len(admitted),
        "runs_lost": len(admitted)
        - sum(finals[state] for state in FINAL_STATES)
        + finals["failed"],
        "runs_reversioned": _reversioned(stage, runs, admitted, bad),
        "effects_duplicated": _duplicated(stage),
        "payments": sum(1 for _ in (stage.folder / "ledger.jsonl").open()),
    }


def _admitted(platform: Platform) -> dict[str, dict[str, Any]]:
    """Return what the log says of each run's admission, and when it was."""
    return {
        event.chain.removeprefix("run:"): {**event.data, "at": event.time}
        for chain in platform.events.chains()
        for event in chain
        if event.type == "run.admitted"
    }


def _in_flight(runs: Any, release: Release, at: float) -> int:
    """Return how many runs of a release were in flight at a moment."""
    return sum(
        run.release == release.digest
        and run.created_at <= at
        and (run.finished_at or float("inf")) > at
        for run in runs
    )


def _reversioned(stage: Stage, runs: Any, admitted: Any, bad: Release) -> int:
    """Count runs that were not executed as they were admitted."""
    pinned = {run.id: run.release for run in runs}
    found = {run for run, said in admitted.items() if pinned.get(run) != said["release"]}
    asks = [run.id for run in runs if run.workflow == "answer"]
    by_question = {stage.platform.runs.get(one).input["question"]: one for one in asks}
    for asked in stage.provider.asked:
        named = _QUESTION.search(asked.text)
        if named is None:
            sys.exit("the model was asked something else")
        run = by_question[named[0]]
        of_bad = pinned[run] == bad.digest
        if (BAD in asked.text) != of_bad or (GOOD in asked.text) == of_bad:
            found.add(run)
    return len(found)


def _duplicated(stage: Stage) -> int:
    lines = (stage.folder / "ledger.jsonl").read_text().splitlines()
    keys = Counter(json.loads(line)["key"] for line in lines)
    return sum(count - 1 for count in keys.values())


def _open(stage: Stage) -> bool:
    runs = stage.platform.runs
    return any(runs.list(state=one, limit=1) for one in ("queued", "running", "waiting", "paused"))


def _said(asked: Asked) -> Reply:
    """Answer wrong one time in three when the prompt is bad."""
    number = _QUESTION.search(asked.text)
    wrong = BAD in asked.text and number is not None and int(number[1]) % WRONG_ONE_IN == 0
    return Reply(text="WRONG" if wrong else "right")


@contextmanager
def _stage(url: str) -> Iterator[Stage]:
    with TemporaryDirectory(prefix="fairlead-bench-") as temporary, ProviderServer(_said) as model:
        folder = Path(temporary) / "app"
        shutil.copytree(APP, folder, ignore=shutil.ignore_patterns("__pycache__", ".fairlead"))
        (folder / "ledger.jsonl").touch()
        url = url or f"sqlite:///{temporary}/rollback.db"
        with open_platform(replace(load_settings(folder), database_url=url)) as platform:
            try:
                yield Stage(folder=folder, url=url, platform=platform, provider=model)
            except TimeoutError as error:
                log = (folder.parent / "processes.log").read_text(errors="replace")
                states = Counter(
                    (run.state, run.reason[:200]) for run in platform.runs.list(limit=100_000)
                )
                found = platform.rollout_store.list(platform.settings.environment, 1)
                seen = [(one.phase, one.waits, one.reason, one.analysis) for one in found]
                sys.exit(f"{error}\n{dict(states)}\n{seen}\n{log[-3000:]}")


@contextmanager
def _process(stage: Stage, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process as an operator does; it is stopped when the block ends."""
    mine = {**stage.provider.environment, "FAIRLEAD_DATABASE_URL": stage.url}
    with (stage.folder.parent / "processes.log").open("ab") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **mine}, stdin=subprocess.PIPE, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(90)


def _until(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + VERDICT_S_MAX
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {VERDICT_S_MAX:g} s still not: {what}")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
