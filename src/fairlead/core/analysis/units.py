"""What is done with word of a unit, so that each metric counts each unit once."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fairlead.core.analysis.evidence import Counted, Result
from fairlead.core.analysis.terms import MetricTerms

Action: TypeAlias = Literal["count", "correct", "harm", "late", "skip"]
"""What is done with word of a unit; `harm` and `late` are for one that was left out already."""


def action_for(terms: MetricTerms, before: Counted | None, result: Result) -> Action:
    """Say what to do with word of a unit, so that each metric counts each unit once.

    Whoever stores observations keeps a row for each metric and unit, with what it was counted as. A
    unit is a run, or the key where runs are assigned by key. Then only its first failure counts,
    with the arm and the probability of the run that failed, and of numbers the first one.

    Of a unit that was left out no arm was looked at, so its failure, or its number, may still bet
    on whose it is: `harm`, behind all places. Nothing else may follow from it, which is `late`:
    places are settled in the order of admission, and if they were opened again by those who speak
    late, their order and their choice would follow from what is said.

    Args:
        terms: The metric.
        before: What the unit was counted as before; None when it was not.
        result: What is said of it now.
    """
    if before is None:
        return "count"
    # A number stays what it was: its rank was looked at, and nothing can be taken back.
    if terms.kind == "binary" and before == "good" and result == "bad":
        return "correct"
    if before != "excluded" or result == "excluded":
        return "skip"
    bets = terms.ranks or (terms.against == "baseline" and result == "bad")
    return "harm" if bets else "late"


def overdue(terms: MetricTerms, age_s: float) -> Result | None:
    """Return what a unit without an outcome counts as; None while it may still come.

    Where word may come late, as with feedback, a run is `good` only by this, at the deadline: it
    must not be counted as good before, or safety is shown by runs of which nobody has spoken yet.

    Args:
        terms: The metric.
        age_s: Seconds since the run was admitted, without those that `bears_waits` leaves out.
    """
    if age_s < terms.deadline_s:
        return None
    return terms.absent_as
