"""A run and its children share the oldest one's steps and money."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fairlead.core.errors import CostExceeded, StepsExceeded
from fairlead.core.limits import Limits
from fairlead.ports.runs import Spent
from tests.unit.runtime.test_boundary import Bench

LIMITS = Limits(steps=10, cost_usd=1.0)
FULL = [
    pytest.param(Spent(calls=10), StepsExceeded, id="steps"),
    pytest.param(Spent(calls=11, cost_usd=5.0), StepsExceeded, id="more steps"),
    pytest.param(Spent(calls=1, cost_usd=1.0), CostExceeded, id="money"),
]


def bench_of(*, generation: int = 1, **limits: Any) -> Bench:
    """Return a bench of a run of a family whose oldest one is `r0`."""
    bench = Bench(**limits)
    family = replace(bench.scope.family, root_id="r0", limits=LIMITS, generation=generation)
    bench.scope = replace(bench.scope, family=family)
    bench.asked = []  # type: ignore[attr-defined]

    def spent(root_id: str) -> Spent:
        bench.asked.append(root_id)  # type: ignore[attr-defined]
        return bench.runs.used

    bench.runs.spent = spent  # type: ignore[method-assign]
    bench.again(bench.engine)
    return bench


@pytest.mark.parametrize(("used", "error"), FULL)
def test_invariant_11_a_child_may_not_use_more_than_its_family_has(
    used: Spent, error: type[Exception]
) -> None:
    bench = bench_of()
    bench.runs.used = used
    with pytest.raises(error, match="run r0 and its children"):
        bench.call("once")
    assert (bench.executed, bench.asked) == (0, ["r0"])  # type: ignore[attr-defined]
    assert bench.journal.records["r1", 1].state == "denied"
    assert bench.effects.records == {}


def test_below_the_limits_a_child_goes_on() -> None:
    bench = bench_of()
    bench.runs.used = Spent(calls=9, cost_usd=0.99)
    assert bench.call("once") == "done"


def test_a_family_without_money_may_still_do_what_costs_nothing() -> None:
    bench = bench_of()
    family = replace(bench.scope.family, limits=replace(LIMITS, cost_usd=0.0))
    bench.scope = replace(bench.scope, family=family)
    bench.again(bench.engine)
    assert bench.call("once") == "done"


def test_a_run_shares_its_limits_from_its_first_child_on() -> None:
    bench = bench_of(generation=0)
    bench.runs.used = Spent(calls=10)
    assert bench.call("read") == "done"
    assert bench.asked == []  # type: ignore[attr-defined]
    bench.boundary.share()
    with pytest.raises(StepsExceeded):
        bench.call("read")


def test_a_childs_own_limits_hold_too() -> None:
    bench = bench_of(steps=1)
    assert bench.call("read") == "done"
    with pytest.raises(StepsExceeded, match="the run has made its 1 calls"):
        bench.call("read")


def test_what_a_family_had_used_is_on_record() -> None:
    """On recovery the others have used more, and what was allowed stays allowed."""
    bench = bench_of()
    assert bench.call("once") == "done"
    bench.runs.used = Spent(calls=99)
    bench.again(bench.engine.replay())
    assert bench.call("once") == "done"
    assert bench.executed == 1
    with pytest.raises(StepsExceeded):
        bench.call("once")
    bench.runs.used = Spent()
    bench.again(bench.engine.replay())
    assert bench.call("once") == "done"
    with pytest.raises(StepsExceeded):
        bench.call("once")


def test_no_limit_stands_in_the_way_of_undoing() -> None:
    bench = bench_of(steps=1)
    bench.call("once")
    bench.runs.used = Spent(calls=99, cost_usd=99.0)
    bench.clock.time += 1_000_000
    bench.boundary.compensate()
    assert bench.call("idempotent") == "done"
    assert bench.call("idempotent") == "done"
