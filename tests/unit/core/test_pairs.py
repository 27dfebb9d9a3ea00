"""Pairs of outcomes: what is evidence, at every look."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.pairs import (
    PAIRS_MAX,
    Pairs,
    PairTerms,
    conclude_pairs,
    harm_wealth,
    observe,
    pairs_needed,
    safe_wealth,
)

TERMS = PairTerms()
COUNTS = st.builds(
    Pairs,
    both_passed=st.integers(0, 500),
    both_failed=st.integers(0, 500),
    harmed=st.integers(0, 60),
    rescued=st.integers(0, 60),
    undecided=st.integers(0, 500),
)


def after(*pairs: tuple[bool, bool | None]) -> Pairs:
    state = Pairs()
    for before, now in pairs:
        state = observe(state, before=before, after=now)
    return state


def test_nothing_shows_nothing_and_what_is_undecided_never_passes() -> None:
    assert conclude_pairs(Pairs()) == "no_data"
    assert conclude_pairs(after(*[(True, None)] * 500)) == "inconclusive"
    assert conclude_pairs(after(*[(True, True)] * 82)) == "success"
    assert conclude_pairs(after(*[(True, True)] * 81)) == "inconclusive"
    # Above the bound nothing passes, and harm is harm all the same.
    assert conclude_pairs(after(*[(True, True)] * 90, *[(True, None)] * 10)) == "success"
    assert conclude_pairs(after(*[(True, True)] * 90, *[(True, None)] * 11)) == "inconclusive"
    assert conclude_pairs(after(*[(True, False)] * 7, *[(True, None)] * 99)) == "failure"
    assert conclude_pairs(after(*[(True, False)] * 6)) == "inconclusive"
    assert pairs_needed(Pairs()) == 82
    assert pairs_needed(after(*[(True, True)] * 82)) == 0


@given(COUNTS)
def test_each_kind_of_pair_speaks_for_one_side(state: Pairs) -> None:
    harm, safe = harm_wealth(state), safe_wealth(state, TERMS)
    harmed = replace(state, harmed=state.harmed + 1)
    assert harm_wealth(harmed) > harm and safe_wealth(harmed, TERMS) < safe
    rescued = replace(state, rescued=state.rescued + 1)
    assert harm_wealth(rescued) < harm and safe_wealth(rescued, TERMS) > safe
    agreed = replace(state, both_passed=state.both_passed + 1)
    assert harm_wealth(agreed) == harm and safe_wealth(agreed, TERMS) > safe
    undecided = replace(state, undecided=state.undecided + 1)
    assert (harm_wealth(undecided), safe_wealth(undecided, TERMS)) == (harm, safe)


@given(COUNTS, st.floats(0.0, 0.5))
def test_no_strategy_gains_on_harm_while_the_candidate_is_no_worse(
    state: Pairs, worse: float
) -> None:
    """The expected wealth after one more discordant pair is at most what it was."""
    from math import exp, isclose, log

    up = harm_wealth(replace(state, harmed=state.harmed + 1))
    down = harm_wealth(replace(state, rescued=state.rescued + 1))
    parts = [p for p in ((up, worse), (down, 1 - worse)) if p[1] > 0]
    top = max(value for value, _ in parts)
    expected = top + log(sum(weight * exp(value - top) for value, weight in parts))
    now = harm_wealth(state)
    assert expected <= now or isclose(expected, now, abs_tol=1e-9)


@given(COUNTS, st.floats(0.05, 1.0), st.floats(0.0, 1.0))
def test_no_strategy_gains_on_safety_while_the_candidate_harms_the_margin(
    state: Pairs, harm: float, more: float
) -> None:
    from math import exp, isclose, log

    rescue = min((harm - 0.05) * more, 1.0 - harm)
    weights = {"harmed": harm, "rescued": rescue, "both_passed": 1.0 - harm - rescue}
    parts = [
        (safe_wealth(replace(state, **{name: getattr(state, name) + 1}), TERMS), weight)
        for name, weight in weights.items()
        if weight > 0
    ]
    top = max(value for value, _ in parts)
    expected = top + log(sum(weight * exp(value - top) for value, weight in parts))
    now = safe_wealth(state, TERMS)
    assert expected <= now or isclose(expected, now, abs_tol=1e-9)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([True, False, None])), max_size=60))
def test_the_state_goes_on_from_json_and_what_was_enough_stays(
    seen: list[tuple[bool, bool | None]],
) -> None:
    states = [Pairs()]
    for before, now in seen:
        kept = Pairs(**json.loads(json.dumps(states[-1].as_json())))
        states.append(observe(kept, before=before, after=now))
    assert states[-1] == after(*seen)
    assert states[-1].decided + states[-1].undecided == len(seen)
    for one, other in pairwise(states):
        assert other.harm_peak >= one.harm_peak and other.safe_peak >= one.safe_peak
        if conclude_pairs(one) == "failure":
            assert conclude_pairs(other) == "failure"


@given(COUNTS)
def test_as_many_as_are_needed_are_enough(state: Pairs) -> None:
    needed = pairs_needed(state)
    if 0 < needed < PAIRS_MAX:
        later = replace(state, both_passed=state.both_passed + needed)
        assert safe_wealth(later, TERMS) >= 2.995
        fewer = replace(state, both_passed=state.both_passed + needed - 1)
        assert safe_wealth(fewer, TERMS) < 2.996


def test_mistakes_are_rare_however_often_one_looks() -> None:
    """A seeded simulation with a look after every pair; the bounds have room for its own error."""

    def share(before: float, now: float, wanted: str) -> float:
        hits = 0
        for seed in range(300):
            dice, state = random.Random(seed), Pairs()
            for _ in range(200):
                state = observe(state, before=dice.random() < before, after=dice.random() < now)
            hits += conclude_pairs(state) == wanted
        return hits / 300

    assert share(0.9, 0.9, "failure") <= 0.05
    assert share(0.99, 0.94, "success") <= 0.07
    assert share(0.99, 0.99, "success") >= 0.85
    assert share(0.99, 0.85, "failure") >= 0.95


@pytest.mark.parametrize(
    "wrong", [{"alpha": 0.0}, {"alpha": 1.0}, {"margin": 0.0}, {"margin": 1.0}]
)
def test_terms_have_bounds(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PairTerms(**wrong)
    with pytest.raises(ValueError, match="undecided_max"):
        PairTerms(undecided_max=1.1)
