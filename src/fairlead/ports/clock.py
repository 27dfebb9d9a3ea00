"""Time and chance, injected so that tests never wait."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from typing import Protocol


class Clock(Protocol):
    """Time and chance."""

    def now(self) -> float:
        """Return seconds since 1970, UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that nobody can set, from an arbitrary start; for how long ago it was."""
        ...

    def chance(self) -> float:
        """Return a number from 0.0 up to 1.0, for jitter."""
        ...

    def id(self) -> str:
        """Return a unique id that sorts by time."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait for a short while, not durably."""
        ...


class SystemClock:
    """The machine's own time and chance."""

    def now(self) -> float:
        """Return seconds since 1970, UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that nobody can set, from an arbitrary start; for how long ago it was."""
        return time.monotonic()

    def chance(self) -> float:
        """Return a number from 0.0 up to 1.0, for jitter."""
        return random.random()

    def id(self) -> str:
        """Return 12 digits of milliseconds and 12 of chance, so that ids sort by time."""
        return f"{int(time.time() * 1000):012x}{uuid.uuid4().hex[:12]}"

    async def pause(self, seconds: float) -> None:
        """Wait for a short while, not durably."""
        await asyncio.sleep(seconds)
