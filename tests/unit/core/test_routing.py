"""Routing: the arm is drawn with the probability that is on record, and what is sticky keeps it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.identity import Principal
from fairlead.core.routing import Assignment, Routes, Sticky, assign, holds

ADA = Principal(user="ada", tenant="acme")
ROUTES = Routes(environment="e", baseline="a", candidate="b", weight=0.25, rollout="r1")


def test_without_a_rollout_a_run_starts_on_the_current_release() -> None:
    assert assign(Routes(environment="e", baseline="a"), ADA, None, 0.0) == Assignment(
        environment="e", release="a"
    )


@given(st.floats(0, 1), st.floats(0, 1, exclude_max=True))
def test_a_run_is_drawn_with_the_probability_that_is_recorded(weight: float, chance: float) -> None:
    routes = replace(ROUTES, weight=weight, rollout="r1")
    drawn = assign(routes, ADA, "talk", chance)
    assert drawn.probability == weight
    assert (drawn.arm, drawn.release) == (("canary", "b") if chance < weight else ("baseline", "a"))
    assert drawn.unit == ""


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_at_the_ends_everything_goes_one_way(weight: float) -> None:
    routes = replace(ROUTES, weight=weight, rollout="r1", sticky="user")
    arms = {assign(routes, Principal(user=f"u{n}"), None, 0.5).arm for n in range(200)}
    assert arms == {"canary" if weight else "baseline"}


@given(
    st.sampled_from(["conversation", "user", "tenant"]),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 1, exclude_max=True),
)
def test_what_is_sticky_keeps_its_arm_while_the_weight_does_not_fall(
    sticky: Sticky, before: float, after: float, chance: float
) -> None:
    first, then = (
        assign(
            Routes(
                environment="e",
                baseline="a",
                candidate="b",
                weight=weight,
                rollout="r1",
                sticky=sticky,
            ),
            ADA,
            "talk",
            chance,
        )
        for weight in sorted((before, after))
    )
    assert first.unit == then.unit != ""
    assert (first.arm, then.arm) != ("canary", "baseline")
    again = assign(
        replace(ROUTES, weight=after, rollout="r1", sticky=sticky),
        ADA,
        "talk",
        1 - chance if chance else 0.0,
    )
    assert again.arm == (then.arm if after >= before else first.arm)


def test_the_units_spread_over_the_arms_by_the_weight() -> None:
    routes = replace(ROUTES, weight=0.25, rollout="r1", sticky="user")
    drawn = [assign(routes, Principal(user=f"u{n}", tenant="t"), None, 0.0) for n in range(4000)]
    share = sum(one.arm == "canary" for one in drawn) / len(drawn)
    assert 0.22 < share < 0.28
    assert len({one.unit for one in drawn}) == len(drawn)


def test_another_rollout_draws_anew_and_names_of_two_tenants_are_two_units() -> None:
    def arms(rollout: str, tenant: str) -> list[str]:
        routes = replace(ROUTES, weight=0.5, rollout=rollout, sticky="user")
        asked = (Principal(user=f"u{n}", tenant=tenant) for n in range(64))
        return [assign(routes, one, None, 0.0).arm for one in asked]

    assert arms("r1", "acme") != arms("r2", "acme")
    assert arms("r1", "acme") != arms("r1", "other")


def test_a_run_of_no_conversation_is_a_unit_of_its_own() -> None:
    routes = Routes(
        environment="e",
        baseline="a",
        candidate="b",
        weight=0.5,
        rollout="r1",
        sticky="conversation",
    )
    assert assign(routes, ADA, None, 0.4).arm == "canary"
    assert assign(routes, ADA, None, 0.6).arm == "baseline"
    assert assign(routes, ADA, None, 0.4).unit == ""


def test_a_draw_holds_while_new_runs_start_as_it_was_drawn_by() -> None:
    drawn = assign(ROUTES, ADA, None, 0.1)
    assert holds(drawn, ROUTES)
    assert not holds(drawn, None)
    assert not holds(drawn, replace(ROUTES, weight=0.5))
    assert not holds(drawn, replace(ROUTES, rollout="r2"))
    assert not holds(drawn, Routes(environment="e", baseline="b"))
    alone = assign(Routes(environment="e", baseline="a"), ADA, None, 0.1)
    assert holds(alone, Routes(environment="e", baseline="a"))
    assert not holds(alone, Routes(environment="e", baseline="b"))
    first = replace(ROUTES, baseline="")
    assert holds(assign(first, ADA, None, 0.9), replace(first, weight=0.5))
