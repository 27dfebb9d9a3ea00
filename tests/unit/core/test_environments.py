"""Rules of environments: what is refused, and when a freeze is in force."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.environments import (
    ANYWHERE,
    EVIDENCE_S,
    EVIDENCE_S_MAX,
    GATES,
    NO_RULES,
    ApprovalRules,
    EnvironmentRules,
    Freeze,
    environment_name,
)

MONDAY = datetime.fromisoformat("2026-11-30")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES = st.integers(min_value=0, max_value=7 * 1440 - 1)


def weekly(begins: int, ends: int) -> Freeze:
    def said(at: int) -> str:
        return f"{DAYS[at // 1440]} {at % 1440 // 60:02d}:{at % 60:02d}"

    return Freeze(reason="r", weekly=f"{said(begins)} - {said(ends)}")


@given(begins=MINUTES, ends=MINUTES, at=MINUTES)
def test_a_week_is_a_freeze_and_what_is_left_of_it(begins: int, ends: int, at: int) -> None:
    if begins == ends:
        with pytest.raises(ValueError, match="no length"):
            weekly(begins, ends)
        return
    local = MONDAY + timedelta(minutes=at, seconds=59)
    frozen = weekly(begins, ends).covers(local)
    assert frozen != weekly(ends, begins).covers(local)
    # Counted from its beginning, it lasts until its end.
    assert frozen == ((at - begins) % 10_080 < (ends - begins) % 10_080)


@pytest.mark.parametrize(
    ("text", "at", "frozen"),
    [
        ("fri 16:00 - mon 08:00", "2026-12-04T15:59:59", False),
        ("fri 16:00 - mon 08:00", "2026-12-04T16:00:00", True),
        ("fri 16:00 - mon 08:00", "2026-12-07T07:59:59", True),
        ("fri 16:00 - mon 08:00", "2026-12-07T08:00:00", False),
        ("mon 00:00 - sun 24:00", "2026-12-03T12:00:00", True),
        ("sat 00:00 - sun 24:00", "2026-12-06T23:59:00", True),
        ("sat 00:00 - sun 24:00", "2026-12-07T00:00:00", False),
    ],
)
def test_a_weekly_freeze(text: str, at: str, frozen: bool) -> None:
    assert Freeze(reason="r", weekly=text).covers(datetime.fromisoformat(at)) is frozen


def test_a_freeze_of_days_holds_from_its_beginning_to_its_end() -> None:
    freeze = Freeze(reason="r", begins="2026-12-20", ends="2026-12-27T12:00:00")
    assert not freeze.covers(datetime.fromisoformat("2026-12-19T23:59"))
    assert freeze.covers(datetime.fromisoformat("2026-12-20"))
    assert freeze.covers(datetime.fromisoformat("2026-12-27T11:59"))
    assert not freeze.covers(datetime.fromisoformat("2026-12-27T12:00"))


@pytest.mark.parametrize(
    "given_",
    [
        {},
        {"weekly": "fri 16:00 - mon 08:00", "begins": "2026-12-20", "ends": "2026-12-21"},
        {"weekly": "Fri 16:00 - mon 08:00"},
        {"weekly": "fri 25:00 - mon 08:00"},
        {"weekly": "fri 24:30 - mon 08:00"},
        {"weekly": "fri 16:00"},
        {"begins": "2026-12-20"},
        {"ends": "2026-12-20"},
        {"begins": "2026-12-21", "ends": "2026-12-20"},
        {"begins": "2026-12-20", "ends": "2026-12-20"},
        {"begins": "2026-12-20T00:00:00+01:00", "ends": "2026-12-21"},
        {"weekly": "fri 16:00 - mon 08:00", "reason": " "},
        {"weekly": "fri 16:00 - mon 08:00", "reason": "x" * 201},
        {"weekly": "fri 16:00 - mon 08:00", "zone": ""},
    ],
)
def test_a_freeze_that_says_nothing_is_refused(given_: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Freeze(**{"reason": "r", **given_})


@pytest.mark.parametrize(
    ("given_", "what"),
    [
        ({"tier": "prod"}, "tier is"),
        ({"gates": ("check", "luck")}, "no gate 'luck'"),
        ({"gates": ("check", "check")}, "named twice"),
        ({"tier": "production", "gates": ("approval",)}, "requires the gate check"),
        ({"evidence_s": {"luck": 100.0}}, "no gate 'luck'"),
        ({"evidence_s": {"check": 59.0}}, "holds from 60"),
        ({"evidence_s": {"check": float("inf")}}, "holds from 60"),
        ({"evidence_s": {"check": float("nan")}}, "holds from 60"),
        ({"freezes": (weekly(0, 1),) * 101}, "at most 100 freezes"),
    ],
)
def test_rules_that_make_no_sense_are_refused(given_: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        EnvironmentRules(**given_)


@pytest.mark.parametrize("given_", [{"role": "viewer"}, {"count": 0}, {"count": 11}])
def test_approvals_need_people_who_may(given_: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"role is|count is"):
        ApprovalRules(**given_)


def test_everything_has_a_number_by_default() -> None:
    rules = EnvironmentRules(gates=GATES, evidence_s={"replay": 60.0})
    assert [rules.holds_s(gate) for gate in GATES] == [
        EVIDENCE_S["check"], 60.0, EVIDENCE_S["rollback_drill"], EVIDENCE_S["approval"],
    ]  # fmt: skip
    assert (NO_RULES.gates, NO_RULES.holds_s("check")) == (("check",), EVIDENCE_S_MAX)
    assert rules.approval.four_eyes is True


@pytest.mark.parametrize("name", ["production", "Prod-EU", "a.b_c", "x" * 60, ANYWHERE])
def test_names(name: str) -> None:
    assert environment_name(name) == name


@pytest.mark.parametrize("name", ["", " ", "a b", "-x", "x" * 61, "a\n", "**", "\u202ea"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="names no environment"):
        environment_name(name)
