"""Analysis: is a candidate worse than what runs beside it, or good enough, valid at every look."""

from fairlead.core.analysis.evidence import (
    Action,
    Arm,
    Assigned,
    Counted,
    Evidence,
    Observation,
    Result,
    action_for,
    is_open,
    observe,
    overdue,
)
from fairlead.core.analysis.expected import Expected, expected
from fairlead.core.analysis.state import (
    Analysis,
    Breach,
    Invariant,
    admit,
    begin,
    breach,
    learn,
    state_from_json,
    state_to_json,
    unmeasured,
)
from fairlead.core.analysis.terms import (
    AnalysisTerms,
    MetricTerms,
    terms_from_json,
    terms_to_json,
)
from fairlead.core.analysis.verdict import AnalysisVerdict, MetricVerdict, Status, verdict

__all__ = [
    "Action",
    "Analysis",
    "AnalysisTerms",
    "AnalysisVerdict",
    "Arm",
    "Assigned",
    "Breach",
    "Counted",
    "Evidence",
    "Expected",
    "Invariant",
    "MetricTerms",
    "MetricVerdict",
    "Observation",
    "Result",
    "Status",
    "action_for",
    "admit",
    "begin",
    "breach",
    "expected",
    "is_open",
    "learn",
    "observe",
    "overdue",
    "state_from_json",
    "state_to_json",
    "terms_from_json",
    "terms_to_json",
    "unmeasured",
    "verdict",
]
