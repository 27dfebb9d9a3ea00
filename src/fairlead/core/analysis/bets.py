"""Bets: what an outcome, or an arm, adds to the evidence against a hypothesis.

A hypothesis is doubted by betting against it. One starts with 1 and multiplies it by a factor whose
expected value is at most 1 if the hypothesis holds. To get from 1 to 20 has then at most the chance
of 1 in 20, however often one looks (Ville 1939). Several bets side by side, each with a part of the
stake, are a bet as well; so the size of the difference need not be known. A stake is kept as the
logarithm of each of its parts, so that it neither overflows nor vanishes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from operator import add
from statistics import NormalDist
from typing import TypeAlias

Logs: TypeAlias = tuple[float, ...]
"""Natural logarithms, one for each part of a stake."""

RATIOS = (1.5, 2.0, 3.0, 5.0, 8.0, 13.0)
"""How many times as many bad runs as the baseline's, or as the bound: a bet on each."""

RATIO_CHECK = (0.5, 0.8, 1.25, 2.0)
"""How many times as many runs as recorded the router gives to the canary: a bet on each."""

SLOPES = (0.25, 0.5, 1.0, 2.0)
"""How far the canary's numbers lie on the worse side, in standard deviations: a bet on each."""

SAFE = ((0.02, 0.4), (0.1, 0.1), (0.2, 0.2), (0.35, 0.2), (0.55, 0.1))
"""Shares of bad runs below the bound, as parts of it, each with the part of the stake on it. The
first one is all but none: it decides early where nothing goes wrong at all."""

_NORMAL = NormalDist()
_PARTS_MAX = math.log(max(len(RATIOS), len(SLOPES), len(SAFE)))


def even(parts: Sequence[float]) -> Logs:
    """Return a stake of 1 in even parts."""
    return (-math.log(len(parts)),) * len(parts)


def safe_start() -> Logs:
    """Return a stake of 1 in the parts of `SAFE`."""
    return tuple(math.log(weight) for _, weight in SAFE)


def log_sum(logs: Sequence[float]) -> float:
    """Return the logarithm of the whole stake."""
    top = max(logs)
    return top + math.log(math.fsum([math.exp(one - top) for one in logs]))


def peak_of(peak: float, stake: Logs) -> float:
    """Return the larger of an earlier peak and the logarithm of the whole stake."""
    # Most stakes are far below their peak; this tells without computing the sum.
    if max(stake) + _PARTS_MAX <= peak:
        return peak
    return max(peak, log_sum(stake))


def times(stake: Logs, factors: Logs) -> Logs:
    """Return a stake after a bet, part by part."""
    return tuple(map(add, stake, factors))


def tilted(probability: float, ratio: float) -> float:
    """Return the chance that what happened is the canary's, if it happens there more often.

    Args:
        probability: The chance with which a run is given to the canary.
        ratio: How many times as often it happens there.
    """
    return probability * ratio / (1.0 - probability + probability * ratio)


@lru_cache(maxsize=1024)
def attribution(probability: float, ratios: tuple[float, ...]) -> tuple[Logs, Logs]:
    """Return what a failure adds: when it is the canary's, and when it is the baseline's.

    If the arm has nothing to do with failing, then a failure is the canary's with the probability
    with which the run was given to it. The expected factor is 1, for each ratio.

    Args:
        probability: That probability. With 0.0 or 1.0 nothing can be learned.
        ratios: How many times as often the canary fails: a bet on each.
    """
    return _attribution(probability, ratios)


def _attribution(probability: float, ratios: tuple[float, ...]) -> tuple[Logs, Logs]:
    if not 0.0 < probability < 1.0:
        return (0.0,) * len(ratios), (0.0,) * len(ratios)
    whole = [math.log1p(probability * (ratio - 1.0)) for ratio in ratios]
    canary = tuple(math.log(ratio) - one for ratio, one in zip(ratios, whole, strict=True))
    return canary, tuple(-one for one in whole)


@lru_cache(maxsize=16_384)
def ranked(probability: float, twice_below: int, others: int) -> tuple[Logs, Logs]:
    """Return what a number adds: when it is the canary's, and when it is the baseline's.

    The rank among earlier numbers is turned into the value that a normal variable would have there.
    A bet on a slope says that the canary's are that much higher.

    Args:
        probability: The chance with which the run was given to the canary.
        twice_below: Two for each earlier number that is better, one for each equal one.
        others: How many earlier numbers there are.
    """
    score = _NORMAL.inv_cdf((twice_below + 1) / (2 * (others + 1)))
    likelier = tuple(math.exp(slope * score - slope * slope / 2.0) for slope in SLOPES)
    return _attribution(probability, likelier)


@lru_cache(maxsize=256)
def above(bound: float) -> tuple[Logs, Logs]:
    """Return what a bad and a good run add against "at most `bound` of the runs are bad"."""
    rates = [min(bound * ratio, (1.0 + bound) / 2.0) for ratio in RATIOS]
    return _rates(rates, bound)


@lru_cache(maxsize=256)
def below(bound: float) -> tuple[Logs, Logs]:
    """Return what a bad and a good run add against "at least `bound` of the runs are bad"."""
    return _rates([bound * part for part, _ in SAFE], bound)


def _rates(rates: Sequence[float], bound: float) -> tuple[Logs, Logs]:
    bad = tuple(math.log(rate / bound) for rate in rates)
    good = tuple(math.log1p(-rate) - math.log1p(-bound) for rate in rates)
    return bad, good
