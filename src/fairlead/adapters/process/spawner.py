"""Starts workers as child processes: each imports the app by itself, so a broken one harms none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path


class ChildProcess:
    """A worker's process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def status(self) -> int | None:
        """Return how it ended, as a process's status; None while it lives."""
        return self._process.poll()

    def stop(self) -> None:
        """Ask it to let its runs end, and to stop."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._send(signal.SIGKILL)
        self._process.wait()

    def _send(self, signum: int) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(signum)


class ChildSpawner:
    """Starts workers of an app as children of this process.

    Args:
        folder: The app's folder.
        environment: Environment variables on top of this process's own.
        log: The file to which they say what they have to say; None for where this process does.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str] | None = None, log: Path | None = None
    ) -> None:
        self._folder = folder
        self._environment = dict(environment or {})
        self._log = log

    def spawn(self, release: str) -> ChildProcess:
        """Start a worker of a release's code.

        Args:
            release: Digest of the release.
        """
        command = [sys.executable, "-m", "fairlead", "worker", "--release", release]
        # So it notices when we are gone, and when we are gone already before it looks.
        command += ["--parent", str(os.getpid())]
        with ExitStack() as opened:
            log = None if self._log is None else opened.enter_context(self._log.open("ab"))
            process = subprocess.Popen(
                [*command, "--app", str(self._folder)],
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A signal from the terminal is for us: we stop the workers in good order.
                start_new_session=True,
            )
        return ChildProcess(process)
