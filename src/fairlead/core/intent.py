"""The intent of a workflow: one page that says what it is for and within what bounds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, kw_only=True)
class IntentPage:
    """One page per workflow, machine-readable, part of every release.

    Attributes:
        summary: The workflow's intent in one line.
        owner: Who answers for it, as an entity reference such as `group:default/support`.
        problem: What is wrong in the world without it.
        expected_outcomes: What users get.
        non_goals: What it does not try to do.
        compliance: Rules of law or house that bind it; say "none" where there are none.
        resilience: What must still hold when a part fails.
        review_date: When the page is read again, as YYYY-MM-DD.
        objectives: The workflow's SLO, in words.
        limits: The workflow's limits, in words.
    """

    summary: str
    owner: str
    problem: str = ""
    expected_outcomes: tuple[str, ...] = ()
    non_goals: tuple[str, ...] = ()
    compliance: tuple[str, ...] = ()
    resilience: tuple[str, ...] = ()
    review_date: str = ""
    objectives: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()

    def gaps(self) -> tuple[str, ...]:
        """Name the parts that are missing or not understood; an empty tuple means complete."""
        found = [
            name
            for name in (
                "summary",
                "owner",
                "problem",
                "expected_outcomes",
                "non_goals",
                "compliance",
                "resilience",
                "objectives",
                "limits",
            )
            if not _filled(getattr(self, name))
        ]
        try:
            date.fromisoformat(self.review_date)
        except ValueError:
            found.append("review_date")
        return tuple(found)


def _filled(value: str | tuple[str, ...]) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return bool(value) and all(item.strip() for item in value)
