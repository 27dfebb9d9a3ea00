"""Rates and breakers around a call: who waits, for how long, and what is no try."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fairlead import Rate, Throttled
from fairlead.core.breaker import Breaker, BreakerTerms
from fairlead.core.errors import BreakerOpen, CallFailed, RateExceeded
from fairlead.core.rates import Bucket
from fairlead.ports.boundary import DriverError
from fairlead.runtime.interceptors.breaker import JITTER_S_MAX
from tests.unit.runtime.test_boundary import Bench, ProcessDied, raising
from tests.unit.runtime.test_retry import failing

NAMES = ("read", "idempotent", "once")


def bench_of(rate: Rate, terms: BreakerTerms | None = None, **limits: Any) -> Bench:
    """Return a bench on which each tool has a rate."""
    bench = Bench(**{"repeats": 100, **limits})
    rates = {f"tool:{name}": rate for name in NAMES}
    rules = replace(bench.scope.rules, rates=rates, breaker=terms or BreakerTerms())
    bench.scope = replace(bench.scope, rules=rules)
    bench.again(bench.engine)
    return bench


def test_every_try_takes_a_token() -> None:
    bench = bench_of(Rate(100, per_s=1.0))
    bench.call("read", body=failing(2))
    assert bench.throttle.takes == ["tool:read"] * 3


def test_a_short_wait_is_spent_inside_the_step() -> None:
    bench = bench_of(Rate(1, per_s=0.5))
    assert [bench.call("read") for _ in range(3)] == ["done"] * 3
    assert bench.clock.pauses == pytest.approx([0.5, 0.5])
    assert (bench.slept, len(bench.engine.steps)) == ([], 3)


@pytest.mark.parametrize("name", NAMES)
def test_a_long_wait_is_durable_and_no_try(name: str) -> None:
    """Nor an intent: a `once` call that only waited is executed, and not unknown."""
    bench = bench_of(Rate(1, per_s=30.0), attempts=1)
    bench.call(name)
    assert bench.call(name, body=lambda _: "later") == "later"
    assert bench.slept == pytest.approx([30.0])
    record = bench.journal.records["r1", 2]
    assert (record.state, record.attempts) == ("done", 1)


def test_the_place_that_was_waited_for_is_kept_over_a_recovery() -> None:
    bench = bench_of(Rate(1, per_s=30.0))
    bench.call("read")
    bench.call("read")
    full_at = bench.throttle.buckets["tool:read"].full_at
    # As if the worker had died in the sleep: one call and the wait are on record.
    bench.clock.time -= 30.0
    bench.throttle.buckets["tool:read"] = Bucket(full_at=full_at)
    bench.journal.records.pop(("r1", 2))
    slept = bench.waits.waits["r1", "r2.1"]
    bench.waits.waits["r1", "r2.1"] = replace(slept, over=False)
    bench.again(bench.engine.replay(keep=2))
    assert [bench.call("read") for _ in range(2)] == ["done"] * 2
    assert bench.throttle.buckets["tool:read"].full_at == full_at


def test_a_wait_beyond_the_deadline_fails_at_once_and_executes_nothing() -> None:
    bench = bench_of(Rate(1, per_s=1000.0))
    bench.call("once")
    with pytest.raises(RateExceeded, match=r"next one is in 1000\.0 s, the deadline in 600\.0 s"):
        bench.call("once")
    assert bench.executed == 1
    assert bench.slept == []
    assert bench.journal.records["r1", 2].state == "failed"


def test_a_429_closes_the_bucket_for_other_runs_too() -> None:
    bench = bench_of(Rate(100, per_s=1.0))
    body = failing(1, Throttled("too many", retry_after_s=20.0))
    assert bench.call("read", body=body) == "done"
    assert bench.slept == pytest.approx([20.5])
    bench.throttle.buckets["tool:read"] = replace(
        bench.throttle.buckets["tool:read"], closed_until=bench.clock.now() + 7.0
    )
    bench.call("read")
    assert bench.slept == pytest.approx([20.5, 7.0])


def test_a_429_without_a_time_waits_all_the_same() -> None:
    bench = bench_of(Rate(100, per_s=1.0), attempts=3)
    with pytest.raises(CallFailed, match="too many"):
        bench.call("read", body=failing(9, Throttled("too many")))
    assert bench.executed == 3
    assert bench.slept == pytest.approx([2.1, 4.2], rel=0.01)


def test_another_failure_that_says_when_closes_nothing() -> None:
    bench = bench_of(Rate(100, per_s=1.0))
    bench.call("read", body=failing(1, DriverError("x", transient=True, retry_after_s=9.0)))
    assert bench.throttle.buckets["tool:read"].closed_until == 0.0
    assert bench.slept == [9.0]


TERMS = BreakerTerms(failures=3, open_s=30.0)
FAST = Rate(100, per_s=1.0)


def opened(left_s: float = 30.0, *, terms: BreakerTerms = TERMS, name: str = "read") -> Bench:
    """Return a bench whose breaker is open for some seconds more."""
    bench = bench_of(FAST, terms)
    changed_at = bench.clock.now() + left_s - terms.open_s
    breaker = Breaker(phase="open", changed_at=changed_at)
    bench.throttle.breakers[f"tool:{name}"] = breaker
    return bench


def test_failures_open_the_breaker_and_a_probe_closes_it() -> None:
    bench = bench_of(FAST, replace(TERMS, probes=1), attempts=3)
    with pytest.raises(CallFailed):
        bench.call("read", body=failing(3))
    assert [fact.type for fact in bench.throttle.facts] == ["breaker.opened"]
    assert bench.call("read") == "done"
    assert bench.slept == pytest.approx([30.0 + JITTER_S_MAX / 2])
    assert [fact.type for fact in bench.throttle.facts] == ["breaker.opened", "breaker.closed"]


def test_a_read_waits_for_an_open_breaker_and_that_is_no_try() -> None:
    bench = opened()
    assert bench.call("read") == "done"
    assert len(bench.slept) == 1
    assert bench.journal.records["r1", 1].attempts == 1


def test_a_short_time_is_waited_for_inside_the_step() -> None:
    bench = opened(0.2)
    assert bench.call("read") == "done"
    assert (bench.slept, bench.clock.pauses) == ([], pytest.approx([0.7]))


def test_a_read_whose_deadline_is_before_the_breakers_end_is_refused() -> None:
    bench = opened(700.0, terms=replace(TERMS, open_s=700.0))
    with pytest.raises(BreakerOpen, match=r"for 700\.0 s more; the run's deadline is in 600\.0 s"):
        bench.call("read")
    assert bench.executed == 0
    assert bench.throttle.takes == []


@pytest.mark.parametrize("name", ["idempotent", "once"])
def test_an_effect_is_refused_by_an_open_breaker_at_once(name: str) -> None:
    bench = opened(name=name)
    with pytest.raises(BreakerOpen):
        bench.call(name)
    assert bench.slept == bench.clock.pauses == []
    record = bench.journal.records["r1", 1]
    assert (record.state, record.attempts) == ("failed", 0)


@pytest.mark.parametrize(
    "body",
    [
        raising(ValueError("a mistake")),
        raising(DriverError("no", transient=False)),
        raising(Throttled("too many", retry_after_s=0.1)),
    ],
    ids=["mistake", "refusal", "429"],
)
def test_what_says_nothing_of_the_other_sides_health_opens_nothing(body: Any) -> None:
    bench = bench_of(FAST, replace(TERMS, failures=1), attempts=2)
    for _ in range(3):
        with pytest.raises(CallFailed):
            bench.call("read", body=body)
    assert bench.throttle.facts == []


def test_a_probe_that_only_waits_for_its_token_makes_room() -> None:
    bench = opened(0.0, terms=replace(TERMS, probes=1))
    bench.scope.rules.rates["tool:read"] = Rate(1, per_s=5.0)  # type: ignore[index]
    bench.throttle.buckets["tool:read"] = Bucket(full_at=bench.clock.now() + 5.0)
    assert bench.call("read") == "done"
    assert bench.slept == pytest.approx([5.0])
    assert bench.throttle.breakers["tool:read"].phase == "closed"


def test_a_probe_that_dies_with_its_worker_is_replaced() -> None:
    bench = opened(0.0, terms=replace(TERMS, probes=1))
    with pytest.raises(ProcessDied):
        bench.call("read", body=raising(ProcessDied()))
    bench.again(bench.engine.replay())
    assert bench.call("read") == "done"
    assert sum(bench.clock.pauses) + sum(bench.slept) >= 120.0
