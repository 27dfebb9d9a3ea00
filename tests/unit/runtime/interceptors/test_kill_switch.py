"""Kill switches around a call, and at the way in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fairlead.core.errors import EffectUnknown, KillSwitchPulled, StoreUnavailable
from fairlead.core.kill import KillScope
from fairlead.ports.boundary import DriverError
from fairlead.ports.runs import Order
from fairlead.runtime.persist import PATIENCE_S
from fairlead.runtime.switches import FRESH_S, Switches
from fairlead.testing import FakeClock, FakeKills
from tests.unit.runtime.test_boundary import Bench, ProcessDied, raising

ORDER = Order(by="ann", reason="it pays twice")


def stopped(scope: KillScope, which: str) -> Bench:
    bench = Bench(repeats=100)
    bench.kills.pull(scope, which, ORDER)
    return bench


@pytest.mark.parametrize(
    ("scope", "which"),
    [("tool", "once"), ("workflow", "w"), ("release", "d"), ("tenant", "default")],
)
def test_what_is_stopped_is_not_executed_and_says_by_whom_and_why(
    scope: KillScope, which: str
) -> None:
    bench = stopped(scope, which)
    with pytest.raises(KillSwitchPulled, match=r"was stopped by ann .* it pays twice"):
        bench.call("once")
    assert bench.executed == 0
    assert bench.effects.records == {}
    assert bench.throttle.takes == []
    assert bench.journal.decisions["r1", 1].said == KillSwitchPulled.code


def test_other_tools_go_on() -> None:
    bench = stopped("tool", "once")
    assert bench.call("read") == "done"


def test_a_run_that_has_begun_is_stopped_at_its_next_call_and_goes_on_when_it_is_lifted() -> None:
    bench = Bench(repeats=100)
    bench.call("read")
    bench.kills.pull("tool", "read", ORDER)
    bench.clock.time += FRESH_S
    with pytest.raises(KillSwitchPulled):
        bench.call("read")
    bench.kills.lift("tool", "read", ORDER)
    bench.clock.time += FRESH_S
    assert bench.call("read") == "done"


def test_most_calls_ask_nobody() -> None:
    bench = Bench(repeats=100)
    for _ in range(20):
        bench.call("read")
    assert bench.kills.reads == 1
    bench.clock.time += FRESH_S
    bench.call("read")
    assert bench.kills.reads == 2


def test_a_call_that_waited_for_its_turn_looks_again() -> None:
    bench = Bench(attempts=2)

    def body(_: Any) -> Any:
        bench.kills.pull("tool", "read", ORDER)
        raise DriverError("later", transient=True, retry_after_s=0.9)

    with pytest.raises(KillSwitchPulled):
        bench.call("read", body=body)
    assert bench.executed == 1
    # Something was executed before, so it is no refusal.
    record = bench.journal.records["r1", 1]
    assert (record.state, record.attempts) == ("failed", 1)


def test_an_effect_in_doubt_is_not_called_refused() -> None:
    """A worker died in it: whether it happened is for the ledger to say, switch or not."""
    bench = Bench()
    for name in ("once", "idempotent"):
        with pytest.raises(ProcessDied):
            bench.call(name, body=raising(ProcessDied()))
        bench.kills.pull("tool", name, ORDER)
        bench.clock.time += FRESH_S
        bench.again(bench.engine.replay())
        with pytest.raises((EffectUnknown, KillSwitchPulled)):
            bench.call(name)
        assert bench.effects.records["root:1"].state == ("unknown" if name == "once" else "failed")
        assert bench.executed == 1
        bench = Bench()


def test_what_is_on_record_is_returned_whatever_is_stopped() -> None:
    bench = Bench()
    bench.call("read", body=lambda _: "first")
    bench.kills.pull("tool", "read", ORDER)
    bench.clock.time += FRESH_S
    bench.again(bench.engine.replay())
    assert bench.call("read") == "first"


def test_what_undoes_another_call_is_stopped_too() -> None:
    bench = stopped("tool", "once")
    bench.boundary.compensate()
    with pytest.raises(KillSwitchPulled):
        bench.call("once")


def test_no_call_goes_on_by_an_old_reading_when_the_database_is_away() -> None:
    bench = Bench(repeats=100)
    bench.call("read")
    bench.kills.error = StoreUnavailable("away")
    bench.call("read")
    bench.clock.time += FRESH_S
    with pytest.raises(StoreUnavailable):
        bench.call("read")
    assert bench.executed == 2
    assert sum(bench.clock.pauses) <= PATIENCE_S


def test_a_reading_counts_from_when_it_was_asked_for() -> None:
    clock = FakeClock()
    kills = FakeKills(clock)

    class Slow(FakeKills):
        def active(self) -> Any:
            clock.time += 0.4
            return kills.active()

    switches = Switches(Slow(clock), clock)
    asyncio.run(switches.kills())
    clock.time += FRESH_S - 0.4
    asyncio.run(switches.kills())
    assert kills.reads == 2
