"""Sets a scene for worker processes, runs it, and reads what the world outside saw."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fairlead import Principal
from fairlead.operations import (
    Platform,
    Release,
    RunRecord,
    create_release,
    ingest,
    load_settings,
    open_platform,
)
from tests.acceptance.support.app import LEDGER, write_app

ROOT = Path(__file__).resolve().parents[3]
TOO_LONG_S = 100


@dataclass(kw_only=True)
class Scene:
    """An app in a folder with its database, and runs that wait for workers.

    Attributes:
        folder: The app's folder.
        platform: The open platform of this process, which executes nothing itself.
        release: The release that runs start on.
        kills: Where workers die, by run.
        spawned: The processes that were started.
    """

    folder: Path
    platform: Platform
    release: Release
    kills: dict[str, str] = field(default_factory=dict)
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

    def start(self, workflow: str, input: Any, *, die: str = "") -> str:
        """Queue a run; a worker dies at its point `die`. Returns the run's id."""
        run = self.platform.admission.start(self.release, workflow, input, principal=Principal())
        if die:
            self.kills[run.id] = die
        return run.id

    def spawn(self, *arguments: str) -> subprocess.Popen[str]:
        """Start worker processes, one after another's death."""
        (self.folder / "kills.json").write_text(json.dumps(self.kills))
        command = [sys.executable, "-m", "tests.acceptance.support.workers", str(self.folder)]
        process = subprocess.Popen(
            [*command, *arguments],
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
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()

    def play(self) -> int:
        """Let workers work, and die, until every run has ended; return how many were killed."""
        ended = self.spawn()
        output, errors = ended.communicate(timeout=TOO_LONG_S)
        assert (ended.returncode, output, errors) == (0, "", "")
        return len(list(self.folder.glob("dead-*")))

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
def scene(folder: Path, *, concurrency: int = 1) -> Iterator[Scene]:
    """Write the app, ingest its notes and make its release.

    Args:
        folder: Where; it is made.
        concurrency: Most runs that one worker executes at the same time.
    """
    write_app(folder, concurrency=concurrency)
    with open_platform(load_settings(folder)) as platform:
        ingest(platform)
        release, _ = create_release(platform)
        made = Scene(folder=folder, platform=platform, release=release)
        try:
            yield made
        finally:
            made.stop()
