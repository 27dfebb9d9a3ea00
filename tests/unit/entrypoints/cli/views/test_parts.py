"""Gate, intent, release and outcome as text."""

from __future__ import annotations

from typing import Any

from rich.console import Console, RenderableType

from fairlead.core.guarding import Check
from fairlead.core.identity import Principal
from fairlead.core.intent import IntentPage
from fairlead.core.memory_terms import RememberTerms
from fairlead.core.outcome import Outcome
from fairlead.delivery.gate import CheckRun
from fairlead.entrypoints.cli.views.gate import gate_view
from fairlead.entrypoints.cli.views.intent import intent_view
from fairlead.entrypoints.cli.views.outcome import answer_text, outcome_view
from fairlead.entrypoints.cli.views.release import diff_view, remembered_text
from fairlead.ports.runs import RunRecord

RUN = RunRecord(
    id="r1",
    workflow="w",
    release="d",
    code_digest="c",
    principal=Principal(),
    purpose="user",
    state="escalated",
    input="q",
    created_at=0.0,
    finished_at=1.5,
)


def text(*parts: RenderableType, width: int = 80) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        for part in parts:
            console.print(part, markup=False, highlight=False)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def test_a_gate_that_passes_says_what_to_type_next() -> None:
    said = text(*gate_view("abc", [CheckRun(name="schema", conclusion="success", summary="2")]))
    assert "✓  schema  success" in said
    assert said.endswith("release abc passes\nNext: fairlead release activate abc")


def test_findings_stand_below_and_keep_their_indent() -> None:
    finding = "policy [bold]x[/bold] " + "word " * 20
    check = CheckRun(name="policy", conclusion="failure", summary="1 rule", findings=(finding,))
    said = text(*gate_view("abc", [check]))
    assert "\npolicy\n  ✗ policy [bold]x[/bold] word" in said
    assert "\n  word" in said
    assert "release abc does not pass" in said


def test_an_intent_page_says_what_is_missing() -> None:
    said = text(intent_view("refund", IntentPage(summary="Decide refunds", owner="group:a/b")))
    assert said.startswith("refund  Decide refunds\n  owner  group:a/b")
    assert "missing: problem" in said


def test_an_outcome_that_is_no_success_says_why_and_what_to_do() -> None:
    check = Check(name="grounded", stage="output", passed=False, reason="no", on_fail="escalate")
    outcome: Outcome[Any] = Outcome(
        state="escalated", checks=(check,), reason="grounded: no", code="FL-605"
    )
    said = text(*outcome_view(RUN, outcome))
    assert said.startswith("escalated  1.50 s\n  FL-605  grounded: no\n  Decide the request")
    assert "✗ grounded on output: no (escalate)" in said
    assert said.endswith("run r1; see fairlead runs show r1")


def test_an_answer_is_its_text_else_json() -> None:
    assert answer_text({"text": "Yes."}) == "Yes."
    assert answer_text("Yes.") == "Yes."
    assert answer_text(None) == ""
    assert answer_text({"amount": 3}) == '{\n  "amount": 3\n}'


def test_a_diff_shows_texts_line_by_line() -> None:
    said = text(
        *diff_view([("w.prompt", "One.\nTwo.\n", "One.\nThree.\n"), ("w.limits.steps", 8, None)])
    )
    assert said == ("w.prompt\n   One.\n  -Two.\n  +Three.\nw.limits.steps\n  - 8\n  + (nothing)")
    assert text(*diff_view([])) == "the releases are the same"


def test_what_a_workflow_remembers_stands_on_its_pages() -> None:
    terms = RememberTerms(kinds=("episodic", "semantic"), top_k=3, grounding=True, derive="sum")
    line = "episodic, semantic; 3 items from 0; recalled for each answer; sum follows"
    assert remembered_text(terms) == line
    assert remembered_text(None) == "-"
    page = IntentPage(summary="Decide refunds", owner="group:a/b")
    assert f"  memory\n    {line}" in text(intent_view("refund", page, terms))
    assert "memory" not in text(intent_view("refund", page))
