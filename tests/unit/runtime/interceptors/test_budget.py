"""Budgets around a call: reserved before, once, and settled with the outcome."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fairlead import Throttled
from fairlead.core.amounts import Amount
from fairlead.core.budget import Budget
from fairlead.core.calls import Usage
from fairlead.core.errors import AnswerTruncated, BudgetExhausted, CallFailed, CallTimedOut
from fairlead.core.limits import estimated_tokens
from fairlead.ports.boundary import Driven, DriverError
from tests.unit.runtime.test_boundary import Bench, ProcessDied, raising
from tests.unit.runtime.test_retry import failing

DAY_S = 86_400.0


def bench_of(*, limits: dict[str, Any] | None = None, **bounds: Any) -> Bench:
    """Return a bench whose release has one budget."""
    bench = Bench(**{"repeats": 100, **(limits or {})})
    budget = Budget(**{"name": "daily", "scope": "tenant", "per_s": DAY_S, **bounds})
    rules = replace(bench.scope.rules, app="shop", budgets=(budget,))
    bench.scope = replace(bench.scope, rules=rules)
    bench.again(bench.engine)
    return bench


def taken(bench: Bench) -> Amount:
    (found,) = bench.budgets.taken.values()
    return found


def model_turn(bench: Bench, usage: Usage, *, arguments: Any = None, body: Any = None) -> Any:
    given = arguments or {"messages": ["hello"], "settings": {"max_tokens": 100}}
    answer = body or (lambda _: Driven(value="hi", usage=usage))
    return asyncio.run(bench.boundary.call("model", "m:1", given, bench.driver(answer)))


def test_the_call_after_the_last_one_is_refused_and_not_executed() -> None:
    bench = bench_of(calls=2)
    assert [bench.call("read"), bench.call("once")] == ["done"] * 2
    for _ in range(2):
        with pytest.raises(BudgetExhausted, match="daily of tenant default is used up: 2 of 2"):
            bench.call("read")
    assert bench.executed == 2
    record = bench.journal.records["r1", 3]
    assert (record.state, record.attempts) == ("denied", 0)
    assert bench.journal.decisions["r1", 3].said == BudgetExhausted.code
    assert [fact.type for fact in bench.budgets.facts] == ["budget.exhausted"]
    assert bench.clock.pauses == bench.slept == []


def test_a_refused_effect_leaves_no_intent() -> None:
    bench = bench_of(calls=1)
    bench.call("read")
    with pytest.raises(BudgetExhausted):
        bench.call("once")
    assert bench.effects.records == {}


def test_all_tries_of_a_call_are_one_reservation() -> None:
    bench = bench_of(calls=5)
    bench.call("read", body=failing(3))
    assert bench.executed == 4
    assert taken(bench) == Amount(calls=1)
    assert bench.budgets.holds == {}


def test_a_durable_wait_and_a_recovery_reserve_nothing_more() -> None:
    bench = bench_of(calls=2)
    bench.call("read", body=failing(1, Throttled("later", retry_after_s=30.0)))
    bench.again(bench.engine.replay())
    assert bench.call("read") == "done"
    assert taken(bench) == Amount(calls=1)


def test_a_worker_that_dies_in_a_call_has_reserved_for_the_next_one_too() -> None:
    bench = bench_of(calls=1)
    with pytest.raises(ProcessDied):
        bench.call("read", body=raising(ProcessDied()))
    bench.again(bench.engine.replay())
    assert bench.call("read") == "done"
    assert taken(bench) == Amount(calls=1)
    with pytest.raises(BudgetExhausted):
        bench.call("read")


def test_a_model_turn_reserves_an_estimate_and_books_what_it_used() -> None:
    bench = bench_of(tokens=1000, cost_usd=1.0)
    bench.prices.token_usd = 0.001
    reserved: list[Amount] = []

    def body(_: Any) -> Driven:
        reserved.append(taken(bench))
        return Driven(value="hi", usage=Usage(input_tokens=7, output_tokens=3, cost_usd=0.25))

    arguments = {"messages": ["hello"], "settings": {"max_tokens": 100}}
    model_turn(bench, Usage(), arguments=arguments, body=body)
    tokens = estimated_tokens(arguments) + 100
    assert reserved == [Amount(tokens=tokens, nano_usd=tokens * 1_000_000)]
    assert taken(bench) == Amount(tokens=10, nano_usd=250_000_000)


def test_a_turn_that_may_not_fit_is_refused_before_it_is_sent() -> None:
    bench = bench_of(tokens=1000)
    with pytest.raises(BudgetExhausted, match="of 1000 tokens used and up to"):
        model_turn(bench, Usage(), arguments={"messages": ["hello"]})
    assert bench.executed == 0
    # What uses no tokens is not concerned.
    assert bench.call("read") == "done"


def test_what_is_used_beyond_the_estimate_is_booked_and_the_next_is_refused() -> None:
    bench = bench_of(tokens=1000)
    model_turn(bench, Usage(input_tokens=2000))
    assert taken(bench) == Amount(tokens=2000)
    with pytest.raises(BudgetExhausted, match="2000 of 1000 tokens used"):
        model_turn(bench, Usage())


def test_a_model_without_a_known_price_costs_what_its_answer_says() -> None:
    bench = bench_of(cost_usd=0.3)
    model_turn(bench, Usage(cost_usd=0.3))
    assert taken(bench).nano_usd == 300_000_000


def test_an_answer_that_was_paid_for_in_vain_is_booked_as_estimated() -> None:
    bench = bench_of(tokens=10_000, limits={"attempts": 2})
    cut_off = raising(DriverError("x", transient=False, code=AnswerTruncated.code))
    with pytest.raises(AnswerTruncated):
        model_turn(bench, Usage(), body=cut_off)
    once = taken(bench).tokens
    assert once > 100
    slow = failing(1, DriverError("x", transient=True, code=CallTimedOut.code))
    model_turn(bench, Usage(), body=slow)
    assert taken(bench).tokens == 2 * once
    with pytest.raises(CallFailed):
        model_turn(bench, Usage(), body=raising(DriverError("down", transient=True)))
    assert taken(bench).tokens == 2 * once


def test_seconds_are_those_of_the_bodies_in_all_tries() -> None:
    bench = bench_of(seconds=100.0, limits={"call_timeout": timedelta(seconds=20), "attempts": 3})

    def body(_: Any) -> Any:
        bench.clock.time += 4.0
        if bench.executed < 2:
            raise DriverError("again", transient=True)
        return "done"

    bench.call("read", body=body)
    assert taken(bench) == Amount(ms=8000)
    assert bench.clock.pauses


def test_what_undoes_another_call_is_booked_and_not_refused() -> None:
    bench = bench_of(calls=1)
    bench.call("read")
    bench.boundary.compensate()
    assert bench.call("once") == "done"
    assert taken(bench) == Amount(calls=2)


def test_an_unknown_effect_keeps_what_is_reserved_until_somebody_knows() -> None:
    bench = bench_of(calls=3, limits={"unknown_wait": timedelta(seconds=1)})
    with pytest.raises(Exception, match="may or may not"):
        bench.call("once", body=raising(DriverError("gone", transient=True)))
    assert len(bench.budgets.holds) == 1
    assert taken(bench) == Amount(calls=1)


def test_a_run_without_budgets_asks_nobody() -> None:
    bench = Bench()
    bench.call("read")
    assert bench.budgets.reserves == []
