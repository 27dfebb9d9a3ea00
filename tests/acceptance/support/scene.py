"""Sets a scene for worker processes, runs it, and reads what the world outside saw."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fairlead import Principal
from fairlead.operations import (
    Platform,
    Release,
    RunRecord,
    StartOptions,
    create_release,
    ingest,
    load_settings,
    open_platform,
)
from fairlead.testing.faults import Fault, FaultPlan, Firing, Kill, Stop, firings_of
from fairlead.testing.faults.plan import Moment
from tests.acceptance.support import workers
from tests.acceptance.support.app import LEDGER, write_app
from tests.acceptance.support.workers import PLAN
from tests.forked import forked

ROOT = Path(__file__).resolve().parents[3]
TOO_LONG_S = 100


MOMENTS: dict[str, Moment] = {
    "between": "asked",
    "intended": "before",
    "body": "inside",
    "driven": "after",
    "recorded": "recorded",
}
"""Where a worker can die in a call."""


def death(run_id: str, point: str) -> Fault:
    """Return the fault that kills the worker of a run.

    Args:
        run_id: The run.
        point: `MOMENT:NUMBER` of a call, or `begin` or `finish` with `:before` or `:after` of the
            run itself; then `*TIMES` for more than one death, or `*stop` to only stop the worker.
    """
    place, _, times = point.partition("*")
    what, _, where = place.partition(":")
    action = Stop() if times == "stop" else Kill()
    limit = int(times) if times.isdigit() else 1
    if what in MOMENTS:
        return Fault(
            boundary="call",
            moment=MOMENTS[what],
            call=int(where),
            counted="run",
            run=run_id,
            times=limit,
            action=action,
        )
    moment: Moment = "before" if where == "before" else "after"
    store = "approvals" if what == "ask" else "runs"
    return Fault(
        boundary="store",
        name=f"{store}.{what}",
        moment=moment,
        run=run_id,
        times=limit,
        action=action,
    )


@dataclass(kw_only=True)
class Scene:
    """An app in a folder with its database, and runs that wait for workers.

    Attributes:
        folder: The app's folder.
        platform: The open platform of this process, which executes nothing itself.
        release: The release that runs start on.
        faults: What breaks.
        spawned: The processes that were started.
    """

    folder: Path
    platform: Platform
    release: Release
    faults: list[Fault] = field(default_factory=list)
    spawned: list[subprocess.Popen[str]] = field(default_factory=list)

    def edit(self, name: str, old: str, new: str) -> None:
        """Change one file of the app."""
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def release_again(self) -> Release:
        """Make a release of the app as it stands now; runs start on it from here on."""
        # Settings are read once per process; the release command is a process of its own.
        fresh = replace(self.platform, settings=load_settings(self.folder))
        self.release, new = create_release(fresh)
        assert new
        return self.release

    def wait(self, run_id: str, timeout_s: float = 30.0) -> RunRecord:
        """Wait until a run has ended."""
        return asyncio.run(self.platform.admission.wait(run_id, timeout_s))

    def start(
        self, workflow: str, input: Any, *, die: str = "", conversation: str | None = None
    ) -> str:
        """Queue a run; a worker dies at its point `die`. Returns the run's id."""
        options = StartOptions(conversation=conversation)
        run = self.platform.admission.start(
            self.release, workflow, input, principal=Principal(), options=options
        )
        if die:
            self.faults.append(death(run.id, die))
        return run.id

    def plan(self) -> None:
        """Write down what breaks, for workers that are started from now on."""
        FaultPlan(*self.faults).save(self.folder / PLAN)

    def kill_worker(self) -> None:
        """Kill the worker that lives now; another one follows."""
        (worker,) = self.platform.workers.living(60.0)
        os.kill(worker.pid, signal.SIGKILL)

    def spawn(self, *arguments: str) -> subprocess.Popen[str]:
        """Start worker processes, one after another's death."""
        self.plan()
        process = subprocess.Popen(
            [forked(workers.__name__), str(self.folder), *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.spawned.append(process)
        return process

    def stop(self) -> None:
        """End what a failed test left behind, with its workers."""
        for process in self.spawned:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if process.stdout is not None and not process.stdout.closed:
                process.communicate()

    def play(self) -> int:
        """Let workers work, and die, until every run has ended; return how many were killed."""
        ended = self.spawn()
        output, errors = ended.communicate(timeout=TOO_LONG_S)
        assert (ended.returncode, output, errors) == (0, "", "")
        return len(list(self.folder.glob("dead-*")))

    def firings(self) -> list[Firing]:
        """Return every fault that has fired, in order."""
        return firings_of(self.folder / PLAN).list()

    def run(self, run_id: str) -> RunRecord:
        """Return a run as it is on record."""
        return self.platform.runs.get(run_id)

    def ledger(self, run_id: str) -> list[dict[str, Any]]:
        """Return what a run did outside, in order."""
        lines = (self.folder / LEDGER).read_text().splitlines()
        return [entry for entry in map(json.loads, lines) if entry["run"] == run_id]

    def executed(self, run_id: str) -> Counter[int]:
        """Return how often the body of each call of a run was executed, by the call's number."""
        return Counter(int(entry["key"].partition(":")[2]) for entry in self.ledger(run_id))


@contextmanager
def scene(
    folder: Path,
    *,
    concurrency: int = 1,
    write: Callable[..., Path] = write_app,
    url: str = "",
) -> Iterator[Scene]:
    """Write the app, ingest its notes and make its release.

    Args:
        folder: Where; it is made.
        concurrency: Most runs that one worker executes at the same time.
        write: Writes the app.
        url: The database; empty for the app's own.
    """
    write(folder, concurrency=concurrency)
    if url:
        toml = folder / "fairlead.toml"
        toml.write_text(toml.read_text().replace("[database]\n", f'[database]\nurl = "{url}"\n'))
    with open_platform(load_settings(folder)) as platform:
        if "collections" in platform.settings.config:
            ingest(platform)
        release, _ = create_release(platform)
        made = Scene(folder=folder, platform=platform, release=release)
        try:
            yield made
        finally:
            made.stop()


def wait_for(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait until a condition holds."""
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
