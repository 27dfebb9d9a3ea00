"""What others do with the same traffic: fixed thresholds, and tests that are asked too often.

Each judges after every 20 canary runs, except Kayenta's, which judges after every 100.

- `argo_limit_0`, `argo_limit_3`: Argo Rollouts' documented example, an interval fails below 95 % of
  good canary runs (85 % where the baseline has 90 %); the analysis fails with more than
  `failureLimit` failed intervals, by default 0, in the example 3.
- `flagger_10`: Flagger's documented example, an interval fails below 99 % (90 %), and 10 failed
  intervals are too many.
- `kayenta_like`: a Mann-Whitney test of all intervals' rates, 98 % confidence, and a tolerance of
  25 % of the estimate; written from its documentation, and not Kayenta itself.
- `naive_z`: a one-sided test of two shares at 5 %, after each interval.
- `mann_whitney`: for numbers, a one-sided test of all of them at 5 %, after each interval.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.analysis_worlds import Floats, History

INTERVAL = 20
Z_05 = 1.6449
Z_98 = 2.3263


def intervals(history: History) -> tuple[Floats, Floats, Floats, Floats]:
    """Return runs and failures of the canary and of the baseline, interval by interval."""
    number = np.maximum(np.cumsum(history.canary) - 1, 0) // INTERVAL
    whole = int(history.canary.sum()) // INTERVAL

    def per(which: object) -> Floats:
        return np.bincount(number[which], minlength=whole)[:whole].astype(float)

    canary, bad = history.canary, history.bad
    return per(canary), per(canary & bad), per(~canary), per(~canary & bad)


def rate_limit(share: float, failed_max: int) -> Callable[[History], int | None]:
    """A judge that bears so many intervals in which more than a share of the canary's runs fail."""

    def judge(history: History) -> int | None:
        runs, bad, _, _ = intervals(history)
        failed = np.cumsum(bad / runs > share + 1e-12)
        return _first(failed > failed_max)

    return judge


def naive_z(history: History) -> int | None:
    """Return the canary runs after which a test of two shares says that the canary is worse."""
    runs, bad, beside, beside_bad = (np.cumsum(one) for one in intervals(history))
    both = (bad + beside_bad) / (runs + beside)
    error = np.sqrt(both * (1 - both) * (1 / runs + 1 / np.maximum(beside, 1)))
    difference = bad / runs - beside_bad / np.maximum(beside, 1)
    return _first((error > 0) & (difference > Z_05 * np.where(error > 0, error, 1.0)))


def kayenta_like(history: History) -> int | None:
    """Return the canary runs after which the interval of the difference is above the tolerance."""
    runs, bad, beside, beside_bad = intervals(history)
    canary, baseline = bad / runs, beside_bad / np.maximum(beside, 1)
    for count in range(5, canary.size + 1, 5):
        apart = np.sort((canary[:count, None] - baseline[None, :count]).ravel())
        middle = count * count / 2
        spread = Z_98 * np.sqrt(count * count * (2 * count + 1) / 12)
        low = apart[int(max(middle - spread, 0))]
        if low > 0.25 * abs(float(np.median(apart))) and low > 0:
            return count * INTERVAL
    return None


def mann_whitney(history: History) -> int | None:
    """Return the canary runs after which ranks say that the canary's numbers are higher."""
    number = np.cumsum(history.canary)
    for count in range(INTERVAL, int(number[-1]) + 1, INTERVAL):
        upto = int(np.searchsorted(number, count)) + 1
        given, numbers = history.canary[:upto], history.numbers[:upto]
        mine, others = count, upto - count
        ranks = np.empty(upto)
        ranks[np.argsort(numbers)] = np.arange(1, upto + 1)
        above = ranks[given].sum() - mine * (mine + 1) / 2
        spread = np.sqrt(mine * others * (upto + 1) / 12)
        if others and above - mine * others / 2 > Z_05 * spread:
            return count
    return None


def _first(reached: object) -> int | None:
    where = np.flatnonzero(reached)
    return (int(where[0]) + 1) * INTERVAL if where.size else None
