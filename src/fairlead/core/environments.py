"""Environments: what a release must show before it may go there, and when nothing may change.

The rules are the platform team's, and no part of a release: see decision record 0051.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from fairlead.core.identity import ANSWERERS, Role

Tier: TypeAlias = Literal["development", "staging", "production"]
TIERS: tuple[Tier, ...] = ("development", "staging", "production")

CHECK, REPLAY, DRILL, APPROVAL = "check", "replay", "rollback_drill", "approval"
GATES = (CHECK, REPLAY, DRILL, APPROVAL)
"""Every gate that an environment may require. `check` stands for all checks of `fairlead check`."""

ANYWHERE = "*"
"""The name under which the rules of all environments stand that have none of their own."""

DAY_S = 86_400.0
EVIDENCE_S: Mapping[str, float] = {
    CHECK: 30 * DAY_S,
    REPLAY: 7 * DAY_S,
    DRILL: 30 * DAY_S,
    APPROVAL: 7 * DAY_S,
}
"""Seconds for which a gate's evidence holds, where the rules do not say otherwise."""

EVIDENCE_S_MIN, EVIDENCE_S_MAX = 60.0, 3650 * DAY_S
APPROVERS_MAX = 10
FREEZES_MAX = 100
_NAME = re.compile(r"[^\s*-][^\s*]{0,59}")
_TEXT_CHARS_MAX = 200

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_POINT = rf"({'|'.join(_DAYS)}) ([01][0-9]|2[0-4]):([0-5][0-9])"
_WEEKLY = re.compile(rf"{_POINT} - {_POINT}")
_WEEK = 7 * 1440


@dataclass(frozen=True, kw_only=True)
class Freeze:
    """A time in which no release gets new traffic: each week, or once.

    Attributes:
        reason: Why; whoever is refused reads it.
        zone: Name of the time zone whose clocks count, such as `Europe/Vienna`.
        weekly: From when to when in each week, such as `fri 16:00 - mon 08:00`; empty for once.
        begins: When it begins, if it is once: local date and time, such as `2026-12-20T00:00:00`.
        ends: When it is over.
    """

    reason: str
    zone: str = "UTC"
    weekly: str = ""
    begins: str = ""
    ends: str = ""

    def __post_init__(self) -> None:
        for name, text in (("reason", self.reason), ("zone", self.zone)):
            if not text.strip() or len(text) > _TEXT_CHARS_MAX or not text.isprintable():
                raise ValueError(
                    f"the {name} of a freeze has from 1 to {_TEXT_CHARS_MAX} printable characters"
                )
        if bool(self.weekly) == bool(self.begins or self.ends):
            raise ValueError("a freeze has either `weekly`, or `from` and `to`")
        if self.weekly:
            begins, ends = _week(self.weekly)
            if begins == ends:
                raise ValueError(f"the freeze {self.weekly!r} has no length")
        elif _local(self.begins) >= _local(self.ends):
            raise ValueError(f"the freeze from {self.begins} ends before it begins")

    def covers(self, local: datetime) -> bool:
        """Say whether it is in force.

        Args:
            local: What the clocks of its zone show, without a zone.
        """
        if self.weekly:
            begins, ends = _week(self.weekly)
            at = local.weekday() * 1440 + local.hour * 60 + local.minute
            return begins <= at < ends if begins < ends else at >= begins or at < ends
        return _local(self.begins) <= local < _local(self.ends)

    @property
    def when(self) -> str:
        """When it is in force, in words."""
        times = self.weekly or f"{self.begins} - {self.ends}"
        return f"{times} {self.zone}"


def _week(text: str) -> tuple[int, int]:
    """Return from which to which minute of the week, from Monday 00:00."""
    found = _WEEKLY.fullmatch(text)
    if found is None:
        raise ValueError(f"a weekly freeze is such as `fri 16:00 - mon 08:00`, not {text!r}")
    first, second = found.groups()[:3], found.groups()[3:]
    # `sun 24:00` is the end of a week, and as a beginning that of the next one.
    return _minute(*first) % _WEEK, _minute(*second)


