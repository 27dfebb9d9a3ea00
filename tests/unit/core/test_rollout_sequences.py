"""A rollout under every sequence of looks and orders: what never happens."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.rollout import (
    FINAL_PHASES,
    Finding,
    Phase,
    Rollout,
    Step,
    abort,
    advance,
    go_on,
    pause,
    promote,
)
from tests.unit.core.test_rollout import HALF, LOOK, STEPS, T0, TEN, UNDECIDED, rollout

Move = Callable[[Rollout, float], Rollout]

FINDINGS = st.builds(
    lambda status, pause_, served, in_flight: (
        lambda one, now: advance(
            one, Finding(now=now, status=status, pause=pause_, served=served, in_flight=in_flight)
        )
    ),
    st.sampled_from(["Running", "Successful", "Failed", *UNDECIDED]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 1),
)
UNPROVEN = st.builds(
    lambda status, pause_: (
        lambda one, now: advance(one, Finding(now=now, status=status, pause=pause_))
    ),
    st.sampled_from(["Running", "Failed", *UNDECIDED]),
    st.booleans(),
)
ABORTS: st.SearchStrategy[Move] = st.booleans().map(
    lambda bad: lambda one, now: abort(one, now, "why", bad=bad)
)
ORDERS: st.SearchStrategy[Move] = st.sampled_from(
    [lambda one, _: pause(one, "why"), go_on, promote]
)
SOME_STEPS = st.sampled_from(
    [
        STEPS,
        (TEN, Step(kind="approval"), LOOK, Step(kind="pause", duration_s=30.0), HALF),
        (TEN, LOOK, HALF, Step(kind="pause"), Step(kind="approval")),
    ]
)
MOVES = st.lists(st.tuples(FINDINGS | ABORTS | ORDERS, st.floats(0, 100)), max_size=30)


def history(one: Rollout, moves: list[tuple[Move, float]]) -> list[Rollout]:
    """Return all states on the way."""
    found, now = [one], T0
    for move, passed in moves:
        now += passed
        found.append(move(found[-1], now))
    return found


def started(steps: tuple[Step, ...], baseline: str) -> Rollout:
    """Return a rollout with short times."""
    return rollout(*steps, baseline=baseline, observe_s=200.0, ready_s=60.0, gone_s=20.0)


@given(SOME_STEPS, st.sampled_from(["a", ""]), MOVES)
def test_whatever_happens_the_rules_hold(
    steps: tuple[Step, ...], baseline: str, moves: list[tuple[Move, float]]
) -> None:
    states = history(started(steps, baseline), moves)
    for before, after in pairwise(states):
        assert 0.0 <= after.weight <= 1.0
        assert after.final == (after.ended_at is not None)
        assert after.phase != "aborting" or after.weight == 0.0
        if before.final:
            assert after is before
        if before.phase in ("paused", "aborting", *FINAL_PHASES) and after.phase == before.phase:
            assert after.weight <= before.weight
        if before.phase == "aborting":
            assert after.phase in ("aborting", "aborted", "rolled_back")
            assert after.bad or not before.bad
        if before.promoted_at is not None:
            assert after.promoted_at == before.promoted_at


@given(SOME_STEPS, MOVES, ABORTS, MOVES)
def test_invariant_08_after_an_abort_nothing_promotes(
    steps: tuple[Step, ...],
    first: list[tuple[Move, float]],
    stop: Move,
    then: list[tuple[Move, float]],
) -> None:
    before = history(started(steps, "a"), first)[-1]
    if before.final:
        return
    allowed: tuple[Phase, ...] = ("aborting", "aborted", "rolled_back")
    for after in history(stop(before, before.began_at + 10**6), then):
        assert after.phase in allowed
        assert after.weight == 0.0
        assert after.promoted_at == before.promoted_at


@given(SOME_STEPS, st.lists(st.tuples(UNPROVEN, st.floats(0, 100)), max_size=30))
def test_invariant_08_what_is_not_shown_is_not_promoted(
    steps: tuple[Step, ...], moves: list[tuple[Move, float]]
) -> None:
    """Also when a person lets on go whatever waits for one."""
    onward = [pair for move in moves for pair in (move, (go_on, 0.0))]
    for after in history(started(steps, "a"), onward):
        assert after.promoted_at is None
