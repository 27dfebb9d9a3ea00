"""Invented traffic for `benchmarks.analysis`: who got which run, and how it ended.

A world is a recipe that draws one history from a seeded generator. The canary's share is 10 %, each
run is drawn for itself, unless the world says otherwise.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

WEIGHT = 0.1
CANARY_RUNS = 1000
CANARY_RUNS_OF_NUMBERS = 400
"""Power for latency, cost and score is asked for within so many canary runs."""

SIGMA = 0.5
"""Latencies are log-normal with this deviation of their logarithm."""

PARETO = 1.5
"""Costs are Pareto with this index: their variance is infinite."""

SCORE_WEIGHT = 10.0
"""Scores are beta-distributed, with parameters that add up to this."""


@dataclass(frozen=True, kw_only=True)
class History:
    """Runs in the order in which they were admitted.

    Attributes:
        weight: The probability with which each was given to the canary.
        canary: Whether it was.
        bad: Whether it failed; for worlds of numbers all False.
        numbers: Its latency, cost or score; for worlds of failures empty.
    """

    weight: Floats
    canary: Bools
    bad: Bools
    numbers: Floats


World = Callable[[np.random.Generator], History]


def generator(seed: int, name: str, repetition: int) -> np.random.Generator:
    """Return the generator of one repetition, the same in every run of the benchmark."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), repetition])


def failures(canary: float, baseline: float, outage: float = 0.0) -> World:
    """Failures with fixed rates; with `outage` a provider fails for both, a fifth of the time."""

    def draw(rng: np.random.Generator) -> History:
        runs = int(CANARY_RUNS / WEIGHT)
        given = rng.random(runs) < WEIGHT
        rate = np.where(given, canary, baseline)
        if outage:
            # Outages of 200 runs each, at one place in every 1,000.
            start = rng.integers(0, 800, runs // 1000).repeat(1000)
            within = np.arange(runs) % 1000
            rate = np.where((within >= start) & (within < start + 200), outage, rate)
        return _failing(rng, np.full(runs, WEIGHT), given, rate)

    return draw


def ramp(canary: float, baseline: float) -> World:
    """The weight goes from 1 to 5, 25 and 50 %: 500 runs, then 1,000 at each weight."""

    def draw(rng: np.random.Generator) -> History:
        weight = np.repeat([0.01, 0.05, 0.25, 0.5], [500, 1000, 1000, 1000])
        given = rng.random(weight.size) < weight
        return _failing(rng, weight, given, np.where(given, canary, baseline))

    return draw


def alone(rate: float) -> World:
    """Every run goes to the canary: nothing runs beside it."""

    def draw(rng: np.random.Generator) -> History:
        every = np.ones(CANARY_RUNS)
        return _failing(rng, every, every > 0, every * rate)

    return draw


def _failing(rng: np.random.Generator, weight: Floats, given: Bools, rate: Floats) -> History:
    bad = rng.random(weight.size) < rate
    return History(weight=weight, canary=given, bad=bad, numbers=np.empty(0))


def latencies(factor: float = 1.0, drift: float = 1.0, canary_runs: int = CANARY_RUNS) -> World:
    """Latencies; the canary's are `factor` times as long, and halfway all get `drift` as long."""

    def draw(rng: np.random.Generator) -> History:
        given, runs = _given(rng, canary_runs)
        numbers = 10.0 * np.exp(rng.normal(0.0, SIGMA, runs)) * np.where(given, factor, 1.0)
        numbers[runs // 2 :] *= drift
        return _numbered(given, numbers)

    return draw


def costs(factor: float = 1.0, canary_runs: int = CANARY_RUNS) -> World:
    """Costs with a heavy tail; the canary's are `factor` times as high."""

    def draw(rng: np.random.Generator) -> History:
        given, runs = _given(rng, canary_runs)
        numbers = 0.01 * (1.0 + rng.pareto(PARETO, runs)) * np.where(given, factor, 1.0)
        return _numbered(given, numbers)

    return draw


def scores(canary: float, baseline: float, canary_runs: int = CANARY_RUNS) -> World:
    """Scores of a judge, from 0 to 1, with these means."""

    def draw(rng: np.random.Generator) -> History:
        given, _ = _given(rng, canary_runs)
        mean = np.where(given, canary, baseline)
        return _numbered(given, rng.beta(SCORE_WEIGHT * mean, SCORE_WEIGHT * (1.0 - mean)))

    return draw


def _given(rng: np.random.Generator, canary_runs: int) -> tuple[Bools, int]:
    runs = int(canary_runs / WEIGHT)
    return rng.random(runs) < WEIGHT, runs


def _numbered(given: Bools, numbers: Floats) -> History:
    return History(
        weight=np.full(given.size, WEIGHT),
        canary=given,
        bad=np.zeros(given.size, dtype=np.bool_),
        numbers=numbers,
    )


def late_words(rng: np.random.Generator) -> tuple[History, Ints]:
    """Runs that are good at first; 5 % are found wrong up to 500 runs later, in both arms.

    The weight is raised after each 50 canary runs, so it hangs on the arms of runs of which the
    word is still to come.

    Returns:
        The history, and the runs that are found wrong in the order in which that becomes known.
    """
    weights: list[Floats] = []
    arms: list[Bools] = []
    for weight in (0.05, 0.1, 0.25, 0.5):
        given = rng.random(4000) < weight
        runs = int(np.searchsorted(np.cumsum(given), 50 if weight < 0.5 else 750)) + 1
        weights.append(np.full(min(runs, 4000), weight))
        arms.append(given[:runs])
    weight, given = np.concatenate(weights), np.concatenate(arms)
    history = _failing(rng, weight, given, np.full(weight.size, 0.05))
    wrong = np.flatnonzero(history.bad)
    known = wrong + rng.integers(0, 500, wrong.size)
    return history, wrong[np.argsort(known, kind="stable")]


def tenants(rng: np.random.Generator) -> tuple[History, Ints]:
    """Runs of 300 tenants, each with one arm for all its runs; 3 % of them fail every second time.

    Returns:
        The history, and the tenant of each run.
    """
    runs = int(CANARY_RUNS / WEIGHT)
    given = rng.random(300) < WEIGHT
    rate = np.where(rng.random(300) < 0.03, 0.5, 0.005)
    tenant = rng.integers(0, 300, runs)
    return _failing(rng, np.full(runs, WEIGHT), given[tenant], rate[tenant]), tenant
