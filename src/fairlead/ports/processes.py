"""Worker processes on this machine."""

from __future__ import annotations

from typing import Protocol


class WorkerProcess(Protocol):
    """A worker's process."""

    @property
    def pid(self) -> int:
        """Its number."""
        ...

    def status(self) -> int | None:
        """Return how it ended, as a process's status; None while it lives."""
        ...

    def stop(self) -> None:
        """Ask it to let its runs end, and to stop."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


class Spawner(Protocol):
    """Starts worker processes."""

    def spawn(self, release: str) -> WorkerProcess:
        """Start a worker of a release's code.

        Args:
            release: Digest of the release.
        """
        ...
