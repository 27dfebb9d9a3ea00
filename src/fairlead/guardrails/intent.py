"""The intent check: every workflow has a complete page that was read within its time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from fairlead.core.release import WorkflowTerms


def intent_findings(workflows: Mapping[str, WorkflowTerms], *, today: date) -> list[str]:
    """Find what is missing on the intent pages.

    Args:
        workflows: Terms by workflow.
        today: The day on which a review may be due; the day itself is still in time.

    Returns:
        One line per finding, by workflow; none means that all pages are complete.
    """
    found: list[str] = []
    for name in sorted(workflows):
        page = workflows[name].intent
        gaps = page.gaps()
        found.extend(f"the intent of {name} lacks {gap}" for gap in gaps)
        if "review_date" not in gaps and date.fromisoformat(page.review_date) < today:
            found.append(
                f"the intent of {name} was due for review on {page.review_date}; read it again"
            )
    return found
