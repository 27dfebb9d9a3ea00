"""The evidence of one metric: a small state, and what an outcome does to it.

Harm against a baseline: under "the candidate is no worse" the arm of a run has nothing to do with
its outcome, because the router drew it. So each failure is a bet on whose it is, in the order in
which the word arrives. That order may depend on outcomes and on time, but not on the arm.

Safety, and harm against a bound, speak of the canary alone. There the order matters: if good runs
end sooner than bad ones, the first words are all good. So canary runs are counted in the order of
their admission. One that has no outcome yet holds the others up, and counts as bad where safety,
and as good where harm is asked about: that can only weaken the evidence, never make it.
"""

from __future__ import annotations

import math
import sys
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from fairlead.core.analysis.bets import (
    RATIOS,
    SLOPES,
    Logs,
    above,
    attribution,
    below,
    even,
    log_sum,
    peak_of,
    ranked,
    safe_start,
    tilted,
    times,
)
from fairlead.core.analysis.terms import RUNS_MAX, MetricTerms

Arm: TypeAlias = Literal["canary", "baseline"]
Result: TypeAlias = Literal["good", "bad", "excluded"] | float
"""What a unit turned out to be: for numbers the number, or `bad` for one that never came."""
Counted: TypeAlias = Literal["good", "bad", "number", "excluded"]

WINDOW = 200
"""A number is ranked among so many earlier ones of both arms."""

WINDOW_MIN = 10
"""With fewer earlier numbers a rank says nothing."""

WORST = sys.float_info.max
"""Stands for the number of a run that never had one; JSON has no infinity."""

_OPEN, _GOOD, _BAD, _EXCLUDED = "?", "g", "b", "x"


@dataclass(frozen=True, kw_only=True)
class Assigned:
    """How a run was assigned, as the router recorded it at admission.

    Attributes:
        arm: The release that it was given to.
        probability: The chance, from 0.0 to 1.0, that it was given to the canary.
        place: Its number among the analysis' canary runs, from 0; None for a run of the baseline.
    """

    arm: Arm
    probability: float
    place: int | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability <= 1.0:
            raise ValueError(f"a probability is from 0 to 1, not {self.probability!r}")
        if self.probability == (0.0 if self.arm == "canary" else 1.0):
            raise ValueError(
                f"a run of the {self.arm} cannot have been given to the canary with the"
                f" probability {self.probability:g}"
            )
        if (self.arm == "canary") != (self.place is not None) or (self.place or 0) < 0:
            raise ValueError("a run of the canary has a place from 0, and no other run has one")


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What became known of one unit for one metric.

    Attributes:
        assigned: How the run was assigned.
        result: What it turned out to be.
        corrects: It was counted as good before, and is bad.
        measured: Whether a source said it, and not that a deadline is over.
    """

    assigned: Assigned
    result: Result
    corrects: bool = False
    measured: bool = True


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The state of one metric; stakes are natural logarithms.

    Attributes:
        harm: The stake on "the candidate is worse", in parts.
        harm_peak: The most that it ever was.
        safe: The stake on "fewer than `p_max` of the canary's runs are bad", in parts.
        safe_peak: The most that it ever was, since the last correction.
        canary: Units of the canary that were counted.
        canary_bad: Those of them that are bad.
        baseline: Units of the baseline that were counted.
        baseline_bad: Those of them that are bad.
        settled: All places below this one are counted.
        ahead: One letter for each place from there on: open, good, bad or excluded.
        window: The last numbers, the oldest first.
        errors: Failed measurements since the last one that did not.
        error: Why the last of them failed, and of which run; empty for none.
        unread: Words of people that cannot be read, and so were left aside.
        unread_why: Why the last of them cannot, and of which run; empty for none.
        late: Outcomes that came when their unit was left out already.
    """

    harm: Logs
    safe: Logs
    harm_peak: float = 0.0
    safe_peak: float = 0.0
    canary: int = 0
    canary_bad: int = 0
    baseline: int = 0
    baseline_bad: int = 0
    settled: int = 0
    ahead: str = ""
    window: tuple[float, ...] = ()
    errors: int = 0
    error: str = ""
    unread: int = 0
    unread_why: str = ""
    late: int = 0


def no_evidence(terms: MetricTerms) -> Evidence:
    """Return the state of a metric before its first outcome."""
    return Evidence(harm=even(SLOPES if terms.ranks else RATIOS), safe=safe_start())


