"""Whether the event loop that executes the runs still turns.

A heartbeat from a thread of its own proves only that the process lives. A tool that blocks the
loop holds up every run of the worker, and nobody would notice.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from fairlead.ports.clock import Clock


@dataclass(kw_only=True)
class Pulse:
    """Feels the loop's pulse from outside of it.

    Attributes:
        clock: Time.
    """

    clock: Clock
    _loop: asyncio.AbstractEventLoop | None = None
    _asked_at: float | None = None

    def feel(self) -> None:
        """Remember the loop in which this is called."""
        self._loop = asyncio.get_running_loop()
        self._turn()

    def still_s(self) -> float:
        """Return for how long the loop has not turned, in seconds; ask it to turn once more."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return 0.0
        asked_at, now = self._asked_at, self.clock.monotonic()
        if asked_at is None:
            # The mark stands before the question, which may be answered at once.
            self._asked_at = now
            loop.call_soon_threadsafe(self._turn)
            return 0.0
        return now - asked_at

    def _turn(self) -> None:
        self._asked_at = None
