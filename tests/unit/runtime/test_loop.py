"""The loop guard in a run: what counts, what is stopped, and that it stays stopped."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fairlead.core.errors import CallFailed, Denied, LoopDetected
from fairlead.ports.boundary import Driven
from tests.unit.runtime.test_boundary import Bench, raising


def model_turn(bench: Bench) -> Any:
    """Make a model turn, the same each time."""

    async def drive(_: Any) -> Driven:
        return Driven(value="thinking")

    return asyncio.run(bench.boundary.call("model", "m", {"messages": []}, drive))


async def aside(bench: Bench) -> None:
    """Take the run's turn for something that is no call."""
    async with bench.boundary.turn("a signal"):
        pass


@pytest.mark.parametrize("name", ["read", "idempotent", "once"])
@pytest.mark.parametrize("between", [lambda _: None, model_turn], ids=["alone", "model turns"])
def test_the_same_call_with_the_same_result_is_made_three_times_at_most(
    name: str, between: Any
) -> None:
    bench = Bench()
    for _ in range(3):
        bench.call(name)
        between(bench)
    with pytest.raises(LoopDetected, match="called 3 times"):
        bench.call(name)
    assert bench.executed == 3


def test_two_calls_that_take_turns_are_made_three_times_together() -> None:
    bench = Bench()
    for name in ("read", "once", "read"):
        bench.call(name)
    with pytest.raises(LoopDetected, match="once and read take turns"):
        bench.call("once")
    assert bench.executed == 3


def test_failures_that_the_code_catches_count_as_results() -> None:
    bench = Bench()
    for _ in range(3):
        with pytest.raises(CallFailed):
            bench.call("read", body=raising(ValueError("no")))
    with pytest.raises(LoopDetected):
        bench.call("read")


def test_other_arguments_or_results_are_no_loop() -> None:
    bench = Bench()
    for number in range(6):
        bench.call("read", {"page": number})
    for number in range(6):
        bench.call("read", body=lambda _, n=number: n)
    assert bench.executed == 12


def test_the_limit_says_how_often() -> None:
    bench = Bench(repeats=5)
    for _ in range(5):
        bench.call("read")
    with pytest.raises(LoopDetected):
        bench.call("read")


def test_a_run_that_was_stopped_makes_no_other_call_either() -> None:
    bench = Bench(repeats=1)
    bench.call("read")
    assert bench.boundary.stopped is None
    for _ in range(2):
        with pytest.raises(LoopDetected):
            bench.call("read")
        with pytest.raises(LoopDetected):
            bench.call("once", {"x": 1})
        with pytest.raises(LoopDetected):
            model_turn(bench)
    assert bench.executed == 1
    assert bench.boundary.stopped is not None
    assert bench.boundary.stopped.code == "FL-506"
    with pytest.raises(LoopDetected):
        asyncio.run(aside(bench))


def test_a_refused_call_of_another_kind_does_not_stop_the_run() -> None:
    bench = Bench(denied=("once",))
    with pytest.raises(Denied):
        bench.call("once")
    assert bench.boundary.stopped is None
    assert bench.call("read") == "done"


def test_a_replay_stops_at_the_same_call() -> None:
    bench = Bench()
    for _ in range(3):
        bench.call("read")
    with pytest.raises(LoopDetected):
        bench.call("read")
    bench.again(bench.engine.replay())
    for _ in range(3):
        bench.call("read")
    with pytest.raises(LoopDetected):
        bench.call("read")
    assert (bench.engine.executed, bench.executed) == ([], 3)


def test_what_is_remembered_is_bounded() -> None:
    bench = Bench(steps=50, repeats=4)
    for number in range(30):
        bench.call("read", {"page": number})
    assert len(bench.boundary._tally.recent) == 5
