"""Forks worker processes for the suite: the libraries are loaded once, and a worker starts at once.

Each line on standard input is a JSON command, each line on standard output its JSON answer. When
standard input ends, so does every worker.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

REAP_S = 0.02
"""Seconds between two looks at which workers have ended."""

_CRASHED = 70


class Forks:
    """The workers that this process forked."""

    def __init__(self, worker: Callable[[Sequence[str]], int]) -> None:
        """Have no workers yet.

        Args:
            worker: Is a worker until it is told to stop; returns its exit status.
        """
        self._worker = worker
        self._statuses: dict[int, int | None] = {}

    def serve(self) -> None:
        """Do what standard input says, until it ends."""
        buffer = b""
        try:
            while True:
                ready, _, _ = select.select([0], [], [], REAP_S)
                self._reap()
                if not ready:
                    continue
                read = os.read(0, 65_536)
                if not read:
                    return
                *lines, buffer = (buffer + read).split(b"\n")
                for line in lines:
                    answer = self._do(json.loads(line))
                    os.write(1, json.dumps(answer).encode() + b"\n")
        finally:
            self._end()

    def _do(self, command: dict[str, Any]) -> dict[str, Any]:
        if command["do"] == "fork":
            return {"pid": self._fork(command)}
        pid = command["pid"]
        # A process that has ended and was not waited for keeps its id, so nobody else has it.
        self._reap()
        if command["do"] == "signal" and self._statuses[pid] is None:
            os.kill(pid, command["number"])
        return {"status": self._statuses[pid]}

    def _fork(self, command: Mapping[str, Any]) -> int:
        pid = os.fork()
        if pid == 0:
            status = _CRASHED
            try:
                status = self._be(command)
            except BaseException:  # noqa: BLE001 - whatever it is, it must not reach the parent's loop
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        self._statuses[pid] = None
        return pid

    def _be(self, command: Mapping[str, Any]) -> int:
        log = os.open(command["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        null = os.open(os.devnull, os.O_RDONLY)
        for target, source in ((0, null), (1, log), (2, log)):
            os.dup2(source, target)
        os.environ.update(command["environment"])
        return self._worker(command["arguments"])

    def _reap(self) -> None:
        for pid, status in list(self._statuses.items()):
            if status is None:
                ended, raw = os.waitpid(pid, os.WNOHANG)
                if ended:
                    self._statuses[pid] = os.waitstatus_to_exitcode(raw)

    def _end(self) -> None:
        for pid, status in self._statuses.items():
            if status is None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def main(worker: str, rehearsal: str, scratch: str) -> None:
    """Fork workers until standard input ends.

    Args:
        worker: `module:function` that is a worker; it takes a command line without the name.
        rehearsal: `module:function` that loads what a worker needs; it takes the empty folder.
        scratch: An empty folder.
    """
    be = _named(worker)
    _named(rehearsal)(Path(scratch))
    Forks(be).serve()


def _named(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found
