"""Budgets and kill switches with real workers: shared, exact over a kill -9, and stopping runs in
flight."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fairlead import Principal
from fairlead.core.errors import BudgetExhausted, KillNotFound, KillSwitchPulled, ReasonMissing
from fairlead.operations import (
    Order,
    lift_kill,
    list_budgets,
    outcome_of_run,
    pull_kill,
    verify_events,
)
from fairlead.runtime.switches import FRESH_S
from tests.acceptance.support.app import LEDGER, OUTSIDE
from tests.acceptance.support.cli import Cli
from tests.acceptance.support.scene import Scene, scene, wait_for
from tests.databases import KINDS, address

pytestmark = pytest.mark.acceptance

BODY_S = 0.05
SEEN_WITHIN_S = 1.0
BUDGET = 60
ANN = Order(by="ann", reason="it pays twice")

APP = '''\
"""Runs that make one call after the other."""

import asyncio
from datetime import timedelta

import fairlead as fl

from outside import note


@fl.tool(effect="read", scope="items:read")
async def look(ctx: fl.Context, number: int) -> int:
    """Take some time."""
    note("look", ctx)
    await asyncio.sleep(BODY_S)
    return number


COMMON = {
    "intent": "Test",
    "owner": "group:default/tests",
    "slo": fl.SLO(success=0.9, latency_p95=timedelta(seconds=10)),
    "limits": fl.Limits(steps=2000, wall_time=timedelta(minutes=5)),
}


@fl.workflow(**COMMON, input=int, output=int, tools=[look])
async def walk(run: fl.Run[int], calls: int) -> int:
    """Call again and again."""
    for number in range(calls):
        await run.call(look, number)
    return calls


app = fl.App("walks", workflows=[walk])
'''

TOML = """\
[app]
name = "walks"

[database]
synchronous = "normal"

[worker]
lease_s = 0.5
drain_s = 2
concurrency = CONCURRENCY

