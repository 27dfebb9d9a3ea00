"""Where a test of the suite happens: a database, an app, its workers, and the world outside."""

from __future__ import annotations

import gc
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from fairlead.core.digests import Json
from fairlead.core.identity import Principal
from fairlead.core.outcome import FINAL_STATES
from fairlead.operations import (
    Order,
    Platform,
    Release,
    RunRecord,
    Settings,
    create_release,
    load_settings,
    make_worker,
    open_platform,
    outcome_of_run,
    verify_events,
)
from fairlead.testing.conformance import app
from fairlead.testing.conformance.databases import DatabaseUnderTest
from fairlead.testing.conformance.nursery import Nursery, WorkerProcess
from fairlead.testing.faults import Fault, FaultPlan, Firing, firings_of

LEASE_S = 1.0
"""Lease of the suite's workers."""

WAIT_S_MAX = 45.0
"""Longest wait for a fact."""

ANN = Order(by="ann", reason="looked at it")
"""Who answers questions and gives orders in the suite."""

Opening: TypeAlias = Callable[[Settings], AbstractContextManager[Platform]]
"""Opens a platform on the adapters under test."""

FIRST = "first"
"""The version of the app's code that a site begins with."""

_POLL_S = 0.02
_TOML = """\
[app]
name = "conformance"

[database]
url = {url}
synchronous = "normal"
busy_timeout_s = {lease_s}

[worker]
lease_s = {lease_s}
drain_s = 10
takeovers = 20
"""
_POLICY = '@id("all")\npermit (principal, action, resource);\n'


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One execution of a tool's body, as the world outside saw it.

    Attributes:
        tool: The tool.
        item: Its argument.
        run: The run.
        key: The idempotency key.
        pid: The worker's process.
        at: When, in seconds since 1970.
    """

    tool: str
    item: str
    run: str
    key: str
    pid: int
    at: float


@dataclass(frozen=True, kw_only=True)
class Crew:
    """Workers of which so many are kept alive.

    Attributes:
        count: How many.
        plan: The fault plan that all of them get.
        concurrency: Most runs that each of them executes at the same time.
    """

    count: int
    plan: Path
    concurrency: int


@dataclass(kw_only=True)
class Site:
    """One test's database, app, workers and world outside.

    Attributes:
        folder: Everything that is no database.
        database: The database.
        platform: The open platform of this process, which executes nothing itself.
        nursery: Forks the workers.
        releases: The app's releases, by version.
        workers: Every worker that was started.
        crew: Workers that are replaced when they die, while a test waits; None for none.
    """

    folder: Path
    database: DatabaseUnderTest
    platform: Platform
    nursery: Nursery
    releases: dict[str, Release] = field(default_factory=dict)
    workers: list[WorkerProcess] = field(default_factory=list)
    crew: Crew | None = None
    _plans: int = 0

    # ---------------------------------------------------------------------------------------- runs

    def start(self, workflow: str, input: Json, *, version: str = FIRST) -> str:
        """Queue a run of a version of the app; return its id."""
        run = self.platform.admission.start(
            self.releases[version], workflow, input, principal=Principal()
        )
        return run.id

    def run(self, run_id: str) -> RunRecord:
        """Return a run as it is on record."""
        return self.platform.runs.get(run_id)

    def calls(self, run_id: str) -> dict[int, str]:
        """Return the states of a run's calls, by number."""
        return {call.number: call.state for call in self.platform.journal.of_run(run_id)}

    def types(self, run_id: str) -> Counter[str]:
        """Return how often each type of event is in a run's chain."""
        events = self.platform.events.list(chain=f"run:{run_id}")
        return Counter(event.type for event in events)

    def answer(self, run_id: str) -> Any:
        """Return the answer of a run that succeeded."""
        run = self.run(run_id)
        assert run.state == "succeeded", f"run {run_id} is {run.state}: {run.reason}"
        return outcome_of_run(run).answer

    def until(self, reached: Callable[[], object], what: str) -> None:
        """Wait until a fact holds, and keep the crew complete meanwhile.

        Args:
            reached: Says whether it holds.
            what: The fact, for the message when it never does.
        """
        deadline = time.monotonic() + WAIT_S_MAX
        while not reached():
            self._keep_crew()
            if time.monotonic() > deadline:
                runs = [(run.id, run.state) for run in self.platform.runs.list()]
                raise AssertionError(f"after {WAIT_S_MAX:g} s still not: {what}; runs: {runs}")
            time.sleep(_POLL_S)

    def until_ended(self, *run_ids: str) -> None:
        """Wait until runs have ended."""
        self.until(
            lambda: all(self.run(run_id).state in FINAL_STATES for run_id in run_ids),
            "all runs have ended",
        )

    def until_waiting(self, *run_ids: str) -> None:
        """Wait until runs wait."""
        self.until(
            lambda: all(self.run(run_id).state == "waiting" for run_id in run_ids),
            "all runs wait",
        )

    # ------------------------------------------------------------------------------------- workers

    def plan(self, *faults: Fault) -> Path:
        """Write a fault plan for workers; return its file."""
        self._plans += 1
        return FaultPlan(*faults).save(self.folder / f"plan-{self._plans}.json")

    def fired(self, plan: Path) -> list[Firing]:
        """Return what has fired of a plan, in order."""
        return firings_of(plan).list()

    def worker(
        self, plan: Path | None = None, *, concurrency: int = 8, version: str = FIRST
    ) -> WorkerProcess:
        """Start a worker.

        Args:
            plan: A fault plan; None for no faults.
            concurrency: Most runs that it executes at the same time.
            version: Which version of the app's code it has.
        """
        plan = plan or self.plan()
        made = self.nursery.fork(
            [
                *("--app", str(self._app(version)), "--faults", str(plan)),
                *("--concurrency", str(concurrency)),
            ],
            plan=plan,
            log=self.folder / f"worker-{len(self.workers)}.log",
            environment={app.OUTSIDE: str(self.folder)},
        )
        self.workers.append(made)
        return made

    def freeze(self, worker: WorkerProcess) -> None:
        """Let a worker stand still, and not in the middle of a write.

        On SQLite it would keep the one lock, and nobody could take its runs over.

        Args:
            worker: The worker.
        """
        with self.platform.database.transaction():
            worker.freeze()
            time.sleep(_POLL_S)

    def employ(self, count: int = 1, *, plan: Path | None = None, concurrency: int = 8) -> None:
        """From here on keep so many workers alive, whatever they die of.

        Args:
            count: How many.
            plan: The fault plan that all of them get; None for no faults.
            concurrency: Most runs that each of them executes at the same time.
        """
        self.crew = Crew(count=count, plan=plan or self.plan(), concurrency=concurrency)
        self._keep_crew()

    def _keep_crew(self) -> None:
        if self.crew is None:
            return
        plan = self.crew.plan
        mine = [worker for worker in self.workers if worker.plan == plan]
        alive = 0
        for worker in mine:
            # Asked once: it may end between two questions.
            status = worker.status
            # It may be killed; that it ends by itself is a fault of its own, and would go on so.
            assert status is None or status < 0, worker.said()
            alive += status is None
        for _ in range(self.crew.count - alive):
            self.worker(plan, concurrency=self.crew.concurrency)

    def dismiss(self) -> None:
        """End every worker that lives; each must drain and stop cleanly."""
        self.crew = None
        for worker in self.workers:
            if worker.status is None:
                worker.end()

    # ----------------------------------------------------------------------------------- the world

    def hold(self, item: str) -> None:
        """Keep the bodies of calls for an item from returning, once their effect happened."""
        (self.folder / app.HELD / item).touch()

    def release(self, item: str) -> None:
        """Let the bodies of calls for an item return."""
        (self.folder / app.HELD / item).unlink()

    def executions(self, run_id: str = "") -> list[Execution]:
        """Return what happened outside, in order; of one run, or of all."""
        found = [Execution(**entry) for entry in self.lines(app.LEDGER)]
        return [one for one in found if run_id in ("", one.run)]

    def did(self, run_id: str) -> list[str]:
        """Return what a run did outside, in order, each as `TOOL:ITEM`."""
        return [f"{one.tool}:{one.item}" for one in self.executions(run_id)]

    def lines(self, name: str) -> list[dict[str, Any]]:
        """Return the entries of one of the files outside."""
        path = self.folder / name
        text = path.read_bytes() if path.exists() else b""
        # The last line may be half written at this moment.
        return [json.loads(line) for line in text.rpartition(b"\n")[0].splitlines()]

    # ------------------------------------------------------------------------------------ versions

    def make_version(self, version: str) -> Release:
        """Make a release of other code; runs can be started on it, and workers have it."""
        folder = self._app(version)
        write_app(folder, self.database.url, version)
        # Settings are read once per process; whoever releases is a process of its own.
        fresh = replace(self.platform, settings=load_settings(folder))
        self.releases[version], new = create_release(fresh)
        assert new, f"version {version!r} has the same code as another one"
        return self.releases[version]

    def _app(self, version: str) -> Path:
        return self.folder / f"app-{version}"

    def close(self) -> None:
        """Kill what a failed test left behind."""
        self.crew = None
        for worker in self.workers:
            if worker.status is None:
                worker.kill()


