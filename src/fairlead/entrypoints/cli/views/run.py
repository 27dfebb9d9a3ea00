"""A run: where it came from, its waterfall, its verdicts, its outcome and its sources."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from fairlead.core.errors import RunQuarantined
from fairlead.core.grounding import GroundedSource
from fairlead.core.guarding import Check
from fairlead.entrypoints.cli.texts import count, moment, money, one_line, span
from fairlead.entrypoints.cli.views.outcome import answer_text, check_line, place, reason_lines
from fairlead.entrypoints.cli.views.pruned import left_view
from fairlead.entrypoints.cli.views.style import heading, indented, plain, style_of
from fairlead.entrypoints.cli.views.waterfall import Drawing, waterfall
from fairlead.ports.journal import CallRecord
from fairlead.ports.runs import RunRecord


def run_view(run: RunRecord, calls: Sequence[CallRecord], drawing: Drawing) -> list[RenderableType]:
    """Return all that is known of a run.

    Args:
        run: The run.
        calls: Its calls in order.
        drawing: What the waterfall is drawn on.
    """
    data = run.outcome or {}
    checks = [Check(**check) for check in data.get("checks", ())]
    sources = [GroundedSource(**source) for source in data.get("grounded_sources", ())]
    parts: list[RenderableType] = [*_head(run, drawing), Text()]
    if run.pruned_at is not None:
        return [*parts, *left_view(run), Text(), _outcome(run)]
    parts += waterfall(run, calls, drawing)
    if calls:
        parts.append(_sum(calls))
    if checks:
        parts += [Text(), heading("guardrails"), *map(check_line, checks)]
    parts += [Text(), _outcome(run)]
    parts += reason_lines(run.reason, _code(run))
    answer = answer_text(data.get("answer"))
    if answer:
        parts.append(indented(plain(answer)))
    if sources:
        parts += [Text(), heading("sources")]
        for source in sources:
            parts += [indented(Text(place(source))), indented(plain(source.text, "dim"), 4)]
    return parts


def _head(run: RunRecord, drawing: Drawing) -> list[RenderableType]:
    ended = drawing.now if run.finished_at is None else run.finished_at
    title = Text.assemble(
        "run ",
        (run.id, "bold"),
        "  ",
        one_line(run.workflow),
        "  ",
        (run.state, f"bold {style_of(run.state)}"),
        f"  {span(ended - run.created_at)}",
    )
    facts = [
        f"release {run.release[:12]}",
        *([] if run.environment is None else [f"environment {one_line(run.environment)}"]),
        f"user {one_line(run.principal.user)}",
        f"tenant {one_line(run.principal.tenant)}",
    ]
    if run.purpose != "user":
        facts.append(f"purpose {run.purpose}")
    if run.conversation is not None:
        place = "aside of turn" if run.aside else "turn"
        facts.append(f"conversation {one_line(run.conversation)}, {place} {run.turn}")
    if run.takeovers:
        facts.append(f"taken over {run.takeovers} time{'s' * (run.takeovers > 1)}")
    times = [f"admitted {moment(run.created_at)} UTC"]
    if run.started_at is not None:
        times.append(f"queued {span(run.started_at - run.created_at)}")
        times.append(f"executed {span(ended - run.started_at)}")
    elif run.finished_at is None:
        times.append(f"queued {span(ended - run.created_at)} so far")
    return [title, Text("  ".join(facts), style="dim"), Text("  ".join(times), style="dim")]


def _sum(calls: Sequence[CallRecord]) -> Text:
    read = sum(call.usage.input_tokens for call in calls)
    written = sum(call.usage.output_tokens for call in calls)
    cost = money(sum(call.usage.cost_usd for call in calls))
    tokens = f"{count(read)} tokens in, {count(written)} out"
    what = "1 call" if len(calls) == 1 else f"{len(calls)} calls"
    return Text(f"     {what}, {tokens}, {'no cost' if cost == '-' else cost}", style="dim")


def _outcome(run: RunRecord) -> Text:
    return Text.assemble(("outcome  ", "bold"), (run.state, style_of(run.state)))


def _code(run: RunRecord) -> str:
    code = str((run.outcome or {}).get("code", ""))
    # A quarantined run has no outcome; its reason begins with the code.
    return code or (RunQuarantined.code if run.reason.startswith(RunQuarantined.code) else "")
