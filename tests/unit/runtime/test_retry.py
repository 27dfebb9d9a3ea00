"""What may pass is tried again: how often, after how long, and for which effects."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import (
    CallFailed,
    CostExceeded,
    DeadlineExceeded,
    Denied,
    EffectUnknown,
    FairleadError,
    LoopDetected,
    StepsExceeded,
)
from fairlead.ports.boundary import DriverError
from tests.unit.runtime.test_boundary import Bench

# The package exports the function under the module's name.
retry = import_module("fairlead.runtime.interceptors.retry")


def failing(times: int, error: Exception | None = None) -> Any:
    """Return a body that fails some times, then answers."""
    left = [times]

    def body(_: Any) -> str:
        if left[0]:
            left[0] -= 1
            raise error or ConnectionError("the line is bad")
        return "done"

    return body


def test_a_read_is_tried_until_it_answers() -> None:
    bench = Bench(attempts=4)
    assert bench.call("read", body=failing(2)) == "done"
    assert bench.executed == 3
    assert bench.journal.records["r1", 1].attempts == 3


def test_invariant_11_tries_are_bounded() -> None:
    bench = Bench(attempts=4)
    with pytest.raises(CallFailed, match="the line is bad"):
        bench.call("read", body=failing(99))
    assert bench.executed == 4
    assert bench.journal.records["r1", 1].attempts == 4


def test_invariant_02_only_what_is_safe_to_repeat_is_tried_again() -> None:
    bench, keys = Bench(attempts=4), []
    fail = failing(2)

    def body(context: Any) -> str:
        keys.append(context.idempotency_key)
        return str(fail(context))

    assert bench.call("idempotent", body=body) == "done"
    assert keys == ["root:1"] * 3
    with pytest.raises(EffectUnknown):
        bench.call("once", body=failing(1))
    assert bench.executed == 3 + 1


def test_an_idempotent_call_goes_on_under_its_key_after_a_durable_wait() -> None:
    bench = Bench(attempts=3)
    error = DriverError("slow down", transient=True, retry_after_s=30.0)
    assert bench.call("idempotent", body=failing(2, error)) == "done"
    assert bench.slept == [30.0, 30.0]
    assert bench.journal.records["r1", 1].attempts == 3


FINAL = [
    pytest.param(StepsExceeded("too many"), id="limit"),
    pytest.param(CostExceeded("too much"), id="budget"),
    pytest.param(DeadlineExceeded("too late"), id="deadline"),
    pytest.param(Denied("no"), id="policy"),
    pytest.param(LoopDetected("again"), id="loop"),
]


@pytest.mark.parametrize("error", FINAL)
def test_what_a_rule_says_is_final(error: FairleadError) -> None:
    bench = Bench(attempts=4)
    with pytest.raises(type(error)):
        bench.call("read", body=failing(1, error))
    assert bench.executed == 1
    assert bench.slept == bench.clock.pauses == []


def test_a_longer_wait_than_our_own_is_honoured_when_the_other_side_asks_for_it() -> None:
    bench = Bench(attempts=2)
    error = DriverError("slow down", transient=True, retry_after_s=500.0)
    assert bench.call("read", body=failing(1, error)) == "done"
    assert bench.slept == [500.0]


def test_invariant_11_a_wait_beyond_the_deadline_fails_at_once_and_says_why() -> None:
    bench = Bench(attempts=4)
    error = DriverError("slow down", transient=True, retry_after_s=900.0)
    with pytest.raises(CallFailed, match=r"in 900\.0 s, the run's deadline is in 600\.0 s: slow"):
        bench.call("read", body=failing(1, error))
    assert bench.executed == 1
    assert bench.slept == []
    assert bench.journal.records["r1", 1].state == "failed"


def test_invariant_11_tries_are_bounded_by_time_too() -> None:
    """Each try takes two minutes; the run has ten."""
    bench = Bench(attempts=99)

    def body(_: Any) -> str:
        bench.clock.time += 120.0
        raise ConnectionError("the line is bad")

    with pytest.raises(CallFailed, match="deadline"):
        bench.call("read", body=body)
    assert bench.executed == 5


def test_waits_grow_and_short_ones_are_spent_inside_the_step() -> None:
    bench = Bench(attempts=4)
    with pytest.raises(CallFailed):
        bench.call("read", body=failing(99))
    # Half of 0.1, 0.4 and 1.6 s: half is what chance gives here.
    assert bench.clock.pauses == pytest.approx([0.05, 0.2, 0.8])
    assert bench.seat.rests == 0
    assert [name for name, _ in bench.engine.steps] == ["tool read #1"]


def test_a_long_wait_is_durable_and_a_step_of_its_own() -> None:
    bench = Bench(attempts=3)
    error = DriverError("slow down", transient=True, retry_after_s=30.0)
    assert bench.call("read", body=failing(2, error)) == "done"
    tried, first, second = "tool read #1", "r1.1", "r1.2"
    waited = [(f"wait {key}", f"answer {key}") for key in (first, second)]
    names = [name for name, _ in bench.engine.steps]
    assert names == [tried, *waited[0], tried, *waited[1], tried]
    assert bench.dispatch.parkings == [("r1", first), ("r1", second)]
    lasted = [wait.due_at - wait.opened_at for wait in bench.waits.waits.values()]
    assert (lasted, bench.clock.pauses) == ([30.0, 30.0], [])
    assert bench.journal.records["r1", 1].attempts == 3


def test_tries_of_earlier_steps_count_after_a_recovery() -> None:
    bench = Bench(attempts=3)
    error = DriverError("slow down", transient=True, retry_after_s=30.0)
    with pytest.raises(CallFailed):
        bench.call("read", body=failing(99, error))
    bench.again(bench.engine.replay(keep=1))
    bench.journal.records.clear()
    with pytest.raises(CallFailed):
        bench.call("read", body=failing(99, error))
    assert bench.executed == 3 + 2


def test_a_failure_keeps_the_code_of_its_driver() -> None:
    bench = Bench(attempts=1)
    with pytest.raises(CallFailed) as error:
        bench.call("read", body=failing(1, DriverError("busy", transient=True, code="FL-603")))
    assert error.value.code == "FL-603"


def test_a_body_that_takes_too_long_is_one_that_may_pass() -> None:
    bench = Bench(attempts=2)
    with pytest.raises(CallFailed, match="no answer within"):
        bench.call("read", body=failing(9, TimeoutError()))
    assert bench.executed == 2


@given(
    tries=st.integers(1, 50),
    chance=st.floats(0.0, 1.0, exclude_max=True),
    asked=st.none() | st.floats(0.0, 1e9),
)
def test_invariant_11_a_wait_is_bounded_and_not_shorter_than_asked(
    tries: int, chance: float, asked: float | None
) -> None:
    delay_s = retry._delay_s(tries, chance, asked)
    assert (asked or 0.0) <= delay_s <= max(asked or 0.0, retry.WAIT_S_MAX)
