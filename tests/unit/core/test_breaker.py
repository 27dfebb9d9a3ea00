"""The breaker: when it opens, what it lets pass, and when it closes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fairlead.core.breaker import (
    PROBE_S_MAX,
    PROBE_WAIT_S,
    Breaker,
    BreakerTerms,
    Permit,
    allow,
    breaker_fact,
    record,
)

T = 1_700_000_000.0
TERMS = BreakerTerms(failures=3, ratio=0.5, calls=8, window_s=60.0, open_s=30.0, probes=2)


class Line:
    """One breaker, one call after the other."""

    def __init__(self) -> None:
        self.breaker, self.now = Breaker(), T

    def ask(self) -> Permit:
        self.breaker, permit = allow(self.breaker, TERMS, self.now)
        return permit

    def end(self, permit: Permit, ended: Any) -> None:
        self.breaker = record(self.breaker, TERMS, self.now, permit=permit, ended=ended)

    def play(self, word: str) -> str:
        """Make a call for each letter (s, f, n), a second apart; return the phase."""
        for letter in word:
            self.now += 1.0
            permit = self.ask()
            assert permit.allowed
            self.end(permit, {"s": "success", "f": "failure", "n": "neither"}[letter])
        return self.breaker.phase


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("ffsffsff", "open"),  # six of eight: the share
        ("ffsff", "closed"),
        ("fff", "open"),
        ("fnfnf", "open"),
        ("fsfsfsf", "closed"),
        ("fsfsfsfs", "closed"),  # the share is looked at when something fails
        ("fsfsfsfsf", "open"),
        ("ssssssssffsss", "closed"),
        ("n" * 50, "closed"),
        ("s" * 50, "closed"),
    ],
)
def test_failures_in_a_row_or_their_share_open_it(word: str, phase: str) -> None:
    assert Line().play(word) == phase


def test_failures_count_together_in_a_window_only() -> None:
    line = Line()
    for _ in range(9):
        assert line.play("ff") == "closed"
        line.now += TERMS.window_s
    assert line.play("fff") == "open"


def opened() -> Line:
    line = Line()
    assert line.play("fff") == "open"
    return line


def test_nothing_passes_while_it_is_open_and_who_asks_is_told_for_how_long() -> None:
    line = opened()
    line.now += 10.0
    permit = line.ask()
    assert (permit.allowed, permit.wait_s) == (False, pytest.approx(20.0))


def test_then_a_bounded_number_of_probes_passes() -> None:
    line = opened()
    line.now += TERMS.open_s
    found = [line.ask() for _ in range(4)]
    assert [permit.allowed for permit in found] == [True, True, False, False]
    assert {permit.wait_s for permit in found[2:]} == {PROBE_WAIT_S}
    assert line.breaker.phase == "half_open"


def test_it_closes_when_the_probes_succeed_and_opens_again_when_one_fails() -> None:
    line = opened()
    line.now += TERMS.open_s
    probes = [line.ask(), line.ask()]
    line.end(probes[0], "success")
    assert line.breaker.phase == "half_open"
    line.end(probes[1], "success")
    assert line.breaker == Breaker(phase="closed", changed_at=line.now)
    line = opened()
    line.now += TERMS.open_s
    probes = [line.ask(), line.ask()]
    line.end(probes[0], "failure")
    assert (line.breaker.phase, line.breaker.changed_at) == ("open", line.now)
    line.end(probes[1], "success")
    assert line.breaker.phase == "open"


def test_a_probe_that_says_nothing_makes_room_for_another_one() -> None:
    line = opened()
    line.now += TERMS.open_s
    probes = [line.ask(), line.ask()]
    line.end(probes[0], "neither")
    assert line.ask().allowed
    assert not line.ask().allowed


def test_a_probe_that_was_lost_with_its_worker_makes_room_after_a_while() -> None:
    line = opened()
    line.now += TERMS.open_s
    assert [line.ask().allowed for _ in range(3)] == [True, True, False]
    line.now += PROBE_S_MAX + 1
    assert line.ask().allowed


def test_what_was_let_through_before_a_change_counts_no_more() -> None:
    line = Line()
    old = line.ask()
    line.play("fff")
    line.end(old, "success")
    assert line.breaker.phase == "open"
    line.now += TERMS.open_s
    probes = [line.ask(), line.ask()]
    line.end(old, "failure")
    for probe in probes:
        line.end(probe, "success")
    line.end(old, "failure")
    assert line.breaker.failures == 0


def test_changes_that_must_be_known_have_an_event() -> None:
    closed, half = Breaker(), Breaker(phase="half_open", passed=1)
    open_ = Breaker(phase="open", failures=3, calls=4)
    fact = breaker_fact("tool:x", closed, open_)
    assert fact is not None
    assert (fact.chain, fact.type) == ("breaker:tool:x", "breaker.opened")
    assert fact.data == {"from": "closed", "failures": 3, "calls": 4}
    fact = breaker_fact("tool:x", half, closed)
    assert fact is not None
    assert (fact.type, fact.data) == ("breaker.closed", {"probes": 2})
    for before, after in ((closed, closed), (open_, half), (open_, open_)):
        assert breaker_fact("tool:x", before, after) is None


@pytest.mark.parametrize(
    "values",
    [
        {"failures": 0},
        {"failures": 1.5},
        {"calls": 0},
        {"probes": True},
        {"ratio": 0.0},
        {"ratio": 1.1},
        {"window_s": 0},
        {"open_s": float("inf")},
    ],
    ids=str,
)
def test_terms_that_are_none_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(values))):
        BreakerTerms(**values)


class Machine(RuleBasedStateMachine):
    """Many callers, in any order: the bounds hold in every state that can be reached."""

    @initialize()
    def begin(self) -> None:
        self.breaker, self.now = Breaker(), T
        self.out: list[Permit] = []

    @rule(seconds=st.floats(0.01, 100.0))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def ask(self) -> None:
        before = self.breaker
        self.breaker, permit = allow(before, TERMS, self.now)
        if permit.allowed:
            self.out.append(permit)
            early = before.phase == "open" and self.now < before.changed_at + TERMS.open_s
            assert not early
        else:
            assert permit.wait_s > 0
            assert before.phase != "closed"

    @precondition(lambda self: self.out)
    @rule(which=st.integers(0, 1000), ended=st.sampled_from(["success", "failure", "neither"]))
    def end(self, which: int, ended: Any) -> None:
        permit = self.out.pop(which % len(self.out))
        before = self.breaker
        self.breaker = record(before, TERMS, self.now, permit=permit, ended=ended)
        if before.phase != "open" and self.breaker.phase == "open":
            assert ended == "failure"
        if before.phase == "half_open" and self.breaker.phase == "closed":
            assert ended == "success"

    @invariant()
    def probes_are_bounded(self) -> None:
        assert 0 <= self.breaker.probing <= TERMS.probes
        assert self.breaker.passed < TERMS.probes

    @invariant()
    def a_closed_breaker_has_few_failures(self) -> None:
        if self.breaker.phase == "closed":
            assert self.breaker.in_a_row < TERMS.failures


TestMachine = Machine.TestCase
