"""What happens to effects when workers are killed again and again, at every moment there is.

Runs call tools of each effect class, and the last effect of each run needs a person's approval.
Meanwhile their workers are killed with SIGKILL: half of them at a named point of the protocol,
which they reach by themselves, half of them at a random moment; `killer.py` has the points. What
the tools did is counted in a ledger outside of the platform, to which their bodies append one line
per execution. The figures:

- `kills`: workers that were killed; `points` says how many of the named points were among them.
- `effects`: effects that happened, that is keys in the ledger of tools that do more than read.
- `duplicates_once`: executions of a `once` effect beyond the first one.
- `lost`: runs that did not end though everything was answered, or that ended well without each of
  their calls in the ledger.
- `unknown`: `once` effects that nobody could be asked about. For each of them the benchmark looks
  at the ledger, as a person would look at the other side's list, and says whether it happened.
- `lost_approvals`: answers of a person that were not followed: a yes after which the effect did
  not happen, a no after which it did, a question that was asked twice or never.
- `recorded_calls_reexecuted`: executions of a call of any kind whose outcome was on record.
- `repeats`: executions of a call of a repeatable kind that was not on record.
- `log_findings`: what the verification of the event log found.
- `leases_lapsed`: workers that were not killed and lost their lease, because the machine was slow.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from benchmarks.crashes import Crashes, crash_app, repeats
from benchmarks.killer import names
from fairlead import Principal
from fairlead.core.outcome import FINAL_STATES
from fairlead.operations import (
    Order,
    RunRecord,
    answer_approval,
    resolve_effect,
    verify_events,
)
from fairlead.testing.postgres import PostgresServer

KILLS = 500
IN_FLIGHT = 24
"""Runs that are on their way at any time."""

MS = (2, 60)
"""Milliseconds for half of a call, from and up to."""

NO_SHARE = 0.15
"""So many questions are answered with no."""

CALM_S_MAX = 120.0
"""So long after the last kill every run must have ended."""

CALLS = ("look", "put", "pay", "charge", "refund", "look")
ONCE = frozenset(("pay", "charge", "refund"))


@dataclass(kw_only=True)
class World:
    """Who starts runs, answers questions, and finds out what happened.

    Attributes:
        crashes: The app.
        chance: Where decisions come from.
        started: The runs, with their input.
        answers: What was answered to each question.
        unknown: The effects that somebody had to find out about.
    """

    crashes: Crashes
    chance: random.Random
    started: dict[str, int] = field(default_factory=dict)
    answers: dict[str, bool] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)

    def feed(self) -> None:
        """Start runs until enough of them are on their way."""
        for _ in range(IN_FLIGHT - len(self.at_work())):
            ms = self.chance.randint(*MS)
            admission = self.crashes.platform.admission
            run = admission.start(
                self.crashes.release, "errand", ms, principal=Principal(user="bench")
            )
            self.started[run.id] = ms

    def at_work(self) -> list[RunRecord]:
        """Return the runs that have not ended."""
        listed = self.crashes.platform.runs.list(limit=len(self.started) + 1)
        return [run for run in listed if run.state not in FINAL_STATES]

    def attend(self) -> None:
        """Answer some of the questions that stand open, and look what became of unknown effects."""
        platform = self.crashes.platform
        for asked in platform.approvals.list(limit=1000):
            if self.chance.random() < 0.5:
                approved = self.chance.random() >= NO_SHARE
                answer_approval(platform, asked.id, approved, Order(by="ann", reason="as it is"))
                self.answers[asked.id] = approved
        for effect in platform.effects.list(state="unknown", limit=1000):
            happened = any(one.key == effect.key for one in self.crashes.executions())
            found_out = Order(by="ann", reason="looked at the ledger")
            result = self.started[effect.run_id] if happened else None
            resolve_effect(platform, effect.key, happened, found_out, result=result)
            self.unknown.add(effect.key)


def main() -> None:
    """Have workers killed, then count; the exit status is 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.effects")
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL, not on SQLite")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    with ExitStack() as stack:
        url = stack.enter_context(_postgres()) if options.postgres else ""
        crashes = stack.enter_context(crash_app(url))
        world = World(crashes=crashes, chance=random.Random(seed))
        deaths = _play(world, options.kills, seed)
        figures = _figures(world, deaths)
    print(json.dumps(figures))
    broken = ("duplicates_once", "lost", "lost_approvals", "recorded_calls_reexecuted")
    sys.exit(any(figures[name] for name in (*broken, "log_findings")))


