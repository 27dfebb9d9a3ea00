"""The app whose workers are killed, and the ledger outside of the platform that its tools write."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from fairlead.operations import Platform, Release, create_release, load_settings, open_platform

APP = Path(__file__).with_name("crash_app")


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One execution of a tool's body, as the world outside saw it.

    Attributes:
        what: The tool.
        run: The run.
        key: The idempotency key.
        pid: The worker's process.
        at: When, in seconds since 1970.
    """

    what: str
    run: str
    key: str
    pid: int
    at: float


@dataclass(kw_only=True)
class Crashes:
    """The app in a folder of its own, with its release.

    Attributes:
        folder: The app's folder.
        url: Its database.
        platform: The open platform of this process, which executes nothing itself.
        release: The release that runs start on.
    """

    folder: Path
    url: str
    platform: Platform
    release: Release
    _executions: list[Execution] = field(default_factory=list)
    _read: int = 0

    @property
    def ledger(self) -> Path:
        """The file that the tools' bodies append to."""
        return self.folder / "ledger.jsonl"

    def executions(self) -> list[Execution]:
        """Return every execution so far, in order."""
        with self.ledger.open("rb") as ledger:
            ledger.seek(self._read)
            # The last line may be half written at this moment.
            whole = ledger.read().rpartition(b"\n")[0]
        if whole:
            self._read += len(whole) + 1
            self._executions += [Execution(**json.loads(line)) for line in whole.splitlines()]
        return self._executions

    def recorded(self) -> dict[str, float]:
        """Return since when the outcome of each call is on record, by its key.

        The event is written in the transaction that writes the outcome, so that it was on record
        at this time or, by the length of a commit, a little later.
        """
        found: dict[str, float] = {}
        for chain in self.platform.events.chains():
            for event in chain:
                if event.type == "call.finished" and event.data["state"] != "unknown":
                    found.setdefault(event.data["key"], event.time)
        return found


@contextmanager
def crash_app(url: str = "") -> Iterator[Crashes]:
    """Copy the app into a temporary folder, and open its database.

    Args:
        url: The database; empty for an SQLite file in the folder.
    """
    with TemporaryDirectory(prefix="fairlead-bench-") as temporary:
        folder = Path(temporary) / "app"
        shutil.copytree(APP, folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "ledger.jsonl").touch()
        url = url or f"sqlite:///{temporary}/crashes.db"
        settings = replace(load_settings(folder), database_url=url, synchronous="normal")
        with open_platform(settings) as platform:
            release, _ = create_release(platform)
            yield Crashes(folder=folder, url=url, platform=platform, release=release)


def repeats(executions: Sequence[Execution], recorded: Mapping[str, float]) -> tuple[int, int]:
    """Return how many executions repeated a call that was on record, and one that was not.

    Args:
        executions: What happened outside, in order.
        recorded: Since when each call's outcome is on record, by its key.
    """
    seen: Counter[str] = Counter()
    of_record = in_flight = 0
    for execution in executions:
        seen[execution.key] += 1
        if seen[execution.key] > 1:
            known = recorded.get(execution.key, float("inf")) < execution.at
            of_record, in_flight = of_record + known, in_flight + (not known)
    return of_record, in_flight
