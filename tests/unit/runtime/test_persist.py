"""A write that must not be lost is tried again while the database is busy, full or away."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fairlead.core.errors import (
    FairleadError,
    StoreCorrupt,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    StoreUnavailable,
    UnknownRun,
)
from fairlead.runtime.persist import PATIENCE_S, persist
from fairlead.testing import FakeClock

PASSING = [StoreLocked, StoreFull, StoreUnavailable]


class Store:
    """A store that fails some times, then writes.

    Attributes:
        tried: Arguments of each try.
        threads: Where each try was made.
    """

    def __init__(self, error: Exception, times: int) -> None:
        self._error = error
        self._times = times
        self.tried: list[Any] = []
        self.threads: set[int] = set()

    def write(self, *args: Any, **kwargs: Any) -> str:
        self.tried.append((args, kwargs))
        self.threads.add(threading.get_ident())
        if len(self.tried) <= self._times:
            raise self._error
        return "written"


@pytest.mark.parametrize("passing", PASSING)
def test_what_passes_is_tried_again_with_the_same_arguments(passing: type[FairleadError]) -> None:
    clock, store = FakeClock(), Store(passing("not now"), 3)
    assert asyncio.run(persist(clock, store.write, 1, more="two")) == "written"
    assert store.tried == [((1,), {"more": "two"})] * 4
    # Chance gives a half here, so that a wait is as long as its turn.
    assert clock.pauses == pytest.approx([0.05, 0.1, 0.2])


@pytest.mark.parametrize("passing", PASSING)
def test_invariant_11_patience_has_an_end(passing: type[FairleadError]) -> None:
    clock, store = FakeClock(), Store(passing("not now"), 10_000)
    with pytest.raises(passing, match="not now"):
        asyncio.run(persist(clock, store.write))
    assert sum(clock.pauses) == pytest.approx(PATIENCE_S, abs=3.0)
    assert sum(clock.pauses) <= PATIENCE_S
    assert max(clock.pauses) == 2.0
    assert len(store.tried) == len(clock.pauses) + 1


@pytest.mark.parametrize(
    "error",
    [
        StoreReadOnly("never"),
        StoreCorrupt("never"),
        UnknownRun("never"),
        ValueError("never"),
        OSError("never"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_does_not_pass_is_raised_at_once(error: Exception) -> None:
    clock, store = FakeClock(), Store(error, 1)
    with pytest.raises(type(error), match="never"):
        asyncio.run(persist(clock, store.write))
    assert (len(store.tried), clock.pauses) == (1, [])


def test_waits_differ_between_those_who_wait() -> None:
    waits = []
    for luck in (0.0, 0.9):
        clock = FakeClock(luck=luck)
        asyncio.run(persist(clock, Store(StoreLocked("busy"), 1).write))
        waits += clock.pauses
    assert waits == pytest.approx([0.025, 0.07])


def test_the_store_is_called_in_a_thread_of_its_own() -> None:
    """A store that waits for a lock stops no other run of the worker."""
    store = Store(ValueError("never"), 0)
    assert asyncio.run(persist(FakeClock(), store.write)) == "written"
    assert threading.get_ident() not in store.threads


def test_steps_that_block_threads_do_not_hold_the_store_up() -> None:
    """They share the event loop's threads with whatever else asks for some."""
    let_go, store = threading.Event(), Store(ValueError("never"), 0)

    async def scene() -> str:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        blocked = asyncio.ensure_future(asyncio.to_thread(let_go.wait, 60))
        await asyncio.sleep(0)
        try:
            return await asyncio.wait_for(persist(FakeClock(), store.write), 30)
        finally:
            let_go.set()
            await blocked

    assert asyncio.run(scene()) == "written"
