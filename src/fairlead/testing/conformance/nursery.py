"""Worker processes of the suite: started, killed, stopped, continued, and ended."""

from __future__ import annotations

import atexit
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fairlead.testing.conformance import forks

END_S_MAX = 30.0
"""A worker that was told to stop has so long for it."""

_MAIN = f"import sys; from {forks.__name__} import main; main(*sys.argv[1:])"
_POLL_S = 0.01


@dataclass(kw_only=True)
class WorkerProcess:
    """One worker process.

    Attributes:
        nursery: Who forked it.
        pid: Its process.
        plan: The fault plan that it got.
        log: What it wrote.
    """

    nursery: Nursery
    pid: int
    plan: Path
    log: Path
    _status: int | None = field(default=None)

    @property
    def status(self) -> int | None:
        """How it ended, negative for a signal; None while it lives."""
        if self._status is None:
            self._status = self.nursery.ask(do="status", pid=self.pid)["status"]
        return self._status

    @property
    def ready(self) -> bool:
        """Whether it has said that it takes runs."""
        return "ready" in self.log.read_text(encoding="utf-8")

    def kill(self) -> None:
        """Send SIGKILL, and wait until it is dead."""
        self._signal(signal.SIGKILL)
        assert self.wait() == -signal.SIGKILL

    def freeze(self) -> None:
        """Send SIGSTOP: it stands still, and its lease lapses."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Send SIGCONT: it goes on as if no time had passed."""
        self._signal(signal.SIGCONT)

    def end(self) -> None:
        """Send SIGTERM, and wait until it has drained its runs and stopped cleanly."""
        self._signal(signal.SIGTERM)
        assert self.wait() == 0, self.said()

    def wait(self) -> int:
        """Wait until it has ended; return how."""
        until = time.monotonic() + END_S_MAX
        while (status := self.status) is None:
            assert time.monotonic() < until, f"worker {self.pid} does not end"
            time.sleep(_POLL_S)
        return status

    def said(self) -> str:
        """Return how it ended and what it wrote, for a message."""
        return f"worker {self.pid} ended with {self.status}: {self.log.read_text(encoding='utf-8')}"

    def _signal(self, number: signal.Signals) -> None:
        self._status = self.nursery.ask(do="signal", pid=self.pid, number=int(number))["status"]


class Nursery:
    """Forks worker processes, and ends only what it started."""

    def __init__(self, worker: str, rehearsal: str) -> None:
        """Load the libraries in a process of their own, from which workers are forked.

        Args:
            worker: `module:function` that is a worker until SIGTERM.
            rehearsal: `module:function` that loads what a worker needs; it takes an empty folder.
        """
        self._scratch = TemporaryDirectory(prefix="fairlead-conformance-")
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _MAIN, worker, rehearsal, self._scratch.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def fork(
        self, arguments: Sequence[str], *, plan: Path, log: Path, environment: Mapping[str, str]
    ) -> WorkerProcess:
        """Start one worker.

        Args:
            arguments: Its command line.
            plan: The fault plan that this names.
            log: Where its output goes.
            environment: Variables that it gets beside those of this process.
        """
        log.touch()
        answer = self.ask(
            do="fork", arguments=list(arguments), log=str(log), environment=dict(environment)
        )
        return WorkerProcess(nursery=self, pid=answer["pid"], plan=plan, log=log)

    def ask(self, **command: Any) -> Any:
        """Have a command done; return the answer."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        with self._lock:
            stdin.write(json.dumps(command).encode() + b"\n")
            stdin.flush()
            line = stdout.readline()
        assert line, "the process that forks workers is gone; what went wrong stands above"
        return json.loads(line)

    def close(self) -> None:
        """End every worker and the process itself."""
        self._process.communicate(timeout=END_S_MAX)
        self._scratch.cleanup()


@cache
def nursery_of(worker: str, rehearsal: str) -> Nursery:
    """Return the nursery of a kind of worker; this process has one of each, until it ends."""
    made = Nursery(worker, rehearsal)
    atexit.register(made.close)
    return made
