"""Restores a store again and again, in processes that are killed at every moment of it.

Started with the app's folder and two backups: it loads the libraries once and forks for each
attempt. An attempt restores the backup that the store is not, so that what is found afterwards says
whether it is the old store or the new one. Each line that it prints is what one attempt left.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from fairlead.operations import (
    RestoreOptions,
    Settings,
    load_settings,
    open_platform,
    restore_store,
    verify_events,
)

ATTEMPTS_MAX = 200
WATCHED = ("open", "sqlite3.connect", "os.")
"""What a process does to files, as Python tells of it before it happens."""


class Moments:
    """Kills its process before the one thing that a test chose of those it does in a folder."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder, self._number, self._seen = str(folder), number, 0

    def __call__(self, name: str, arguments: Any) -> None:
        if not name.startswith(WATCHED) or not arguments:
            return
        if self._folder not in str(arguments[0]):
            return
        self._seen += 1
        if self._seen == self._number:
            os.kill(os.getpid(), signal.SIGKILL)


def attempt(settings: Settings, file: Path, *, step: int = 0, after_s: float = 0.0) -> bool:
    """Restore in a process of its own; return whether it came to its end.

    Args:
        settings: The app's settings.
        file: The backup.
        step: Before which of the things it does with files it is killed; 0 for none.
        after_s: After how many seconds it is killed; 0 for never.
    """
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if step:
                sys.addaudithook(Moments(settings.folder / ".fairlead", step))
            restore_store(settings, file, RestoreOptions(replace=True))
            status = 0
        finally:
            os._exit(status)
    timer = threading.Timer(after_s, os.kill, (child, signal.SIGKILL))
    if after_s:
        timer.start()
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    timer.cancel()
    assert ended in (0, -signal.SIGKILL), ended
    return ended == 0


def state(settings: Settings) -> dict[str, Any]:
    """Say which store it is, and whether it holds."""
    with open_platform(settings) as platform:
        runs = len(platform.runs.list(limit=100))
        return {"runs": runs, "findings": list(verify_events(platform).findings)}


def main(folder: Path, fewer: Path, more: Path) -> None:
    """Restore until every moment was tried."""
    settings = replace(load_settings(folder), synchronous="normal")
    now = state(settings)["runs"]
    took: list[float] = []

    def one(**when: Any) -> bool:
        nonlocal now
        begun = time.monotonic()
        target = 2 if now == 1 else 1
        done = attempt(settings, fewer if target == 1 else more, **when)
        took.append(time.monotonic() - begun)
        found = state(settings)
        print(json.dumps({**found, "before": now, "target": target, "done": done}), flush=True)
        now = found["runs"]
        return done

    one()
    whole_s = took[-1]
    if settings.database_url.startswith("sqlite"):
        for step in range(1, ATTEMPTS_MAX):
            # What the one before left would be removed first, and so count as steps.
            for left in (settings.folder / ".fairlead").glob(".*.restoring"):
                shutil.rmtree(left)
            if one(step=step):
                break
    for part in range(1, 21):
        one(after_s=whole_s * part / 20)
    one()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
