"""How long runs stand still when their worker is killed, on PostgreSQL.

A trial has 200 runs in flight on two workers, half of them on each. Each run makes a series of
calls of 1.5 to 4.5 s, as an agent does, so that the workers make about 67 calls a second. At a
random moment one worker is killed with SIGKILL. From that moment on, a trial takes until the last
of the runs that were on it executes again on the other one: until the body of its next call begins,
as the ledger says that the bodies themselves write, outside of the platform. `p95_s` is the 95th
percentile of the trials by the nearest rank, so of ten trials it is the longest one. It holds the
whole lease (the default, 2 s): before that has lapsed nobody may touch the runs.

`recorded_calls_reexecuted` counts executions of a call whose outcome was on record before they
began. `in_flight_repeats` counts executions of a call that had begun and was not on record: of the
calls that only read or are idempotent, each run may repeat the one in which its worker died.
`runs_lost` counts runs that did not succeed with every call of theirs in the ledger. After the
kill no other lease may lapse: `leases_lapsed` counts the workers that were buried alive, and
`heartbeat_age_max_s` is the longest time without a heartbeat of a worker that lived.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.bench_app import quantile
from benchmarks.crashes import Crashes, crash_app, repeats
from fairlead import Principal
from fairlead.core.outcome import FINAL_STATES
from fairlead.operations import RunRecord
from fairlead.testing.postgres import PostgresServer

LEASE_S = 2.0
SEED = 7
TRIAL_S_MAX = 300.0
COMMAND = str(Path(sys.executable).with_name("fairlead"))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a trial is.

    Attributes:
        runs: Runs in flight, on both workers together.
        calls: Calls that a run makes.
        ms: Mean length of a call, in milliseconds.
    """

    runs: int
    calls: int
    ms: int


@dataclass(kw_only=True)
class Watch:
    """Looks at the workers' heartbeats all the time.

    Attributes:
        crashes: The app.
        age_s_max: The longest time without one, of a worker that lived.
        dead: The workers that were killed.
    """

    crashes: Crashes
    age_s_max: float = 0.0
    dead: set[int] = field(default_factory=set)

    def until(self, reached: Callable[[], bool], what: str) -> None:
        """Wait until something holds, and look at the heartbeats meanwhile."""
        deadline = time.monotonic() + TRIAL_S_MAX
        while not reached():
            if time.monotonic() > deadline:
                sys.exit(f"after {TRIAL_S_MAX:g} s still not: {what}")
            now = self.crashes.platform.database.clock()
            for worker in self.crashes.platform.workers.living(60.0):
                if worker.pid not in self.dead:
                    self.age_s_max = max(self.age_s_max, now - worker.heartbeat_at)
            time.sleep(0.05)