def observe(
    terms: MetricTerms, evidence: Evidence, observations: Iterable[Observation]
) -> Evidence:
    """Take outcomes into account, one after the other.

    Each unit is seen once by each metric, and a second time at most, when it was good and turns out
    to be bad; `action_for` says which. A failure that was counted stays counted.

    Args:
        terms: The metric.
        evidence: Its state.
        observations: Outcomes, in the order in which they became known.

    Raises:
        ValueError: a result is not of the metric's kind, or a canary's unit comes twice.
    """
    fold = _Fold(terms, evidence)
    for one in observations:
        fold.take(one)
    return fold.done()


def is_open(evidence: Evidence, place: int) -> bool:
    """Say whether a place of the canary has no outcome by now.

    Args:
        evidence: The state of a metric.
        place: The place, from 0.
    """
    index = place - evidence.settled
    if index < 0:
        return False
    return index >= len(evidence.ahead) or evidence.ahead[index] == _OPEN


def known_since(evidence: Evidence, place: int) -> int:
    """Return how many of the canary's places from one on have an outcome by now.

    Args:
        evidence: The state of a metric.
        place: The first place, from 0.
    """
    ahead = evidence.ahead[max(place - evidence.settled, 0) :]
    return max(evidence.settled - place, 0) + len(ahead) - ahead.count(_OPEN)


def log_safety(terms: MetricTerms, evidence: Evidence) -> float:
    """Return the evidence that few enough of the canary's runs are bad, as a logarithm.

    Runs that are behind one that is still open count too; the open one counts as bad.
    """
    if terms.p_max is None:
        return 0.0
    bad, good = below(terms.p_max)
    return _looking_ahead(evidence, evidence.safe, evidence.safe_peak, (bad, good, bad))


def log_harm(terms: MetricTerms, evidence: Evidence) -> float:
    """Return the evidence that the candidate is worse, as a logarithm."""
    if terms.against == "baseline" or terms.p_max is None:
        return evidence.harm_peak
    bad, good = above(terms.p_max)
    return _looking_ahead(evidence, evidence.harm, evidence.harm_peak, (bad, good, good))


def _looking_ahead(
    evidence: Evidence, stake: Logs, peak: float, factors: tuple[Logs, Logs, Logs]
) -> float:
    bad, good, still_open = factors
    by_mark = {_BAD: bad, _GOOD: good, _OPEN: still_open}
    for mark in evidence.ahead:
        if mark in by_mark:
            stake = times(stake, by_mark[mark])
            peak = peak_of(peak, stake)
    return peak


