"""The kill switches as a worker sees them: read at most every half second, for all its calls."""

from __future__ import annotations

import threading

from fairlead.core.kill import Kills, kills_of
from fairlead.ports.clock import Clock
from fairlead.ports.kills import KillStore
from fairlead.runtime.persist import persist

FRESH_S = 0.5
"""A reading that is older is not used. So a switch stops every worker within a second, and most
calls ask nobody."""


class Switches:
    """Reads which switches are pulled, and remembers it for `FRESH_S`.

    No call goes on by an older reading: when the database cannot be read, calls wait for it, and
    give up with it. So what cannot be looked up stops.
    """

    def __init__(self, store: KillStore, clock: Clock) -> None:
        """Look at nothing yet.

        Args:
            store: Where switches are kept.
            clock: Time.
        """
        self._store = store
        self._clock = clock
        self._known: Kills = {}
        self._read_at = float("-inf")
        self._reading = threading.Lock()

    async def kills(self) -> Kills:
        """Return the switches that are pulled, as they were at most `FRESH_S` ago.

        Raises:
            FairleadError: The database could not be read for a minute.
        """
        if self._fresh():
            return self._known
        return await persist(self._clock, self._read)

    def _fresh(self) -> bool:
        return self._clock.monotonic() - self._read_at < FRESH_S

    def _read(self) -> Kills:
        with self._reading:
            # Calls that came at the same time share one reading.
            if not self._fresh():
                asked_at = self._clock.monotonic()
                self._known = kills_of(self._store.active())
                # What was pulled after the asking may not be in the answer.
                self._read_at = asked_at
            return self._known
