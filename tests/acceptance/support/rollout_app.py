"""An app whose releases differ in one limit, or in their code, and a stage that keeps it up."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from fairlead import Principal
from fairlead.core.rollout import Rollout
from fairlead.operations import (
    Platform,
    Release,
    RunRecord,
    load_settings,
    open_platform,
    read_rollout_terms,
    start_rollout,
)
from tests.acceptance.support.cli import Cli
from tests.acceptance.support.scene import wait_for

APP = '''\
"""Work of two calls, and work that waits."""

import os
import time
from datetime import timedelta
from pathlib import Path

import fairlead as fl

HERE = Path(os.environ["ROLLOUT_MARKS"])
if (HERE / "broken-VERSION").exists():
    raise RuntimeError("this code does not import")
if (HERE / "hangs-VERSION").exists():
    time.sleep(3600)


@fl.tool(effect="idempotent", scope="notes:write", targets=["number"])
async def note(ctx: fl.Context, number: int) -> str:
    """Write a line outside."""
    with (HERE / "ledger").open("a") as ledger:
        ledger.write(f"{ctx.run_id} {number} VERSION\\n")
    return "VERSION"


@fl.workflow(
    intent="Note two numbers",
    owner="group:default/tests",
    input=int,
    output=str,
    tools=[note],
    slo=fl.SLO(success=0.99, latency_p95=timedelta(seconds=5)),
)
async def work(run: fl.Run[str], number: int) -> str:
    """Make two calls."""
    await run.call(note, number)
    return str(await run.call(note, -number))


@fl.workflow(
    intent="Wait for a word",
    owner="group:default/tests",
    input=int,
    output=str,
    tools=[note],
    slo=fl.SLO(success=0.99, latency_p95=timedelta(seconds=500)),
)
async def wait(run: fl.Run[str], number: int) -> str:
    """Wait until somebody says go."""
    await run.signal("go", str, within=timedelta(hours=1))
    return str(await run.call(note, number))


app = fl.App("rollouts", workflows=[work, wait])
'''
TOML = """\
[app]
name = "rollouts"

[database]
synchronous = "normal"

[worker]
controller = false
lease_s = 1
drain_s = 2

[delivery]
tick_s = 0.05
stranded_after_s = 1
keep_workers_s = 1

[workflow.work.limits]
steps = 5
"""
PLAN = """\
steps:
  - setWeight: 50
  - analysis: {min_runs: 10}
  - pause: {}
observe_s: 3600
ready_s: 60
gone_s: 5
analysis:
  metrics:
    - {name: success, source: outcome, p_max: 0.2}
"""
POLICY = '@id("all")\npermit (principal, action, resource);\n'


@dataclass(kw_only=True)
class Fleet:
    """The app, its releases, and the processes that keep it up.

    Attributes:
        folder: The app's folder.
        platform: The open platform of this process, which executes and decides nothing.
        cli: The command line.
        current: The release that is active.
        ups: Processes of `fairlead up`.
    """

    folder: Path
    platform: Platform
    cli: Cli
    current: Release
    ups: list[subprocess.Popen[str]] = field(default_factory=list)
    numbers: int = 0

    def candidate(self, *, steps: int | None = None, version: str | None = None) -> Release:
        """Make another release: with another limit, or of other code."""
        toml, module = self.folder / "fairlead.toml", self.folder / "app.py"
        if steps is not None:
            toml.write_text(TOML.replace("steps = 5", f"steps = {steps}"))
        if version is not None:
            module.write_text(APP.replace("VERSION", version))
        fresh = replace(self.platform, settings=load_settings(self.folder))
        # A process of its own imports each version, as an operator's command does.
        made = self.cli.json("release", "create")
        return fresh.release_store.get(made["release"])

    def start(self, release: Release) -> str:
        """Begin to roll a release out."""
        terms = read_rollout_terms(self.platform, release.digest)
        began = start_rollout(self.platform, release.digest, terms=terms, override="a test")
        return began.id

    def rollout(self, rollout_id: str) -> Rollout:
        return self.platform.rollout_store.get(rollout_id)

    def up(self) -> subprocess.Popen[str]:
        """Start `fairlead up`."""
        process = self.cli.start("up", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.ups.append(process)
        return process

    def ask(self, count: int, workflow: str = "work") -> list[RunRecord]:
        """Start runs, each on the release that is drawn for it."""
        asks = Principal(user="test")
        made = []
        for _ in range(count):
            self.numbers += 1
            made.append(
                self.platform.admission.start_routed(workflow, self.numbers, principal=asks)
            )
        return made

    def until(
        self, rollout_id: str, reached: Callable[[Rollout], bool], *, traffic: int = 0
    ) -> None:
        """Wait until a rollout stands somewhere, with traffic meanwhile."""

        def there() -> bool:
            if traffic:
                self.ask(traffic)
                time.sleep(0.1)
            return reached(self.rollout(rollout_id))

        wait_for(there, 90.0)

    def stop(self) -> None:
        """End every process that was started for this app."""
        for process in self.ups:
            if process.poll() is None:
                # It ends its workers itself, also one that has not taken a lease yet.
                process.terminate()
            process.wait(60)
        for worker in self.platform.workers.living(3600.0):
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)


@contextmanager
def fleet(folder: Path, *, plan: str = PLAN, url: str = "") -> Iterator[Fleet]:
    """Write the app and activate its first release."""
    folder.mkdir()
    (folder / "policies").mkdir()
    (folder / "policies/all.cedar").write_text(POLICY)
    (folder / "fairlead.toml").write_text(TOML)
    (folder / "rollout.yaml").write_text(plan)
    (folder / "app.py").write_text(APP.replace("VERSION", "one"))
    marks = folder.parent / "marks"
    marks.mkdir()
    environment = {"ROLLOUT_MARKS": str(marks)}
    if url:
        environment["FAIRLEAD_DATABASE_URL"] = url
    cli = Cli(folder, **environment)
    digest = cli.json("release", "create")["release"]
    cli("release", "activate", digest, "--override", "a test")
    settings = load_settings(folder)
    settings = replace(settings, database_url=url) if url else settings
    with open_platform(settings) as platform:
        made = Fleet(
            folder=folder,
            platform=platform,
            cli=cli,
            current=platform.release_store.get(digest),
        )
        try:
            yield made
        finally:
            made.stop()
