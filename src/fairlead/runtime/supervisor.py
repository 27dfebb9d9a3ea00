"""Keeps one worker process on this machine for each code that has work.

A change of a prompt, a model, a policy or a flag is no change of code, and needs no process. Old
code keeps its worker until its last run has ended, and a while longer, for a rollback.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fairlead.core.errors import FairleadError
from fairlead.ports.clock import Clock
from fairlead.ports.processes import Spawner, WorkerProcess
from fairlead.ports.rollouts import DeploymentStore, LiveCode
from fairlead.ports.workers import WorkerStore

AGAIN_S_MAX = 60.0
"""Longest pause before a worker that ended is started again."""

SETTLED_S = 60.0
"""A worker that lived so long has started well: its next end is a first one again."""


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """How processes are kept.

    Attributes:
        environment: The environment whose releases are served.
        host: This machine's name, as workers give it.
        lease_s: Seconds without a heartbeat after which a worker counts as dead.
        keep_s: Seconds for which the worker of code without work is kept.
        ready_s: Seconds within which a worker must have taken its lease; then it is killed.
        stop_s: Seconds that a stopping worker may take; then it is killed.
        most: Most workers at the same time.
    """

    environment: str
    host: str
    lease_s: float = 2.0
    keep_s: float = 600.0
    ready_s: float = 120.0
    stop_s: float = 60.0
    most: int = 8


@dataclass(kw_only=True)
class _Kept:
    """A worker process of ours, or the memory of one that ended."""

    process: WorkerProcess | None = None
    started_at: float = 0.0
    failures: int = 0
    not_before: float = float("-inf")
    idle_since: float | None = None
    stopping_since: float | None = None


@dataclass(kw_only=True)
class Supervisor:
    """Starts, restarts and stops worker processes.

    Attributes:
        deployments: Tells which code has work.
        workers: Tells who lives.
        spawner: Starts processes.
        clock: Time.
        upkeep: How.
        say: Is told, in a line, what happens.
    """

    deployments: DeploymentStore
    workers: WorkerStore
    spawner: Spawner
    clock: Clock
    upkeep: Upkeep
    say: Callable[[str], None] = field(default_factory=lambda: _silent)
    _kept: dict[str, _Kept] = field(default_factory=dict)
    _said: str = ""

    def tick(self) -> None:
        """Look once at what has work and who lives, and act on it.

        While the database is away the workers stay as they are: they go on when it is back.
        """
        try:
            self._look()
            self._said = ""
        except FairleadError as error:
            if str(error) != self._said:
                self._said = str(error)
                self.say(f"workers were not looked after: {error}")

    def _look(self) -> None:
        upkeep = self.upkeep
        live = self.deployments.live_code(upkeep.environment, upkeep.lease_s)
        living = self.workers.living(upkeep.lease_s)
        here = {one.code_digest for one in living if one.host == upkeep.host}
        leased = {one.pid for one in living if one.host == upkeep.host}
        self._reap(leased)
        wanted = {one.code_digest for one in live}
        for code in [code for code in self._kept if code not in wanted]:
            self._idle(code)
        for one in sorted(live, key=lambda each: (not each.routed, each.code_digest)):
            self._serve(one, here)

    def stop(self) -> None:
        """Stop every worker in good order, and wait for it."""
        kept = [one for one in self._kept.values() if one.process is not None]
        for one in kept:
            self._ask(one)
        until = self.clock.monotonic() + self.upkeep.stop_s
        while any(one.process.status() is None for one in kept if one.process):
            if self.clock.monotonic() > until:
                break
            _nap()
        for one in kept:
            if one.process is not None and one.process.status() is None:
                one.process.kill()

    @property
    def pids(self) -> Sequence[int]:
        """The processes that live."""
        return [
            one.process.pid
            for one in self._kept.values()
            if one.process is not None and one.process.status() is None
        ]

    def _reap(self, leased: set[int]) -> None:
        """Note what ended, and end what hangs."""
        now = self.clock.monotonic()
        for code, one in self._kept.items():
            process = one.process
            if process is None:
                continue
            status = process.status()
            if status is not None:
                self._ended(code, one, status)
            elif one.stopping_since is not None:
                if now - one.stopping_since > self.upkeep.stop_s:
                    process.kill()
            elif process.pid not in leased and now - one.started_at > self.upkeep.ready_s:
                self.say(f"worker of code {code[:12]}, pid {process.pid}, hangs; it is killed")
                process.kill()
                self._ended(code, one, -9)

    def _ended(self, code: str, one: _Kept, status: int) -> None:
        now = self.clock.monotonic()
        one.process = None
        if one.stopping_since is not None:
            one.stopping_since = None
            return
        one.failures = 1 if now - one.started_at > SETTLED_S else one.failures + 1
        pause_s = min(2.0 ** (one.failures - 1), AGAIN_S_MAX)
        one.not_before = now + pause_s
        self.say(f"worker of code {code[:12]} ended with status {status}; again in {pause_s:g} s")

    def _serve(self, live: LiveCode, here: set[str]) -> None:
        code = live.code_digest
        one = self._kept.setdefault(code, _Kept())
        one.idle_since = None
        now = self.clock.monotonic()
        # A worker that somebody else started here serves as well; when it dies, one is started.
        if one.process is not None or code in here or now < one.not_before:
            return
        if sum(kept.process is not None for kept in self._kept.values()) >= self.upkeep.most:
            return
        one.process = self.spawner.spawn(live.release)
        one.started_at = now
        self.say(f"worker of code {code[:12]} started, pid {one.process.pid}")

    def _idle(self, code: str) -> None:
        one, now = self._kept[code], self.clock.monotonic()
        if one.process is None:
            del self._kept[code]
            return
        if one.idle_since is None:
            one.idle_since = now
        if now - one.idle_since >= self.upkeep.keep_s and one.stopping_since is None:
            self.say(f"code {code[:12]} has no work any more; its worker stops")
            self._ask(one)

    def _ask(self, one: _Kept) -> None:
        if one.process is not None and one.stopping_since is None:
            one.stopping_since = self.clock.monotonic()
            one.process.stop()


def _nap() -> None:
    import time

    time.sleep(0.02)


def _silent(_: str) -> None:
    """Say nothing."""
