"""What has fired: kept beside the plan, so that the count outlives the process that died of it."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Firing:
    """One time that a fault fired.

    Attributes:
        fault: The fault's place in the plan, from 0.
        do: What it did.
        name: Name of what it struck.
        moment: When.
        run: The run; None when it struck none or many.
        number: The call's number in its run; None when it struck no call.
        count: Which match it was: the call's number, or the count in that process.
        pid: The process that it struck.
    """

    fault: int
    do: str
    name: str
    moment: str
    run: str | None
    number: int | None
    count: int
    pid: int


class Firings:
    """The firings of one plan, of every process that shares the file."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the record.

        Args:
            path: A file that is only ever appended to; None keeps the record in memory.
        """
        self._path = path
        self._kept: list[Firing] = []
        self._lock = threading.Lock()

    def claim(self, firing: Firing, limit: int, *, per_run: bool) -> bool:
        """Record a firing unless its fault has fired often enough.

        Args:
            firing: What is about to happen; it is on record before it does.
            limit: How often the fault may fire.
            per_run: Whether that is for each run.
        """

        def spent(found: Iterable[Firing]) -> bool:
            same = (one for one in found if one.fault == firing.fault)
            return sum(not per_run or one.run == firing.run for one in same) >= limit

        with self._lock:
            if self._path is None:
                if spent(self._kept):
                    return False
                self._kept.append(firing)
                return True
            with self._path.open("a+", encoding="utf-8") as file:
                # The lock is the file's own: other workers read and append too.
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                if spent(_parse(file)):
                    return False
                file.write(json.dumps(asdict(firing)) + "\n")
                file.flush()
                os.fsync(file.fileno())
                return True

    def list(self) -> list[Firing]:
        """Return every firing so far, in order."""
        if self._path is None:
            return list(self._kept)
        if not self._path.exists():
            return []
        with self._path.open(encoding="utf-8") as file:
            return list(_parse(file))


def _parse(lines: Iterable[str]) -> Iterable[Firing]:
    return (Firing(**json.loads(line)) for line in lines)


def firings_of(plan: Path) -> Firings:
    """Return the firings of a plan that was handed over as a file.

    Args:
        plan: The plan's own file.
    """
    return Firings(plan.with_name(plan.name + ".fired"))