def _minute(day: str, hour: str, minute: str) -> int:
    if hour == "24" and minute != "00":
        raise ValueError(f"{hour}:{minute} is no time of a day")
    return _DAYS.index(day) * 1440 + int(hour) * 60 + int(minute)


def _local(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None:
        raise ValueError(f"{text!r} is no local date or time, such as 2026-12-20")
    return found


@dataclass(frozen=True, kw_only=True)
class ApprovalRules:
    """Who must approve of a release.

    Attributes:
        role: Who may.
        count: How many of them must.
        four_eyes: Whether who made the release, or asks for it to go there, does not count.
    """

    role: Role = "approver"
    count: int = 1
    four_eyes: bool = True

    def __post_init__(self) -> None:
        if self.role not in ANSWERERS:
            raise ValueError(f"role is {', '.join(ANSWERERS)}, not {self.role!r}")
        if not 1 <= self.count <= APPROVERS_MAX:
            raise ValueError(f"count is from 1 to {APPROVERS_MAX}, not {self.count}")


@dataclass(frozen=True, kw_only=True)
class EnvironmentRules:
    """What an environment asks of releases.

    Attributes:
        tier: What it is for; production cannot do without `check`.
        gates: The gates that a release must have passed.
        evidence_s: Seconds for which a gate's evidence holds, by gate; else EVIDENCE_S.
        approval: Who must approve, where `approval` is required.
        freezes: When no release gets new traffic.
    """

    tier: Tier = "development"
    gates: tuple[str, ...] = (CHECK,)
    evidence_s: Mapping[str, float] = field(default_factory=dict)
    approval: ApprovalRules = field(default_factory=ApprovalRules)
    freezes: tuple[Freeze, ...] = ()

    def __post_init__(self) -> None:
        if self.tier not in TIERS:
            raise ValueError(f"tier is {', '.join(TIERS)}, not {self.tier!r}")
        for name in (*self.gates, *self.evidence_s):
            if name not in GATES:
                raise ValueError(f"there is no gate {name!r}; there are: {', '.join(GATES)}")
        if len(set(self.gates)) != len(self.gates):
            raise ValueError("a gate is named twice")
        if self.tier == "production" and CHECK not in self.gates:
            raise ValueError("an environment of the tier production requires the gate check")
        for name, seconds in self.evidence_s.items():
            if not EVIDENCE_S_MIN <= seconds <= EVIDENCE_S_MAX:
                raise ValueError(
                    f"evidence of {name} holds from {EVIDENCE_S_MIN:g} to {EVIDENCE_S_MAX:g} "
                    f"seconds, not {seconds:g}"
                )
        if len(self.freezes) > FREEZES_MAX:
            raise ValueError(f"an environment has at most {FREEZES_MAX} freezes")

    def holds_s(self, gate: str) -> float:
        """Return the seconds for which a gate's evidence holds."""
        return self.evidence_s.get(gate, EVIDENCE_S[gate])


NO_RULES = EnvironmentRules(evidence_s={CHECK: EVIDENCE_S_MAX})
"""What an environment asks for which nobody has set rules: a passed `fairlead check`."""


def one_environment(name: str) -> str:
    """Return the name of one environment, in which something can be done.

    Raises:
        ValueError: It is none, or stands for all.
    """
    if name == ANYWHERE:
        raise ValueError(f"{ANYWHERE!r} is every environment; name one of them")
    return environment_name(name)


def environment_name(name: str) -> str:
    """Return the name of an environment.

    Raises:
        ValueError: It is none.
    """
    if name != ANYWHERE and not (_NAME.fullmatch(name) and name.isprintable()):
        raise ValueError(
            f"{name!r} names no environment: from 1 to 60 characters without blanks, or "
            f"{ANYWHERE!r} for all that have no rules of their own"
        )
    return name
