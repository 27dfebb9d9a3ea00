"""What ends while calls are made: the time, the run, the caller."""

from __future__ import annotations

import asyncio

import pytest

from fairlead.core.context import Context
from fairlead.core.errors import Denied, OutsideRun
from fairlead.ports.boundary import Driven
from tests.unit.runtime.test_boundary import Bench


def test_a_late_call_is_denied() -> None:
    bench = Bench()
    bench.clock.time += 601
    with pytest.raises(Denied) as error:
        bench.call("read")
    assert error.value.code == "FL-505"
    assert bench.executed == 0


def test_a_closed_boundary_makes_no_call() -> None:
    bench = Bench()

    async def close_and_call() -> None:
        await bench.boundary.close()
        await bench.boundary.call("tool", "read", {}, bench.driver(lambda _: 1))

    with pytest.raises(OutsideRun):
        asyncio.run(close_and_call())
    assert bench.engine.steps == []


def test_a_caller_that_gives_up_does_not_take_the_call_with_it() -> None:
    async def scenario() -> None:
        bench = Bench()
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def body(_: Context) -> Driven:
            begun.set()
            await go_on.wait()
            return Driven(value="paid")

        caller = asyncio.ensure_future(bench.boundary.call("tool", "once", {}, body))
        await begun.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert bench.journal.records["r1", 1].state == "intended"
        go_on.set()
        await bench.boundary.close()
        assert bench.journal.records["r1", 1].state == "done"

    asyncio.run(scenario())
