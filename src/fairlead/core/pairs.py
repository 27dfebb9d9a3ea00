"""Pairs: what the same run came to before and after, and when that is evidence enough.

Each pair says whether the recorded run passed and whether its replay on the candidate passed. Two
tests watch the pairs, and both may be looked at after every one of them: each holds a wealth that
no strategy can expect to grow while its hypothesis is true, so the probability that it ever comes
to 1 / alpha is at most alpha (Ville's inequality).

- **Harm**, on the discordant pairs alone, as McNemar's test: while the candidate is no worse, a
  discordant pair speaks against it with probability 1/2 at most. The wealth is the mean over
  several odds that it is worse.
- **Safe**, on all pairs: while the candidate harms a share of `margin` or more of all runs (those
  that it rescues counted against), a bet on the opposite loses. The wealth is the mean over several
  stakes.

Both depend on nothing but the counts, so a few numbers are the whole state.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from math import exp, log, log1p
from typing import Literal, TypeAlias

PairConclusion: TypeAlias = Literal["success", "failure", "inconclusive", "no_data"]

ODDS = (1.5, 2.0, 3.0, 5.0, 8.0, 13.0)
"""How much more often a discordant pair speaks against the candidate: the mixture's parts."""

STAKES = (0.1, 0.3, 0.6, 0.8, 0.95)
"""Shares of what may be staked at most on the candidate being safe: the mixture's parts."""

ALPHA = 0.05
"""Most probability of each kind of mistake, however often one looks."""

MARGIN = 0.05
"""Share of all runs that a candidate may harm, at most, to count as safe."""

UNDECIDED_MAX = 0.1
"""Share of all replays that may be undecidable; above it nothing passes."""

PAIRS_MAX = 1_000_000
"""Most pairs that `pairs_needed` looks ahead."""


@dataclass(frozen=True, kw_only=True)
class PairTerms:
    """What counts as evidence.

    Attributes:
        alpha: Most probability of a false failure, and of a false success.
        margin: Share of all runs (0.0 to 1.0) that a safe candidate may harm.
        undecided_max: Share of all replays (0.0 to 1.0) that may be undecidable.
    """

    alpha: float = ALPHA
    margin: float = MARGIN
    undecided_max: float = UNDECIDED_MAX

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 1.0:
            raise ValueError("alpha must be above 0.0 and below 1.0")
        if not 0.0 < self.margin < 1.0:
            raise ValueError("margin must be above 0.0 and below 1.0")
        if not 0.0 <= self.undecided_max <= 1.0:
            raise ValueError("undecided_max must be from 0.0 to 1.0")


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The pairs so far: the whole state of both tests.

    Attributes:
        both_passed: Pairs of which both passed.
        both_failed: Pairs of which neither passed.
        harmed: Pairs that passed before and not with the candidate.
        rescued: Pairs that passed with the candidate and not before.
        undecided: Replays that could not be decided; they are no pairs.
        harm_peak: Highest wealth so far, as a logarithm, that the candidate is worse.
        safe_peak: The same that it is safe.
    """

    both_passed: int = 0
    both_failed: int = 0
    harmed: int = 0
    rescued: int = 0
    undecided: int = 0
    harm_peak: float = 0.0
    safe_peak: float = 0.0

    @property
    def decided(self) -> int:
        """Number of pairs."""
        return self.both_passed + self.both_failed + self.harmed + self.rescued

    def as_json(self) -> dict[str, float]:
        """Return the state as JSON; `Pairs(**state)` goes on with it."""
        return asdict(self)


def observe(
    pairs: Pairs, *, before: bool, after: bool | None, terms: PairTerms | None = None
) -> Pairs:
    """Return the state with one replay more.

    Args:
        pairs: The state so far.
        before: Whether the recorded run passed.
        after: Whether its replay passed; None when that cannot be decided.
        terms: What counts as evidence; always the same for one state.
    """
    if after is None:
        return replace(pairs, undecided=pairs.undecided + 1)
    if before and after:
        pairs = replace(pairs, both_passed=pairs.both_passed + 1)
    elif before:
        pairs = replace(pairs, harmed=pairs.harmed + 1)
    elif after:
        pairs = replace(pairs, rescued=pairs.rescued + 1)
    else:
        pairs = replace(pairs, both_failed=pairs.both_failed + 1)
    # What was evidence enough once stays that: the tests hold at every look.
    return replace(
        pairs,
        harm_peak=max(pairs.harm_peak, harm_wealth(pairs)),
        safe_peak=max(pairs.safe_peak, safe_wealth(pairs, terms or PairTerms())),
    )


def harm_wealth(pairs: Pairs) -> float:
    """Return the logarithm of the evidence that the candidate is worse."""
    shares = [odds / (1.0 + odds) for odds in ODDS]
    return _mean(
        pairs.harmed * log(2.0 * share) + pairs.rescued * log(2.0 * (1.0 - share))
        for share in shares
    )


def safe_wealth(pairs: Pairs, terms: PairTerms) -> float:
    """Return the logarithm of the evidence that the candidate harms less than the margin."""
    margin, agreed = terms.margin, pairs.both_passed + pairs.both_failed
    # One harmed pair loses at most the stake: so the wealth stays above zero.
    stakes = [part / (1.0 - margin) for part in STAKES]
    return _mean(
        agreed * log1p(stake * margin)
        + pairs.harmed * log1p(stake * (margin - 1.0))
        + pairs.rescued * log1p(stake * (margin + 1.0))
        for stake in stakes
    )


def conclude_pairs(pairs: Pairs, terms: PairTerms | None = None) -> PairConclusion:
    """Say what the pairs show; what cannot be measured does not pass.

    A failure stands, however much could not be decided: that hides harm and makes none.

    Args:
        pairs: The state.
        terms: What counts as evidence.

    Returns:
        `failure`: the candidate is worse. `success`: it harms less than the margin.
        `inconclusive`: neither is shown, or too much was undecided. `no_data`: nothing was
        replayed.
    """
    terms = terms or PairTerms()
    enough, replayed = -log(terms.alpha), pairs.decided + pairs.undecided
    if not replayed:
        return "no_data"
    if pairs.harm_peak >= enough:
        return "failure"
    if pairs.undecided > terms.undecided_max * replayed:
        return "inconclusive"
    return "success" if pairs.safe_peak >= enough else "inconclusive"


def pairs_needed(pairs: Pairs, terms: PairTerms | None = None) -> int:
    """Return how many pairs more would be a success if all of them agreed.

    Args:
        pairs: The state.
        terms: What counts as evidence.

    Returns:
        At most `PAIRS_MAX`; 0 when there are enough.
    """
    terms = terms or PairTerms()
    enough = -log(terms.alpha)
    if pairs.safe_peak >= enough or _would_be(pairs, 0, terms, enough):
        return 0
    low, high = 0, 1
    while high < PAIRS_MAX and not _would_be(pairs, high, terms, enough):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if _would_be(pairs, middle, terms, enough):
            high = middle
        else:
            low = middle
    return min(high, PAIRS_MAX)


def _would_be(pairs: Pairs, more: int, terms: PairTerms, enough: float) -> bool:
    later = replace(pairs, both_passed=pairs.both_passed + more)
    return safe_wealth(later, terms) >= enough


def _mean(logarithms: Iterable[float]) -> float:
    """Return the logarithm of the mean of what is given as logarithms."""
    values = list(logarithms)
    top = max(values)
    return top + log(sum(exp(value - top) for value in values) / len(values))
