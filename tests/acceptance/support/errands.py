"""An app for fault plans, and real workers that carry them out, one after another's death."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fairlead.core.outcome import FINAL_STATES
from fairlead.operations import Order, create_release, load_settings, open_platform
from fairlead.testing import worker as faulty_worker
from fairlead.testing.faults import Fault, FaultPlan, Firing, firings_of
from tests.acceptance.support.app import write_app
from tests.acceptance.support.scene import ROOT, TOO_LONG_S, Scene
from tests.forked import Started

ALL = Counter((1, 2, 3))
"""Each call's body, executed once."""

WORKERS_MAX = 12
"""More deaths than any plan here asks for."""

_TOML = """\
[app]
name = "errands"

[database]
synchronous = "normal"

[worker]
lease_s = 0.5
drain_s = 2

[workflow.errand.limits]
call_timeout_s = 0.4
"""

_APP = '''\
"""Three tools; each body leaves a line outside of the platform."""

from datetime import timedelta

import fairlead as fl

from outside import note


@fl.tool(effect="read", scope="items:read", targets=["item"])
async def look(ctx: fl.Context, item: str) -> str:
    """Look at an item."""
    note("look", ctx)
    return item


@fl.tool(effect="idempotent", scope="items:write", targets=["item"])
async def put(ctx: fl.Context, item: str) -> str:
    """Put an item in its place."""
    note("put", ctx)
    return item


@fl.tool(effect="once", scope="money:write", targets=["item"])
async def pay(ctx: fl.Context, item: str) -> str:
    """Pay for an item."""
    note("pay", ctx)
    return item


@fl.workflow(
    intent="Look, put and pay",
    owner="group:default/tests",
    input=str,
    output=str,
    tools=[look, put, pay],
    slo=fl.SLO(success=0.9, latency_p95=timedelta(seconds=10)),
)
async def errand(run: fl.Run[str], item: str) -> str:
    """Calls 1 to 3 are `look`, `put` and `pay`."""
    seen = await run.call(look, item)
    await run.call(put, item)
    await run.call(pay, item)
    return seen


app = fl.App("errands", workflows=[errand])
'''


@dataclass(kw_only=True)
class Errands(Scene):
    """The app, its database, and workers with fault plans.

    Attributes:
        plans: The plans that were handed to workers, in order.
    """

    plans: list[Path] = field(default_factory=list)

    def errand(self) -> str:
        """Queue a run; return its id."""
        return self.start("errand", "item")

    def plan(self, *faults: Fault) -> Path:
        """Write a plan; return its file."""
        path = self.folder / f"plan-{len(self.plans)}.json"
        self.plans.append(FaultPlan(*faults).save(path))
        return path

    def fired(self, plan: Path) -> list[Firing]:
        """Return what has fired of a plan."""
        return firings_of(plan).list()

    def worker(self, plan: Path, *arguments: str, **environment: str) -> Started:
        """Start one real worker with a plan."""
        process = Started(
            faulty_worker.__name__,
            ["--app", str(self.folder), "--faults", str(plan), *arguments],
            cwd=ROOT,
            env={**os.environ, "NO_PROXY": "127.0.0.1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.spawned.append(process)
        return process

    def living(self) -> set[int]:
        """Return the processes whose lease holds."""
        lease_s = self.platform.settings.lease_s
        return {worker.pid for worker in self.platform.workers.living(lease_s)}

    def unknown(self, run_id: str) -> bool:
        """Whether a run waits for somebody to find out about the effect that it made last."""
        effects = self.platform.effects.of_run(run_id)
        return self.run(run_id).state == "waiting" and effects[-1].state == "unknown"

    def found_out(self, run_id: str, *, paid: bool) -> None:
        """Say whether a run's payment happened, as somebody who asked the bank."""
        order = Order(by="ann", reason="asked the bank")
        self.platform.effects.resolve(f"{run_id}:3", paid, "item" if paid else None, order)

    def rests(self, run_ids: Sequence[str]) -> bool:
        """Whether none of these runs goes on by itself: each has ended, or waits for somebody."""
        return all(
            self.run(run_id).state in FINAL_STATES or self.unknown(run_id) for run_id in run_ids
        )

    def play_plan(
        self, plan: Path, *run_ids: str, arguments: Sequence[str] = (), **environment: str
    ) -> list[int]:
        """Let one worker follow another until the runs rest; return how each worker ended.

        Args:
            plan: The plan that every worker gets.
            run_ids: The runs.
            arguments: More of the workers' command lines.
            environment: More variables for the workers.
        """
        statuses: list[int] = []
        until = time.monotonic() + TOO_LONG_S
        worker = self.worker(plan, *arguments, **environment)
        while not self.rests(run_ids):
            assert time.monotonic() < until, [self.run(run_id).state for run_id in run_ids]
            status = worker.poll()
            if status is not None:
                _, errors = worker.communicate()
                assert "Traceback" not in errors, errors
                statuses.append(status)
                assert len(statuses) < WORKERS_MAX, statuses
                worker = self.worker(plan, *arguments, **environment)
            time.sleep(0.02)
        if worker.poll() is None:
            worker.send_signal(signal.SIGTERM)
        _, errors = worker.communicate(timeout=60)
        # What a worker warns of is part of a plan; that it comes apart never is.
        assert "Traceback" not in errors, errors
        return [*statuses, worker.returncode]


@contextmanager
def errands(folder: Path) -> Iterator[Errands]:
    """Write the app and make its release.

    Args:
        folder: Where; it is made.
    """
    write_app(folder)
    (folder / "fairlead.toml").write_text(_TOML)
    (folder / "app.py").write_text(_APP)
    with open_platform(load_settings(folder)) as platform:
        release, _ = create_release(platform)
        made = Errands(folder=folder, platform=platform, release=release)
        try:
            yield made
        finally:
            made.stop()
