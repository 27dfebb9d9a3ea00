"""The intent check finds missing parts and late reviews."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.intent import IntentPage
from fairlead.core.limits import SLO, Limits
from fairlead.core.release import WorkflowTerms
from fairlead.guardrails.intent import intent_findings

TODAY = date(2030, 5, 17)


def page(**fields: Any) -> IntentPage:
    values: dict[str, Any] = {
        "summary": "Answer questions",
        "owner": "group:default/docs",
        "problem": "Nobody finds anything",
        "expected_outcomes": ("answers with sources",),
        "non_goals": ("advice",),
        "compliance": ("none",),
        "resilience": ("no answer without a source",),
        "objectives": ("99 % succeed",),
        "limits": ("50 calls",),
        "review_date": "2030-12-31",
        **fields,
    }
    return IntentPage(**values)


def terms(name: str, intent: IntentPage) -> WorkflowTerms:
    return WorkflowTerms(
        name=name,
        intent=intent,
        model="",
        prompt="",
        tools=(),
        guardrails=(),
        recall=None,
        limits=Limits(),
        slo=SLO(success=0.9, latency_p95=timedelta(seconds=1)),
        input_schema={},
        output_schema={},
    )


def findings(**pages: IntentPage) -> list[str]:
    return intent_findings({name: terms(name, each) for name, each in pages.items()}, today=TODAY)


def test_complete() -> None:
    assert findings(a=page(), b=page()) == []
    assert intent_findings({}, today=TODAY) == []


def test_gaps_by_workflow() -> None:
    assert findings(b=page(problem=" "), a=page(non_goals=(), review_date="soon")) == [
        "the intent of a lacks non_goals",
        "the intent of a lacks review_date",
        "the intent of b lacks problem",
    ]


def test_review_is_late() -> None:
    assert findings(a=page(review_date="2030-05-16")) == [
        "the intent of a was due for review on 2030-05-16; read it again"
    ]


@given(day=st.dates())
def test_review_is_late_only_after_its_day(day: date) -> None:
    assert bool(findings(a=page(review_date=day.isoformat()))) == (day < TODAY)
