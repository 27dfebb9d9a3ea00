"""What may pass is tried again: how often, after how long, and for which effects."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import CallFailed, EffectUnknown
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
    assert bench.journal.records["root:1"].attempts == 3


def test_invariant_11_tries_are_bounded() -> None:
    bench = Bench(attempts=4)
    with pytest.raises(CallFailed, match="the line is bad"):
        bench.call("read", body=failing(99))
    assert bench.executed == 4
    assert bench.journal.records["root:1"].attempts == 4


def test_invariant_02_an_effect_is_not_tried_again() -> None:
    for name, error in (("idempotent", CallFailed), ("once", EffectUnknown)):
        bench = Bench(attempts=4)
        with pytest.raises(error):
            bench.call(name, body=failing(1))
        assert bench.executed == 1, name


def test_waits_grow_and_short_ones_are_spent_inside_the_step() -> None:
    bench = Bench(attempts=4)
    with pytest.raises(CallFailed):
        bench.call("read", body=failing(99))
    # Half of 0.1, 0.4 and 1.6 s: half is what chance gives here.
    assert bench.clock.pauses == pytest.approx([0.05, 0.2, 0.8])
    assert bench.engine.slept == []
    assert len(bench.engine.steps) == 1


def test_a_long_wait_is_durable_and_a_step_of_its_own() -> None:
    bench = Bench(attempts=3)
    error = DriverError("slow down", transient=True, retry_after_s=30.0)
    assert bench.call("read", body=failing(2, error)) == "done"
    assert bench.engine.slept == [30.0, 30.0]
    assert len(bench.engine.steps) == 3
    assert bench.journal.records["root:1"].attempts == 3


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
    assert 0.0 <= delay_s <= retry.WAIT_S_MAX
    assert delay_s >= min(asked or 0.0, retry.WAIT_S_MAX)
