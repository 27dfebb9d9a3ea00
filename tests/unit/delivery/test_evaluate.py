"""Cases are held against runs: what does not hold is said in words."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead import Principal
from fairlead.delivery.evaluate import judge
from fairlead.ports.datasets import Case, Expectation
from fairlead.ports.runs import RunRecord


def run_of(state: Any, answer: Any = None, documents: tuple[str, ...] = (), **values: Any) -> Any:
    """Return a run that has ended."""
    outcome = {"answer": answer, "grounded_sources": [{"document": name} for name in documents]}
    return RunRecord(
        id="r1",
        workflow="w",
        release="d",
        code_digest="c",
        principal=Principal(),
        purpose="gate",
        state=state,
        input=None,
        created_at=0.0,
        **{"outcome": outcome, **values},
    )


ANSWER = {"text": "A rope runs true.", "citations": [], "abstained": False}
CASES = [
    ("State", "succeeded", run_of("succeeded"), None),
    ("State", "succeeded", run_of("failed", reason="broken"), "failed, not succeeded (broken)"),
    ("State", "escalated", run_of("succeeded"), "succeeded, not escalated"),
    ("Contains", "ROPE", run_of("succeeded", ANSWER), None),
    ("Contains", "rope", run_of("succeeded", "a rope"), None),
    ("Contains", "rope", run_of("succeeded", {"answer": "a rope"}), None),
    ("Contains", "knot", run_of("succeeded", ANSWER), "the answer lacks 'knot'"),
    ("Contains", "rope", run_of("failed", None), "the answer lacks 'rope'"),
    ("Cites", "a.md", run_of("succeeded", ANSWER, ("b.md", "a.md")), None),
    ("Cites", "a.md", run_of("succeeded", ANSWER, ("b.md",)), "cites ['b.md'], not 'a.md'"),
    ("Cites", "a.md", run_of("succeeded", ANSWER), "cites nothing, not 'a.md'"),
    ("Cites", "a.md", run_of("failed", outcome=None), "cites nothing, not 'a.md'"),
    ("EqualsExpected", [1], run_of("succeeded", [1]), None),
    ("EqualsExpected", [1], run_of("succeeded", [2]), "answered '[2]'"),
]


@pytest.mark.parametrize(("name", "value", "run", "finding"), CASES)
def test_an_expectation(name: str, value: Any, run: RunRecord, finding: str | None) -> None:
    case = Case(name="c", inputs=None, expectations=(Expectation(name=name, value=value),))
    assert judge(case, run).findings == (() if finding is None else (finding,))


def test_every_expectation_of_a_case_counts() -> None:
    expectations = tuple(
        Expectation(name=name, value="x") for name in ("State", "Contains", "Cites")
    )
    found = judge(Case(name="c", inputs=None, expectations=expectations), run_of("failed"))
    assert (found.workflow, found.case, len(found.findings)) == ("w", "c", 3)
