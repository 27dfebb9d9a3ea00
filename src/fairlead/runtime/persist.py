"""Writes that must not be lost: tried again while the database is busy, full or away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from fairlead.core.errors import StoreFull, StoreLocked, StoreUnavailable
from fairlead.ports.clock import Clock

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE_S = 60.0
"""How long a step waits for the database before it gives up."""


async def persist(clock: Clock, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call the store in a thread, and again while it is busy, full or away.

    Args:
        clock: Time and chance.
        function: A store's method; one transaction, so that a repeat is safe.
        args: Its arguments.
        kwargs: Its keyword arguments.

    Raises:
        FairleadError: The store's error, after `PATIENCE_S`.
    """
    until = clock.now() + PATIENCE_S
    delay_s = 0.05
    while True:
        try:
            return await asyncio.to_thread(function, *args, **kwargs)
        except (StoreLocked, StoreFull, StoreUnavailable):
            if clock.now() + delay_s > until:
                raise
        await clock.pause(delay_s * (0.5 + clock.chance()))
        delay_s = min(delay_s * 2, 2.0)
