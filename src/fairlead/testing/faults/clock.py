"""A clock that is put wrong."""

from __future__ import annotations

from collections.abc import Callable

from fairlead.ports.clock import Clock


class FaultyClock:
    """Another clock's readings, and how far they are off.

    Attributes:
        offset_s: How far the next reading is off; negative is behind.
    """

    def __init__(
        self, clock: Clock, *, offset_s: float = 0.0, on_reading: Callable[[], float] | None = None
    ) -> None:
        """Wrap a clock.

        Args:
            clock: The clock that goes right.
            offset_s: How far this one is off from the start.
            on_reading: Called at each reading; what it returns, in seconds, is added to the offset
                from that reading on. None for a clock that keeps its offset.
        """
        self._clock = clock
        self._on_reading = on_reading
        self.offset_s = offset_s

    def now(self) -> float:
        """Return seconds since 1970, UTC, and the offset."""
        if self._on_reading is not None:
            self.offset_s += self._on_reading()
        return self._clock.now() + self.offset_s

    def monotonic(self) -> float:
        """Return seconds that nobody can set: nothing puts this one wrong."""
        return self._clock.monotonic()

    def chance(self) -> float:
        """Return a number from 0.0 up to 1.0, for jitter."""
        return self._clock.chance()

    def id(self) -> str:
        """Return a unique id that sorts by the right time."""
        return self._clock.id()

    async def pause(self, seconds: float) -> None:
        """Wait for a short while, not durably."""
        await self._clock.pause(seconds)
