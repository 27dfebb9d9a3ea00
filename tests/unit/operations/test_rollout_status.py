"""What the status of a rollout says is what its controller goes by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead.core.rollout import Rollout
from fairlead.operations.rollouts import status_of
from tests.unit.delivery.watch import LATENCY, SUCCESS, T0, Watch


def watched(*, canary: int, beside: int, slow_s: float = 1.0) -> Rollout:
    """Return a rollout with so many good runs of both sides, an hour after it began."""
    watch = Watch((SUCCESS, LATENCY))
    for number in range(max(canary, beside)):
        for arm, runs in (("canary", canary), ("baseline", beside)):
            if number < runs:
                took_s = slow_s if arm == "canary" else 1.0
                watch.end(watch.run(arm), duration_s=took_s + number / 1000.0)
    watch.look()
    return watch.rollout


@pytest.mark.parametrize("heeded", [True, False])
def test_a_signal_that_a_person_let_pass_holds_no_verdict(heeded: bool) -> None:
    rollout = replace(watched(canary=120, beside=120, slow_s=50.0), heeded=heeded)
    found = status_of(rollout, T0 + 60.0, 0)
    assert found.verdict.pause
    assert found.verdict.status == ("Successful" if heeded else "Running")


def test_a_first_release_gets_all_runs_whatever_its_weight() -> None:
    rollout = replace(watched(canary=20, beside=0), weight=0.1)
    beside, first = (
        status_of(replace(rollout, baseline=name), T0 + 3600.0, 0).expected for name in ("a", "")
    )
    assert beside is not None and first is not None
    assert first.runs_likely == beside.runs_likely
    assert first.hours_likely == pytest.approx((first.runs_likely or 0) / 20.0)
    assert beside.hours_likely == pytest.approx((first.runs_likely or 0) / 2.0)


def test_a_rate_is_told_of_the_time_with_traffic() -> None:
    rollout = replace(watched(canary=10, beside=10), idle_s=3600.0)
    assert status_of(rollout, T0 + 7200.0, 0).runs_per_hour == pytest.approx(20.0)
