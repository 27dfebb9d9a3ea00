"""Writes that must not be lost: tried again while the database is busy, full or away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

from fairlead.core.errors import StoreFull, StoreLocked, StoreUnavailable
from fairlead.ports.clock import Clock

STORE_THREADS = 4
"""Threads for the store's calls. They are its own, so that steps and tools that block threads hold
no run's record up. More of them only take the interpreter from each other: with eight, a worker
takes a quarter longer to take 100 runs over."""

_THREADS = ThreadPoolExecutor(STORE_THREADS, thread_name_prefix="fairlead-store")

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
    if getattr(getattr(function, "__self__", None), "in_memory", False):
        # What a replay keeps holds nothing up, and is never away.
        return function(*args, **kwargs)
    until = clock.now() + PATIENCE_S
    delay_s = 0.05
    while True:
        try:
            # Spans go with it, as `asyncio.to_thread` would let them.
            call = partial(copy_context().run, function, *args, **kwargs)
            return await asyncio.get_running_loop().run_in_executor(_THREADS, call)
        except (StoreLocked, StoreFull, StoreUnavailable):
            if clock.now() + delay_s > until:
                raise
        await clock.pause(delay_s * (0.5 + clock.chance()))
        delay_s = min(delay_s * 2, 2.0)
