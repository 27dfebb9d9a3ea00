"""Baselines: named by their content, narrowing and never widening, accepted within windows."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from fairlead import Limits
from fairlead.core.baseline import (
    LIMIT_FIELDS,
    Baseline,
    ContractRules,
    Enforcement,
    Standing,
    baseline_json,
    most,
    narrowed,
)
from fairlead.core.digests import canonical_json

WHOLE = ("steps", "attempts", "context_tokens", "history_messages", "history_chars")
limits_of_baselines = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.integers(1, 10_000) for name in WHOLE},
        "repeats": st.integers(1, 10),
        "reasks": st.integers(0, 9),
        "cost_usd": st.floats(0, 100) | st.integers(0, 100),
        "wall_time_s": st.floats(0.001, 1e6) | st.integers(1, 10_000),
        "call_timeout_s": st.floats(0.001, 1e6),
        "unknown_wait_s": st.floats(0.001, 1e6),
    },
)
baselines = st.builds(
    Baseline,
    name=st.text(min_size=1, max_size=5),
    version=st.text(min_size=1, max_size=5),
    window_s=st.floats(0, 1e6),
    limits=limits_of_baselines,
    guardrails=st.lists(st.text(max_size=3), max_size=2).map(tuple),
    contracts=st.builds(
        ContractRules,
        forbidden_effects=st.sampled_from([(), ("once",)]),
        forbidden_scopes=st.sampled_from([(), ("a:*",)]),
        forbid_egress=st.booleans(),
    ),
    policies=st.dictionaries(st.text(max_size=3), st.text(max_size=9), max_size=2),
)


@given(baselines)
def test_a_baseline_is_the_same_after_it_was_stored(baseline: Baseline) -> None:
    text = canonical_json(baseline_json(baseline))
    read = TypeAdapter(Baseline).validate_json(text)
    assert read == baseline
    assert read.digest == baseline.digest
    assert canonical_json(baseline_json(read)) == text
    assert json.loads(text)["guardrails"] == list(baseline.guardrails)


@given(limits_of_baselines, st.integers(1, 1000), st.floats(0, 50), st.integers(1, 10**6))
def test_limits_are_the_smaller_ones_of_both(
    maxima: dict[str, Any], steps: int, cost_usd: float, seconds: int
) -> None:
    asked = Limits(steps=steps, cost_usd=cost_usd, wall_time=timedelta(seconds=seconds))
    both = narrowed(asked, Baseline(name="b", version="1", limits=maxima))
    for name in LIMIT_FIELDS:
        bound = min(most(asked, name), maxima.get(name, float("inf")))
        assert most(both, name) == pytest.approx(bound, abs=1e-6)
    assert narrowed(asked, None) is asked


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({}, []),
        ({"forbidden_effects": ("once",)}, ["has effect once, which the baseline forbids"]),
        ({"forbidden_effects": ("idempotent",)}, []),
        (
            {"forbidden_scopes": ("money:*",)},
            ["has scope money:write, and the baseline forbids money:*"],
        ),
        ({"allowed_scopes": ("money:*", "items:*")}, []),
        (
            {"allowed_scopes": ("items:*",)},
            ["has scope money:write, and the baseline allows only items:*"],
        ),
        (
            {"forbid_egress": True},
            ["sends what it is given out of the tenant, which the baseline forbids"],
        ),
    ],
)
def test_a_contract_is_held_against_the_rules(rules: dict[str, Any], said: list[str]) -> None:
    assert ContractRules(**rules).objections("once", "money:write", egress=True) == said


def standing(*enforced: tuple[str, float, float], now: float) -> Standing:
    """Return a standing of enforcements: digest, time, window."""
    made = [Enforcement(digest=d, time=t, window_s=w, by="ann") for d, t, w in enforced]
    return Standing(enforcements=tuple(made), now=now)


def test_without_an_enforcement_everything_is_accepted() -> None:
    empty = Standing(now=5.0)
    assert empty.current is None
    assert empty.accepts(None)
    assert empty.accepts("a")


@pytest.mark.parametrize(
    ("now", "accepted"), [(100, {None, "a"}), (109.9, {None, "a"}), (110, {"a"}), (1e9, {"a"})]
)
def test_the_first_one_leaves_a_window_to_those_made_with_none(
    now: float, accepted: set[str | None]
) -> None:
    found = standing(("a", 100, 10), now=now)
    assert {name for name in (None, "a", "b") if found.accepts(name)} == accepted


def test_a_version_is_accepted_until_its_successors_window_ends() -> None:
    both = [("a", 100.0, 10.0), ("b", 200.0, 50.0)]
    found = standing(*both, now=240)
    assert found.current == "b"
    assert [found.accepts(name) for name in (None, "a", "b")] == [False, True, True]
    assert (found.until("a"), found.until("b"), found.until("c")) == (250, float("inf"), None)
    assert not standing(*both, now=250).accepts("a")


def test_a_later_enforcement_cuts_a_window_short_and_never_extends_it() -> None:
    found = standing(("a", 0, 0), ("b", 100, 1000), ("b", 110, 0), now=110)
    assert not found.accepts("a")
    found = standing(("a", 0, 0), ("b", 100, 10), ("b", 105, 10_000), now=111)
    assert not found.accepts("a")
    found = standing(("a", 0, 0), ("b", 100, 1000), ("c", 105, 0), now=106)
    assert [found.accepts(name) for name in "abc"] == [False, False, True]


def test_an_older_version_can_be_put_in_force_again() -> None:
    found = standing(("a", 0, 0), ("b", 100, 0), ("a", 200, 50), now=210)
    assert found.current == "a"
    assert [found.accepts(name) for name in "ab"] == [True, True]
    assert found.until("b") == 250
