"""Starts worker processes and has them die: at named points of the protocol, and at random moments.

It loads the libraries once and forks one worker after the other, so that a death costs a tenth of
a second. Each worker has one fate. Either it carries a fault plan with one point at which it kills
itself, or it is killed from outside after a random time. One whose point does not come is killed
from outside, and the point waits for its next turn. When there were enough deaths, the workers that
follow live until standard input ends.

Each death is a line of JSON on standard output: the point, or `random`.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import select
import signal
import sys
import time
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from fairlead.operations import Settings, load_settings, make_worker, open_platform
from fairlead.ports.faults import NO_FAULTS
from fairlead.testing.faults import Fault, FaultPlan, Injector, Kill
from fairlead.testing.faults.plan import Boundary, Moment

WORKERS = 2
"""Workers that live at the same time."""

LEASE_S = 1.0
RANDOM_S = (0.1, 1.5)
"""A worker that dies at a random moment lives so long: from its start on, up to."""

POINT_S_MAX = 4.0
"""A worker whose point does not come lives so long."""

_TOOLS = ("look", "put", "pay", "charge", "refund")
_STORE = (
    "runs.begin",
    "runs.finish",
    "journal.find",
    "journal.intend",
    "journal.finish",
    "effects.intend",
    "effects.intend_again",
    "approvals.ask",
    "approvals.consume",
    "waits.look",
    "waits.close",
    "dispatch.claim",
    "dispatch.awake",
    "dispatch.park",
    "dispatch.take_over",
    "workers.start",
    "workers.beat",
    "insert operation_outputs",
    "insert effects",
    "insert events",
    "update workflow_status",
    "update runs",
    "commit",
)
_OFTEN = {"commit": 60, "insert events": 20, "update runs": 20, "workers.beat": 5}
"""Of what happens often, the n-th time is meant, up to this one; of all else up to the third."""

WHERE: tuple[tuple[Boundary, str, Moment], ...] = (
    *(
        ("tool", tool, moment)
        for tool in _TOOLS
        for moment in ("asked", "before", "inside", "after", "recorded")
    ),
    *(("store", name, moment) for name in _STORE for moment in ("before", "after")),
    *(("queue", name, "before") for name in ("start", "resume")),
    *(("queue", name, "after") for name in ("start", "resume", "claim")),
    *(("human", "*", moment) for moment in ("asked", "answered", "resumed")),
)
"""Every named point at which a worker dies."""


@dataclass(kw_only=True)
class Life:
    """One worker process.

    Attributes:
        point: Where it kills itself; empty for none.
        until: When it is killed from outside, on the clock that nobody sets.
        killed: Whether it was.
    """

    point: str
    until: float
    killed: bool = False


@dataclass(kw_only=True)
class Nursery:
    """All worker processes.

    Attributes:
        settings: The app's settings.
        chance: Where the fates come from.
        wanted: Deaths that are still wanted.
    """

    settings: Settings
    chance: random.Random
    wanted: int

    def __post_init__(self) -> None:
        self._lives: dict[int, Life] = {}
        self._points: deque[int] = deque(self.chance.sample(range(len(WHERE)), len(WHERE)))
        self._born = 0

    def run(self) -> None:
        """Have workers live and die until standard input ends; then let those that live stop."""
        while not select.select([sys.stdin], [], [], 0.005)[0]:
            while len(self._lives) < WORKERS:
                self._bear()
            self._kill_late_ones()
            self._bury()
        for pid in self._lives:
            os.kill(pid, signal.SIGTERM)
        for pid in self._lives:
            os.waitpid(pid, 0)

    def _bear(self) -> None:
        now, point, fault = time.monotonic(), "", None
        until = float("inf")
        if self.wanted > 0:
            self._born += 1
            if self._born % 2:
                place = self._points.popleft()
                fault, until = self._fault(place), now + POINT_S_MAX
                point = name_of(place)
            else:
                until = now + self.chance.uniform(*RANDOM_S)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                work(self.settings, fault)
                status = 0
            finally:
                os._exit(status)
        self._lives[child] = Life(point=point, until=until)

    def _fault(self, place: int) -> Fault:
        boundary, name, moment = WHERE[place]
        count = self.chance.randint(1, _OFTEN.get(name, 3))
        if name in ("workers.start", "effects.intend_again"):
            count = 1
        return Fault(boundary=boundary, name=name, moment=moment, call=count, action=Kill())

    def _kill_late_ones(self) -> None:
        for pid, life in self._lives.items():
            if time.monotonic() >= life.until and not life.killed:
                life.killed = True
                os.kill(pid, signal.SIGKILL)

    def _bury(self) -> None:
        for pid in list(self._lives):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            life = self._lives.pop(pid)
            if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
                sys.exit(f"a worker ended by itself, with status {status}")
            if life.point and life.killed:
                self._points.append(names().index(life.point))
            elif life.point and not self._points_left():
                self._points.extend(self.chance.sample(range(len(WHERE)), len(WHERE)))
            self.wanted -= 1
            died = {"pid": pid, "at": life.point if life.point and not life.killed else "random"}
            print(json.dumps(died), flush=True)

    def _points_left(self) -> bool:
        return len(self._points) > WORKERS


def name_of(place: int) -> str:
    """Return a point's name, such as `tool pay before`."""
    return " ".join(WHERE[place])


def names() -> list[str]:
    """Return the names of all points."""
    return [name_of(place) for place in range(len(WHERE))]


def work(settings: Settings, fault: Fault | None) -> None:
    """Be a worker until SIGTERM, or until the fault strikes."""
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda received, _: stopping.append(received))
    faults = Injector(FaultPlan(fault)) if fault else NO_FAULTS
    with open_platform(settings, faults=faults) as platform:
        worker = make_worker(platform)
        worker.start()
        while worker.lost is None and not stopping:
            time.sleep(0.02)
        if worker.lost is None:
            worker.stop()


def main() -> None:
    """Start with an app's folder, its database, and how many workers are to die."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.killer", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("url")
    parser.add_argument("kills", type=int)
    parser.add_argument("seed", type=int)
    options = parser.parse_args()
    settings = replace(
        load_settings(options.folder),
        database_url=options.url,
        synchronous="normal",
        lease_s=LEASE_S,
        drain_s=5.0,
    )
    _rehearse(settings)
    Nursery(settings=settings, chance=random.Random(options.seed), wanted=options.kills).run()


def _rehearse(settings: Settings) -> None:
    """Prepare a worker on a database of its own: what that loads, every fork has already."""
    with TemporaryDirectory(prefix="fairlead-bench-") as folder:
        scratch = replace(settings, database_url=f"sqlite:///{folder}/scratch.db")
        with open_platform(scratch) as platform:
            make_worker(platform)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    main()