def main() -> None:
    """Play the trials and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failover")
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--runs", type=int, default=200, help="runs in flight")
    parser.add_argument("--calls", type=int, default=8, help="calls of a run")
    parser.add_argument("--ms", type=int, default=3000, help="mean length of a call")
    options = parser.parse_args()
    plan = Plan(runs=options.runs, calls=options.calls, ms=options.ms)
    server = PostgresServer(fsync=True)
    try:
        server.start()
        with server.database() as url, crash_app(url) as crashes:
            print(json.dumps(_figures(crashes, plan, options.trials)))
    finally:
        server.close()


def _figures(crashes: Crashes, plan: Plan, trials: int) -> dict[str, float]:
    watch, chance = Watch(crashes=crashes), random.Random(SEED)
    seconds: list[float] = []
    lost = 0
    for number in range(1, trials + 1):
        took_s, missing = _trial(watch, plan, chance)
        seconds.append(took_s)
        lost += missing
        print(f"trial {number}: {took_s:.2f} s, {missing} runs lost", flush=True)
    of_record, in_flight = repeats(crashes.executions(), crashes.recorded())
    types = [event.type for chain in crashes.platform.events.chains() for event in chain]
    return {
        "trials": trials,
        "p50_s": round(quantile(seconds, 0.5), 2),
        "p95_s": round(quantile(seconds, 0.95), 2),
        "recorded_calls_reexecuted": of_record,
        "runs_lost": lost,
        "in_flight_repeats": in_flight,
        "runs": plan.runs,
        "executions": len(crashes.executions()),
        "leases_lapsed": types.count("worker.died") - trials + types.count("worker.returned"),
        "heartbeat_age_max_s": round(watch.age_s_max, 2),
    }


def _trial(watch: Watch, plan: Plan, chance: random.Random) -> tuple[float, int]:
    """Return how long the runs of the killed worker stood still, and how many runs were lost."""
    crashes, half = watch.crashes, plan.runs // 2
    bench = Principal(user="bench")
    admit = partial(crashes.platform.admission.start, crashes.release, "series", principal=bench)
    started = {
        admit({"calls": plan.calls, "ms": plan.ms, "seed": seed}).id for seed in range(plan.runs)
    }

    def on(pid: int, since: float = 0.0) -> dict[str, float]:
        """When each run was first executed by a process, after a moment."""
        lines = [one for one in crashes.executions() if one.pid == pid and one.at > since]
        return {one.run: one.at for one in reversed(lines)}

    with _worker(crashes, half) as victim:
        watch.until(lambda: len(on(victim.pid)) == half, "half of the runs are on the first worker")
        with _worker(crashes, plan.runs) as other:
            watch.until(
                lambda: len(on(other.pid)) == plan.runs - half, "the others are on the second one"
            )
            watch.until(_after(chance.uniform(0.5, 0.5 + plan.ms / 1000)), "a moment to kill at")
            watch.dead.add(victim.pid)
            victim.kill()
            killed_at = time.time()
            held = {run.id for run in _held(crashes, victim.pid)}
            if len(held) + len(_held(crashes, other.pid)) != plan.runs:
                sys.exit("some runs had ended before the kill; they need more or longer calls")
            watch.until(lambda: on(other.pid, killed_at).keys() >= held, "all runs run again")
            took_s = max(at for run, at in on(other.pid, killed_at).items() if run in held)
            watch.until(lambda: _all_ended(crashes, started), "all runs have ended")
    return took_s - killed_at, len(_lost(crashes, started, plan))


@contextmanager
def _worker(crashes: Crashes, concurrency: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start a worker as an operator does; it is stopped when the block ends."""
    mine = {"FAIRLEAD_WORKER_LEASE_S": str(LEASE_S), "FAIRLEAD_DATABASE_URL": crashes.url}
    with (crashes.folder.parent / "workers.log").open("ab") as log:
        process = subprocess.Popen(
            [COMMAND, "worker", "--app", str(crashes.folder), "--concurrency", str(concurrency)],
            env={**os.environ, **mine},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)


def _after(seconds: float) -> Callable[[], bool]:
    reached = time.monotonic() + seconds
    return lambda: time.monotonic() >= reached


def _held(crashes: Crashes, pid: int) -> list[RunRecord]:
    """Return the runs that are at work on a worker, as they are on record."""
    workers = {one.id for one in crashes.platform.workers.living(60.0) if one.pid == pid}
    running = crashes.platform.runs.list(state="running", limit=1000)
    return [run for run in running if run.worker_id in workers]


def _all_ended(crashes: Crashes, started: set[str]) -> bool:
    listed = crashes.platform.runs.list(limit=len(started))
    return all(run.state in FINAL_STATES for run in listed if run.id in started)


def _lost(crashes: Crashes, started: set[str], plan: Plan) -> set[str]:
    """Return the runs that did not succeed with each of their calls in the ledger."""
    listed = crashes.platform.runs.list(limit=len(started))
    done = {run.id for run in listed if run.state == "succeeded"}
    keys = {one.key for one in crashes.executions()}
    calls = range(1, plan.calls + 1)
    whole = {run for run in started if all(f"{run}:{number}" in keys for number in calls)}
    return started - (done & whole)


if __name__ == "__main__":
    main()