@contextmanager
def _postgres() -> Iterator[str]:
    server = PostgresServer(fsync=False)
    try:
        server.start()
        with server.database() as url:
            yield url
    finally:
        server.close()


def _play(world: World, kills: int, seed: int) -> list[str]:
    """Start runs and have their workers killed; return where each one died."""
    crashes = world.crashes
    world.feed()
    killer = subprocess.Popen(
        [
            *(sys.executable, "-m", "benchmarks.killer"),
            *(str(crashes.folder), crashes.url, str(kills), str(seed)),
        ],
        stdin=subprocess.PIPE,
        stdout=(crashes.folder / "deaths.jsonl").open("w"),
    )
    deaths: list[str] = []
    try:
        calm_at = None
        while calm_at is None or (world.at_work() and time.monotonic() < calm_at + CALM_S_MAX):
            if killer.poll() is not None:
                sys.exit("the workers are gone; what went wrong stands above")
            deaths = _deaths(crashes)
            if len(deaths) < kills:
                world.feed()
            elif calm_at is None:
                calm_at = time.monotonic()
            world.attend()
            time.sleep(0.05)
    finally:
        killer.communicate(b"\n", timeout=60)
    return deaths


def _deaths(crashes: Crashes) -> list[str]:
    lines = (crashes.folder / "deaths.jsonl").read_text().splitlines()
    return [json.loads(line)["at"] for line in lines]


def _figures(world: World, deaths: list[str]) -> dict[str, int]:
    crashes = world.crashes
    executions = crashes.executions()
    counts = Counter(one.key for one in executions)
    effects = {one.key: one.what for one in executions if one.what != "look"}
    of_record, in_flight = repeats(executions, crashes.recorded())
    types = Counter(event.type for chain in crashes.platform.events.chains() for event in chain)
    missed = sorted(set(names()) - set(deaths))
    if missed:
        print(f"points at which no worker died: {', '.join(missed)}")
    return {
        "kills": len(deaths),
        "points": len(names()) - len(missed),
        "runs": len(world.started),
        "effects": len(effects),
        "duplicates_once": sum(counts[key] - 1 for key, what in effects.items() if what in ONCE),
        "lost": len(_lost(world, set(counts))),
        "unknown": len(world.unknown),
        "lost_approvals": _lost_approvals(world, set(counts)),
        "recorded_calls_reexecuted": of_record,
        "repeats": in_flight,
        "log_findings": len(verify_events(crashes.platform).findings),
        "leases_lapsed": types["worker.returned"],
    }


def _lost(world: World, happened: set[str]) -> set[str]:
    """Return the runs that did not end, or whose calls are not all in the ledger."""
    runs = world.crashes.platform.runs
    lost = set()
    for run_id in world.started:
        state = runs.get(run_id).state
        calls = {"succeeded": len(CALLS), "denied": CALLS.index("refund")}.get(state)
        if calls is None or not {f"{run_id}:{n + 1}" for n in range(calls)} <= happened:
            print(f"lost: run {run_id} is {state}: {runs.get(run_id).reason}")
            lost.add(run_id)
    return lost


def _lost_approvals(world: World, happened: set[str]) -> int:
    """Count the runs in which a person's answer was not followed, or not exactly one was given."""
    platform = world.crashes.platform
    asked = platform.approvals.list(state=None, limit=len(world.started) * 2)
    answers: dict[str, list[bool | None]] = {run_id: [] for run_id in world.started}
    states: dict[str, str] = {}
    for one in asked:
        answers[one.run_id].append(world.answers.get(one.id))
        states[one.run_id] = one.state
    lost = 0
    for run_id, said in answers.items():
        refunded = f"{run_id}:{CALLS.index('refund') + 1}" in happened
        ended = platform.runs.get(run_id).state
        followed = (said, refunded, states.get(run_id), ended) in (
            ([True], True, "consumed", "succeeded"),
            ([False], False, "denied", "denied"),
        )
        if not followed:
            print(f"approval: run {run_id} is {ended}, {said}, {refunded}, {states.get(run_id)}")
        lost += not followed
    return lost


if __name__ == "__main__":
    main()
