"""Each bet is fair: its expected factor, computed exactly, is 1 or less under what it doubts."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.analysis.bets import (
    RATIO_CHECK,
    RATIOS,
    SAFE,
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

CHANCES = (1e-6, 0.01, 0.1, 0.25, 0.5, 0.9, 1 - 1e-6)


def mean(chance: float, factors: tuple[Logs, Logs]) -> list[float]:
    first, second = factors
    return [
        chance * math.exp(one) + (1 - chance) * math.exp(other)
        for one, other in zip(first, second, strict=True)
    ]


@pytest.mark.parametrize(("chance", "ratios"), list(product(CHANCES, (RATIOS, RATIO_CHECK))))
def test_who_failed_is_a_fair_bet(chance: float, ratios: tuple[float, ...]) -> None:
    assert mean(chance, attribution(chance, ratios)) == pytest.approx([1.0] * len(ratios))


@pytest.mark.parametrize(("chance", "rank"), list(product(CHANCES, (0, 1, 57, 200, 399, 400))))
def test_a_rank_is_a_fair_bet(chance: float, rank: int) -> None:
    assert mean(chance, ranked(chance, rank, 200)) == pytest.approx([1.0] * 4)


@given(chance=st.floats(0.001, 0.999), share=st.floats(0.0, 1.0))
def test_a_better_candidate_wins_no_bet_on_being_worse(chance: float, share: float) -> None:
    no_more_than_its_part = chance * share
    assert max(mean(no_more_than_its_part, attribution(chance, RATIOS))) <= 1 + 1e-9


@given(chance=st.floats(0.001, 0.999), margin=st.floats(1.0, 100.0), share=st.floats(0.0, 1.0))
def test_within_the_margin_nothing_is_won(chance: float, margin: float, share: float) -> None:
    allowed = tilted(chance, margin)
    assert max(mean(allowed * share, attribution(allowed, RATIOS))) <= 1 + 1e-9


@given(bound=st.floats(0.001, 0.999), part=st.floats(0.0, 1.0))
def test_bets_on_a_bound_are_fair(bound: float, part: float) -> None:
    assert max(mean(bound * part, above(bound))) <= 1 + 1e-9
    assert max(mean(bound + (1 - bound) * part, below(bound))) <= 1 + 1e-9
    assert mean(bound, above(bound)) == pytest.approx([1.0] * len(RATIOS))
    assert mean(bound, below(bound)) == pytest.approx([1.0] * len(SAFE))


def test_higher_ranks_speak_against_the_canary() -> None:
    worst, best = ranked(0.1, 400, 200), ranked(0.1, 0, 200)
    assert all(one > 0 for one in worst[0]) and all(one < 0 for one in worst[1])
    assert all(one < 0 for one in best[0]) and all(one > 0 for one in best[1])


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_without_a_choice_nothing_is_learned(chance: float) -> None:
    assert set(sum(attribution(chance, RATIOS), ())) == {0.0}
    assert set(sum(ranked(chance, 3, 10), ())) == {0.0}


def test_a_stake_begins_as_one() -> None:
    assert log_sum(even(RATIOS)) == pytest.approx(0.0)
    assert log_sum(safe_start()) == pytest.approx(0.0)


@given(st.floats(0.0, 5.0), st.lists(st.floats(-9.0, 5.0), min_size=1, max_size=6))
def test_a_peak_is_never_missed(peak: float, stake: list[float]) -> None:
    assert peak_of(peak, tuple(stake)) == pytest.approx(max(peak, log_sum(stake)))


def test_a_stake_neither_overflows_nor_becomes_nothing() -> None:
    up, down = even(RATIOS), even(RATIOS)
    canary, baseline = attribution(1e-6, RATIOS)
    for _ in range(2):
        up = times(up, tuple(1e6 * one for one in canary))
        down = times(down, tuple(1e6 * one for one in baseline))
    assert math.isfinite(log_sum(up)) and log_sum(up) > 1e6
    assert math.isfinite(log_sum(down)) and log_sum(down) < 0
