"""How a run ended: its answer, its citations and the guardrails' verdicts."""

from __future__ import annotations

import json
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from fairlead.core.digests import Json
from fairlead.core.errors import error_classes
from fairlead.core.grounding import GroundedSource
from fairlead.core.guarding import Check
from fairlead.core.outcome import Outcome
from fairlead.entrypoints.cli.texts import one_line, span
from fairlead.entrypoints.cli.views.style import (
    heading,
    indented,
    mark_of,
    plain,
    state_text,
    style_of,
)
from fairlead.ports.runs import RunRecord


def outcome_view(run: RunRecord, outcome: Outcome[Any]) -> list[RenderableType]:
    """Return how a run ended, for the one who asked."""
    took = span((run.finished_at or run.created_at) - run.created_at)
    state = state_text(outcome.state)
    parts: list[RenderableType] = [Text.assemble((state.plain, f"bold {state.style}"), "  ", took)]
    parts += reason_lines(outcome.reason, outcome.code)
    answer = answer_text(outcome.answer)
    if answer:
        parts += [Text(), plain(answer)]
    if outcome.grounded_sources:
        parts += [Text(), heading("sources")]
        parts += [indented(Text(place(source))) for source in outcome.grounded_sources]
    if outcome.checks:
        parts += [Text(), heading("guardrails"), *map(check_line, outcome.checks)]
    parts += [Text(), Text(f"run {run.id}; see fairlead runs show {run.id}", style="dim")]
    return parts


def reason_lines(reason: str, code: str) -> list[RenderableType]:
    """Return why a run did not succeed, and what to do; nothing for a run that did."""
    if not reason and not code:
        return []
    lines: list[RenderableType] = [
        indented(plain(f"{code}  {reason}" if code and code not in reason else reason))
    ]
    cls = error_classes().get(code)
    if cls is not None:
        lines.append(indented(Text(cls.hint, style="dim")))
    return lines


def answer_text(answer: Json) -> str:
    """Return an answer's words; as JSON where it has none."""
    if isinstance(answer, dict) and isinstance(answer.get("text"), str):
        return str(answer["text"])
    if answer is None or isinstance(answer, str):
        return answer or ""
    return json.dumps(answer, indent=2, ensure_ascii=False)


def place(source: GroundedSource) -> str:
    """Return where a quote stands: `document:start-end`, in characters."""
    return f"{one_line(source.document)}:{source.start}-{source.end}"


def check_line(check: Check) -> RenderableType:
    """Return one guardrail's verdict."""
    state = "success" if check.passed else "failure"
    verdict = "" if check.passed else f": {check.reason} ({check.on_fail})"
    return indented(
        Text.assemble(
            (mark_of(state), style_of(state)), " ", plain(f"{check.name} on {check.stage}{verdict}")
        )
    )
