"""Gate, intent, release and outcome as text."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console, RenderableType

from fairlead.core.environments import EnvironmentRules
from fairlead.core.guarding import Check
from fairlead.core.identity import Principal
from fairlead.core.intent import IntentPage
from fairlead.core.memory_terms import RememberTerms
from fairlead.core.outcome import Outcome
from fairlead.core.release_changes import ReleaseChange
from fairlead.delivery.gate import CheckRun
from fairlead.entrypoints.cli.views.changes import changes_view
from fairlead.entrypoints.cli.views.environments import (
    environments_view,
    evidence_view,
    gates_view,
)
from fairlead.entrypoints.cli.views.gate import gate_view
from fairlead.entrypoints.cli.views.intent import intent_view
from fairlead.entrypoints.cli.views.outcome import answer_text, outcome_view
from fairlead.entrypoints.cli.views.release import diff_view, remembered_text
from fairlead.operations import GatesReport
from fairlead.ports.environments import Ruled
from fairlead.ports.releases import Evidence
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


@pytest.mark.parametrize("width", [60, 80, 90])
def test_the_gates_of_a_release_fit_and_only_what_was_looked_at_is_cut(width: int) -> None:
    summary = "many words " * 12
    checks = [
        CheckRun(name="guardrail_tests", conclusion="action_required", summary=summary),
        CheckRun(name="check", conclusion="success", summary="2"),
    ]
    release: Any = SimpleNamespace(id="abc", bad=False)
    report = GatesReport(
        gates=tuple(checks), evidence=[], release=release, environment="production"
    )
    for parts in (gate_view("abc", checks), gates_view(report, width)):
        lines = text(*parts, width=width).splitlines()
        assert max(map(len, lines)) <= width
        assert lines[1].startswith("·  guardrail_tests  action_required  many words")
        assert lines[1].endswith("…")
        assert lines[2] == "✓  check            success          2"


@pytest.mark.parametrize("width", [80, 90, 120])
def test_environments_and_evidence_fit_and_name_themselves(width: int) -> None:
    long = "e" * 60
    rules = EnvironmentRules(
        tier="production", gates=("check", "replay", "rollback_drill", "approval")
    )
    ruled = Ruled(environment="production", rules=rules, time=0.0, by="root", reason="", number=1)
    lines = text(*environments_view([ruled], width), width=width).splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) <= width
    assert lines[1].startswith("production   production  check, replay, ")
    assert "1970-01-01 00:00" in lines[1], "a list of names is cut before a column is left out"
    far = replace(ruled, environment=long)
    assert text(*environments_view([far], width), width=width).splitlines()[1].startswith(long)
    one = Evidence(
        release="r",
        conclusion="action_required",
        checks=[],
        time=0.0,
        gate="rollback_drill",
        environment="production",
        by="anna",
    )
    shown = text(*evidence_view([one], width), width=width).splitlines()
    named = "rollback_drill  action_required  production  1970-01-01 00:00  anna"
    assert shown[1] == named, "an approval without a name says nothing"
    elsewhere = text(*evidence_view([replace(one, environment=long)], width), width=width)
    assert len(elsewhere.splitlines()) == 2
    assert max(map(len, elsewhere.splitlines())) <= width


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


def change(path: str, before: Any, after: Any, impact: Any, words: str) -> ReleaseChange:
    keys = tuple(path.split("."))
    return ReleaseChange(path=keys, before=before, after=after, impact=impact, words=words)


def test_changes_are_sentences_and_what_matters_most_comes_first() -> None:
    lines = "".join(f"line {number}\n" for number in range(60))
    found = [
        change("bundle_digest", "a", "b", "information", "the files differ"),
        change("w.prompt", "One.\nTwo.\n", "One.\nThree.\n", "routing", "the prompt changed"),
        change("w.x.a", 1, 2, "breaking", "it got stricter"),
        change("w.x.b", 3, 4, "breaking", "it got stricter"),
    ]
    said = text(*changes_view(found)).splitlines()
    assert said[:2] == [
        "breaking: somebody relies on what is gone or stricter",
        "breaking     it got stricter",
    ]
    assert said[2:6] == [f"{' ' * 13}{line}" for line in ("- 1", "+ 2", "- 3", "+ 4")]
    assert said[6] == "routing      the prompt changed"
    assert said[7:10] == [f"{' ' * 13}{line}" for line in (" One.", "-Two.", "+Three.")]
    assert said[10:] == ["information  the files differ"]
    long = text(*changes_view([change("w.prompt", lines, "\n", "routing", "the prompt changed")]))
    assert len(long.splitlines()) == 33
    assert long.endswith("... see --json")
    many = [change(f"w.{n}", n, n + 1, "information", "many") for n in range(9)]
    assert "... and 6 more; see --json" in text(*changes_view(many))
    assert text(*changes_view([])) == "the releases are the same"


def test_what_a_workflow_remembers_stands_on_its_pages() -> None:
    terms = RememberTerms(kinds=("episodic", "semantic"), top_k=3, grounding=True, derive="sum")
    line = "episodic, semantic; 3 items from 0; recalled for each answer; sum follows"
    assert remembered_text(terms) == line
    assert remembered_text(None) == "-"
    page = IntentPage(summary="Decide refunds", owner="group:a/b")
    assert f"  memory\n    {line}" in text(intent_view("refund", page, terms))
    assert "memory" not in text(intent_view("refund", page))