class _Fold:
    """A state that is being changed: many outcomes are folded without a copy for each."""

    def __init__(self, terms: MetricTerms, evidence: Evidence) -> None:
        self._terms = terms
        self._before = evidence
        self._harm, self._harm_peak = evidence.harm, evidence.harm_peak
        self._safe, self._safe_peak = evidence.safe, evidence.safe_peak
        self._counts = {
            ("canary", False): evidence.canary,
            ("canary", True): evidence.canary_bad,
            ("baseline", False): evidence.baseline,
            ("baseline", True): evidence.baseline_bad,
        }
        self._settled, self._ahead = evidence.settled, list(evidence.ahead)
        self._window, self._sorted = list(evidence.window), sorted(evidence.window)
        self._errors, self._error = evidence.errors, evidence.error

    def done(self) -> Evidence:
        return replace(
            self._before,
            harm=self._harm,
            harm_peak=self._harm_peak,
            safe=self._safe,
            safe_peak=self._safe_peak,
            canary=self._counts["canary", False],
            canary_bad=self._counts["canary", True],
            baseline=self._counts["baseline", False],
            baseline_bad=self._counts["baseline", True],
            settled=self._settled,
            ahead="".join(self._ahead),
            window=tuple(self._window[-WINDOW:]),
            errors=self._errors,
            error=self._error,
        )

    def take(self, one: Observation) -> None:
        """Count one outcome; nothing is changed when it does not fit."""
        number, mark = self._read(one)
        assigned = one.assigned
        if assigned.place is not None and assigned.place < RUNS_MAX:
            self._place(assigned.place, mark, corrects=one.corrects)
        if mark != _EXCLUDED and one.measured:
            self._errors, self._error = 0, ""
        if mark == _EXCLUDED:
            return
        if not one.corrects:
            self._counts[assigned.arm, False] += 1
        if mark == _BAD:
            self._counts[assigned.arm, True] += 1
        if self._terms.ranks:
            self._rank(assigned, number)
        elif self._terms.against == "baseline" and mark == _BAD:
            chance = tilted(assigned.probability, self._terms.margin)
            self._bet(attribution(chance, RATIOS), assigned.arm)

    def _read(self, one: Observation) -> tuple[float, str]:
        """Return the number, the higher the worse, and the mark of an outcome."""
        terms, result = self._terms, one.result
        if one.corrects and (terms.kind != "binary" or result != "bad"):
            raise ValueError(
                f"metric {terms.name}: only what was good can be corrected, to bad; a number cannot"
            )
        if result == "excluded":
            return 0.0, _EXCLUDED
        if result == "bad":
            return WORST, _BAD
        if terms.kind == "binary":
            if result != "good":
                raise ValueError(f"metric {terms.name}: a result is good or bad, not {result!r}")
            return 0.0, _GOOD
        if isinstance(result, str | bool) or not math.isfinite(result):
            raise ValueError(f"metric {terms.name}: a result is a number, not {result!r}")
        number = float(result) * terms.sign
        beyond = terms.limit is not None and number > terms.limit * terms.sign
        return number, _BAD if beyond else _GOOD

    def _bet(self, factors: tuple[Logs, Logs], arm: Arm) -> None:
        self._harm = times(self._harm, factors[0] if arm == "canary" else factors[1])
        self._harm_peak = peak_of(self._harm_peak, self._harm)

    def _rank(self, assigned: Assigned, number: float) -> None:
        others = len(self._sorted)
        if others >= WINDOW_MIN:
            below_it = bisect_left(self._sorted, number)
            twice = below_it + bisect_right(self._sorted, number, lo=below_it)
            self._bet(ranked(assigned.probability, twice, others), assigned.arm)
        insort(self._sorted, number)
        self._window.append(number)
        if others >= WINDOW:
            oldest = self._window[-WINDOW - 1]
            del self._sorted[bisect_left(self._sorted, oldest)]

    def _place(self, place: int, mark: str, *, corrects: bool) -> None:
        """Mark a canary's place, and count what is settled by that."""
        index = place - self._settled
        found = self._ahead[index] if 0 <= index < len(self._ahead) else _OPEN
        counted = index < 0 or found != _OPEN
        if counted != corrects or (index >= 0 and corrects and found != _GOOD):
            raise ValueError(
                f"metric {self._terms.name}: the canary's run at place {place} was"
                f" {'' if counted else 'not '}counted before; each metric sees each run once"
            )
        if index < 0:
            self._correct()
            return
        self._ahead += [_OPEN] * (index + 1 - len(self._ahead))
        self._ahead[index] = mark
        if index:
            return
        closed = next((at for at, one in enumerate(self._ahead) if one == _OPEN), len(self._ahead))
        for one in self._ahead[:closed]:
            self._settle(one)
        del self._ahead[:closed]
        self._settled += closed

    def _settle(self, mark: str) -> None:
        bound = self._terms.p_max
        if bound is None or mark == _EXCLUDED:
            return
        self._safe = times(self._safe, below(bound)[0 if mark == _BAD else 1])
        self._safe_peak = peak_of(self._safe_peak, self._safe)
        if self._terms.against == "bound":
            self._harm = times(self._harm, above(bound)[0 if mark == _BAD else 1])
            self._harm_peak = peak_of(self._harm_peak, self._harm)

    def _correct(self) -> None:
        """Turn a run that was settled as good into a bad one."""
        bound = self._terms.p_max
        if bound is None:
            return
        self._safe = _swapped(self._safe, below(bound))
        # What was reached with a run that was not good was not reached.
        self._safe_peak = log_sum(self._safe)
        if self._terms.against == "bound":
            self._harm = _swapped(self._harm, above(bound))
            self._harm_peak = peak_of(self._harm_peak, self._harm)


def _swapped(stake: Logs, factors: tuple[Logs, Logs]) -> Logs:
    bad, good = factors
    return tuple([s + b - g for s, b, g in zip(stake, bad, good, strict=True)])