[[budgets]]
name = "yearly"
scope = "tenant"
which = "frugal"
per_s = 31536000
calls = BUDGET
"""


def write_app(folder: Path, *, concurrency: int) -> Path:
    """Write the app."""
    files = {
        "app.py": APP.replace("BODY_S", str(BODY_S)),
        "outside.py": OUTSIDE,
        "fairlead.toml": TOML.replace("CONCURRENCY", str(concurrency)).replace(
            "BUDGET", str(BUDGET)
        ),
        "policies/all.cedar": '@id("all")\npermit (principal, action, resource);\n',
        LEDGER: "",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """The app with two workers, which have two runs each."""
    with ExitStack() as stack:
        url = stack.enter_context(address(request.param, request, tmp_path))
        made = stack.enter_context(scene(tmp_path / "app", url=url, concurrency=2, write=write_app))
        made.platform.releases.activate(made.release.digest, by="ann", override="a test")
        (made.folder / "stay").touch()
        for _ in range(2):
            made.spawn("1")
        wait_for(lambda: len(made.platform.workers.living(60.0)) == 2)
        yield made
        assert verify_events(made.platform).findings == ()


def begin(stage: Scene, tenant: str, *, runs: int, calls: int) -> list[str]:
    """Start runs of a tenant."""
    start, principal = stage.platform.admission.start, Principal(tenant=tenant)
    return [start(stage.release, "walk", calls, principal=principal).id for _ in range(runs)]


def executed(stage: Scene) -> list[dict[str, str]]:
    """Return what was executed so far, as the world outside saw it."""
    lines = (stage.folder / LEDGER).read_text().rpartition("\n")[0].splitlines()
    return [json.loads(line) for line in lines]


def goes(stage: Scene) -> bool:
    """Start a run and say whether it succeeded; a worker hears of a lift as late as of a kill."""
    (run,) = begin(stage, "spendthrift", runs=1, calls=1)
    return stage.wait(run).state == "succeeded"


def workers_of(stage: Scene, runs: list[str]) -> set[str]:
    """Return the processes that execute runs."""
    return {line["pid"] for line in executed(stage) if line["run"] in runs}


def test_two_workers_use_a_budget_up_exactly_though_one_is_killed(stage: Scene) -> None:
    runs = begin(stage, "frugal", runs=4, calls=BUDGET)
    wait_for(lambda: len(workers_of(stage, runs)) == 2 and len(executed(stage)) >= BUDGET / 3)
    victim = executed(stage)[-1]["pid"]
    os.kill(int(victim), signal.SIGKILL)
    ended = [stage.wait(run) for run in runs]
    assert [outcome_of_run(run).code for run in ended] == [BudgetExhausted.code] * 4
    assert sum(run.takeovers for run in ended) >= 1
    # A call in which the worker died is executed again, under its one reservation.
    assert len({line["key"] for line in executed(stage)}) == BUDGET
    (use,) = list_budgets(stage.platform)
    assert (use.value, use.used.calls, use.leased.calls) == ("frugal", BUDGET, 0)
    chain = stage.platform.events.list(chain="budget:walks:yearly:frugal")
    assert [event.type for event in chain] == ["budget.exhausted"]


def test_a_kill_switch_stops_runs_in_flight_on_every_worker(stage: Scene) -> None:
    runs = begin(stage, "spendthrift", runs=4, calls=1500)
    wait_for(lambda: len(workers_of(stage, runs)) == 2 and len(executed(stage)) >= 12)
    pull_kill(stage.platform, "tool", "look", ANN)
    before = Counter(line["run"] for line in executed(stage))
    ended = [stage.wait(run) for run in runs]
    after = Counter(line["run"] for line in executed(stage))
    for run in ended:
        outcome = outcome_of_run(run)
        assert (run.state, outcome.code) == ("denied", KillSwitchPulled.code)
        assert "tool look was stopped by ann" in outcome.reason
        # In the time in which every worker must have seen it, a run makes so many calls at most.
        assert after[run.id] - before[run.id] <= SEEN_WITHIN_S / BODY_S
    # The tool alone is stopped: a run begins, and goes on once it is lifted.
    lift_kill(stage.platform, "tool", "look", Order(by="ann", reason="repaired"))
    wait_for(lambda: goes(stage))


def test_a_queued_run_of_what_is_stopped_waits_and_begins_when_it_is_lifted(stage: Scene) -> None:
    busy = begin(stage, "spendthrift", runs=4, calls=1500)
    wait_for(lambda: {line["run"] for line in executed(stage)} == set(busy))
    (queued,) = begin(stage, "patient", runs=1, calls=2)
    cli = Cli(stage.folder)
    said = cli("kill", "tenant", "patient", "--reason", "too many complaints").stdout
    assert "tenant patient is stopped on all workers within a second" in said
    with pytest.raises(KillSwitchPulled, match="too many complaints"):
        begin(stage, "patient", runs=1, calls=1)
    assert not pull_kill(stage.platform, "workflow", "nothing", ANN).known
    listed = json.loads(cli("kill", "list", "--json").stdout)
    assert [(one["scope"], one["which"]) for one in listed] == [
        ("workflow", "nothing"),
        ("tenant", "patient"),
    ]
    # There is room on both workers now, and still nobody claims it.
    pull_kill(stage.platform, "tool", "look", ANN)
    for run in busy:
        stage.wait(run)
    lift_kill(stage.platform, "tool", "look", ANN)
    # The other worker may have read a moment later than the one that goes.
    wait_for(lambda: goes(stage))
    time.sleep(FRESH_S)
    assert stage.run(queued).state == "queued"
    cli("kill", "lift", "tenant", "patient", "--reason", "they were right")
    stage.wait(queued)
    assert executed(stage)[-1]["run"] == queued
    with pytest.raises(KillNotFound):
        lift_kill(stage.platform, "tenant", "patient", ANN)
    with pytest.raises(ReasonMissing):
        pull_kill(stage.platform, "tenant", "patient", Order(by="ann", reason=" "))