def write_app(folder: Path, url: str, version: str = FIRST) -> None:
    """Write the app into a folder.

    Args:
        folder: Where; it is made.
        url: The database.
        version: Makes the code another one.
    """
    (folder / "policies").mkdir(parents=True)
    toml = _TOML.format(url=json.dumps(url), lease_s=LEASE_S)
    (folder / "fairlead.toml").write_text(toml, encoding="utf-8")
    (folder / "policies" / "all.cedar").write_text(_POLICY, encoding="utf-8")
    code = Path(app.__file__).read_text(encoding="utf-8")
    (folder / "app.py").write_text(f"{code}\nVERSION = {version!r}\n", encoding="utf-8")


@contextmanager
def open_site(
    folder: Path, database: DatabaseUnderTest, nursery: Nursery, opening: Opening = open_platform
) -> Iterator[Site]:
    """Write the app, open its database and make its release; at the end check the event log.

    Args:
        folder: Where everything is put that is no database.
        database: A fresh database.
        nursery: Forks the workers.
        opening: Opens a platform on the adapters under test.
    """
    (folder / app.HELD).mkdir(parents=True)
    write_app(folder / f"app-{FIRST}", database.url)
    with opening(load_settings(folder / f"app-{FIRST}")) as platform:
        site = Site(folder=folder, database=database, platform=platform, nursery=nursery)
        site.releases[FIRST], _ = create_release(platform)
        try:
            yield site
        finally:
            site.close()
        assert verify_events(platform).findings == ()


def rehearse(folder: Path) -> None:
    """Prepare a worker on a scratch database: what that loads, every fork has already.

    Args:
        folder: An empty folder.
    """
    write_app(folder / "app", f"sqlite:///{folder}/scratch.db")
    with open_platform(load_settings(folder / "app")) as platform:
        make_worker(platform)
    gc.collect()
    gc.freeze()
