"""What is large is kept once: the engine's record of a step names it, and replay reads it there."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import pytest

import fairlead as fl
from fairlead.core.bounds import Bounds
from fairlead.core.digests import canonical_json
from fairlead.core.limits import INLINE_BYTES_MAX
from fairlead.ports.waits import Signal
from fairlead.runtime import execute
from fairlead.testing import FakeEngine
from tests.unit.runtime.bench import SLO_OF_TESTS, Bench

SMALL, LARGE = INLINE_BYTES_MAX // 2, INLINE_BYTES_MAX * 2


@fl.tool(effect="read", scope="items:read")
async def fetch(_: fl.Context, size: int) -> str:
    """Fetch."""
    return "x" * size


@fl.tool(effect="once", scope="items:write")
async def make(_: fl.Context, size: int) -> str:
    """Make."""
    return "y" * size


def bench_of(body: Any, size: int) -> Bench:
    """Return a bench for a workflow with this body."""
    declare = fl.workflow(
        intent="Be large",
        owner="group:default/tests",
        input=int,
        output=int,
        tools=[fetch, make],
        slo=SLO_OF_TESTS,
    )
    return Bench(declare(body), input=size)


async def fetches(run: Any, size: int) -> int:
    return len(await run.call(fetch, size)) + len(await run.call(make, size))


async def listens(run: Any, size: int) -> int:
    return len(await run.signal("word", str, within=timedelta(seconds=size)))


def recorded(engine: FakeEngine) -> int:
    """Return the bytes of everything that the engine has on record."""
    return len(canonical_json([result for _, result in engine.steps]).encode())


@pytest.mark.parametrize(("size", "read"), [(SMALL, 0), (LARGE, 2)])
def test_a_large_result_is_named_by_its_step_and_read_on_replay(size: int, read: int) -> None:
    bench = bench_of(fetches, size)
    assert bench.execute().outcome["answer"] == 2 * size
    assert bench.journal.read == read
    assert (recorded(bench.engine) > 2 * size) == (size == SMALL)
    assert recorded(bench.engine) < 2 * INLINE_BYTES_MAX
    bench.forget_end()
    again = bench.engine.replay(keep=2)
    assert bench.execute(again).outcome["answer"] == 2 * size
    assert again.executed == ["finish"]
    assert bench.journal.read == 2 * read


def test_a_large_result_that_is_gone_or_another_one_ends_the_run() -> None:
    for other in (None, SMALL):
        bench = bench_of(fetches, LARGE)
        bench.execute()
        record = bench.journal.records.pop(("r1", 1))
        if other:
            small = bench_of(fetches, other)
            small.execute()
            bench.journal.records["r1", 1] = small.journal.records["r1", 1]
        assert record.state == "done"
        bench.forget_end()
        ended = bench.execute(bench.engine.replay(keep=2))
        assert (ended.state, ended.outcome["code"]) == ("failed", "FL-425")


def test_a_large_signal_is_named_by_its_step_and_read_on_replay() -> None:
    bench = bench_of(listens, 60)
    word = "z" * LARGE
    bench.waits.send(word_of(word))
    assert bench.execute().outcome["answer"] == LARGE
    assert recorded(bench.engine) < INLINE_BYTES_MAX
    bench.forget_end()
    again = bench.engine.replay(keep=2)
    assert bench.execute(again).outcome["answer"] == LARGE
    assert again.executed == ["finish"]


def word_of(payload: str) -> Signal:
    """Return a signal for the run of a bench."""
    return Signal(run_id="r1", name="word", payload=payload, by="ann")


def test_invariant_11_a_result_has_a_bound_and_the_error_names_the_tool(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The package exports the function under its module's name.
    module = sys.modules["fairlead.runtime.interceptors.drive"]
    monkeypatch.setattr(module, "RESULT", Bounds(chars=1000, depth=9))
    bench = bench_of(fetches, 998)
    assert bench.execute().state == "succeeded"
    bench = bench_of(fetches, 999)
    ended = bench.execute()
    assert (ended.state, ended.outcome["code"]) == ("failed", "FL-431")
    assert "tool fetch has 1001 bytes as JSON; the limit is 1000" in ended.reason


def test_invariant_11_an_outcome_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "RESULT_BYTES_MAX", 50)
    ended = bench_of(fetches, 5).execute()
    assert (ended.state, ended.outcome["code"]) == ("failed", "FL-431")
    assert "workflow fetches" in ended.reason
