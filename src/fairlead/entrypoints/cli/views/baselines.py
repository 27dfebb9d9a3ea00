"""Baselines: a list of them, one as it is, and what a check found."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from fairlead.core.baseline import Baseline
from fairlead.entrypoints.cli.texts import moment, one_line
from fairlead.entrypoints.cli.views.listings import Column, rows_view
from fairlead.entrypoints.cli.views.style import heading, indented, mark_of, plain, table
from fairlead.operations import BaselineRow, Live

_STATES = {"in force": "green", "accepted": "yellow", "past": "bright_black", "published": ""}


def report_view(baseline: Baseline, rules: int, findings: Sequence[str]) -> list[RenderableType]:
    """Return what a look at a baseline's folder found.

    Args:
        baseline: The baseline.
        rules: How many rules its policies have.
        findings: What makes no sense.
    """
    what = "1 rule" if rules == 1 else f"{rules} rules"
    parts: list[RenderableType] = [
        Text.assemble("baseline ", (one_line(baseline.id), "bold"), f"  {what}"),
        Text(f"digest {baseline.digest}", style="dim"),
    ]
    parts += [indented(plain(f"{mark_of('failure')} {finding}")) for finding in findings]
    parts.append(
        Text("Next: correct what is marked above")
        if findings
        else Text("it is sound; next: fairlead baseline try DIR")
    )
    return parts


def baselines_view(rows: Sequence[BaselineRow], live: Sequence[Live], width: int) -> list[Text]:
    """Return baselines as a table, and below it every active release with its baseline.

    Args:
        rows: The baselines.
        live: The active releases.
        width: The screen's width.
    """
    if not rows:
        return [Text("no baselines; publish one with `fairlead baseline publish DIR`")]
    names = ("version", "state", "accepted until (UTC)", "published (UTC)", "digest", "name")
    cells = [
        (
            row.published.baseline.version,
            Text(row.state, style=_STATES[row.state]),
            moment(row.until),
            moment(row.published.published_at),
            row.published.digest[:12],
            row.published.baseline.name,
        )
        for row in rows
    ]
    lines = rows_view([Column(name=name) for name in names], cells, width)
    if live:
        headings = ("environment", "release", "app", "made with baseline")
        made = [
            (
                one.environment,
                one.release.id,
                one.release.manifest.app,
                Text(one.baseline or "-", style="green" if one.current else "yellow"),
            )
            for one in live
        ]
        lines += [Text(), *rows_view([Column(name=name) for name in headings], made, width)]
    return lines


def baseline_view(baseline: Baseline) -> list[RenderableType]:
    """Return what a baseline holds."""
    facts = table("", "")
    facts.show_header = False
    rules = baseline.contracts
    for name, value in (
        ("digest", baseline.digest),
        ("window", f"{baseline.window_s:g} s"),
        ("limits", ", ".join(f"{k} {v:g}" for k, v in sorted(baseline.limits.items())) or "-"),
        ("guardrails", ", ".join(baseline.guardrails) or "-"),
        ("forbidden effects", ", ".join(rules.forbidden_effects) or "-"),
        ("forbidden scopes", ", ".join(rules.forbidden_scopes) or "-"),
        ("allowed scopes", ", ".join(rules.allowed_scopes) or "all"),
        ("egress", "forbidden" if rules.forbid_egress else "allowed"),
    ):
        facts.add_row(name, Text(one_line(value)))
    parts: list[RenderableType] = [
        Text.assemble("baseline ", (one_line(baseline.id), "bold")),
        indented(facts),
    ]
    for path, text in sorted(baseline.policies.items()):
        parts += [Text(), heading(one_line(path)), indented(plain(text.rstrip()))]
    return parts
