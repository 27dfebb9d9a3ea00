"""What stands between a release and an environment, and what an environment asks."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from fairlead.core.environments import APPROVAL, EnvironmentRules
from fairlead.delivery.protection import length
from fairlead.entrypoints.cli.texts import minute, moment, one_line
from fairlead.entrypoints.cli.views.listings import Column, rows_view
from fairlead.entrypoints.cli.views.style import (
    heading,
    indented,
    mark_of,
    on_a_line,
    plain,
    state_text,
    style_of,
    table,
)
from fairlead.operations import EnvironmentReport, GatesReport, Ruled
from fairlead.ports.releases import Evidence


def gates_view(report: GatesReport, columns: int) -> list[RenderableType]:
    """Return what stands between a release and an environment.

    Args:
        report: What each gate says.
        columns: Width of the screen.
    """
    made = table("", "gate", "conclusion", "because", yields="because")
    for run in report.gates:
        made.add_row(
            Text(mark_of(run.conclusion), style=style_of(run.conclusion)),
            run.name,
            state_text(run.conclusion),
            on_a_line(one_line(run.summary), "dim"),
        )
    parts: list[RenderableType] = [made] if report.gates else [Text("no gate is required")]
    for run in report.gates:
        lines = [one for one in run.findings if one != run.summary]
        if lines:
            parts += [Text(), heading(run.name)]
            parts += [indented(plain(f"{mark_of(run.conclusion)} {one}")) for one in lines]
    if report.evidence:
        parts += [Text(), *evidence_view(report.evidence, columns)]
    if report.release.bad:
        parts += [Text(), plain("it was rolled back and is marked bad")]
    if not report.ruled:
        # A misspelt name looks as an environment of which nothing is asked.
        none = f"nobody has set rules for {one_line(report.environment)}: only `check` is asked"
        parts += [Text(), plain(none)]
    word = Text("may go", style="green") if report.passed else Text("may not go", style="red")
    where = f" to {one_line(report.environment)}"
    parts += [Text(), Text.assemble("release ", (report.release.id, "bold"), " ", word, where)]
    return parts


def evidence_view(evidence: Sequence[Evidence], columns: int) -> list[RenderableType]:
    """Return what is on record of gates, the newest word of each gate and person.

    Args:
        evidence: All of it, the newest first.
        columns: Width of the screen.
    """
    if not evidence:
        return []
    latest: dict[tuple[str, ...], Evidence] = {}
    for one in evidence:
        whose = one.by if one.gate == APPROVAL else ""
        latest.setdefault((one.environment, one.gate, whose), one)
    rows = [
        (
            Text(one.gate),
            state_text(one_line(one.conclusion)),
            Text(one_line(one.environment) or "everywhere"),
            Text(minute(one.time)),
            Text(one_line(one.by) or "-"),
        )
        for one in latest.values()
    ]
    shown = [Column(name="evidence"), Column(name="conclusion")]
    shown += [Column(name="holds in", most=60, least=16)]
    shown += [Column(name="when (UTC)"), Column(name="by")]
    return list(rows_view(shown, rows, columns))


def environments_view(found: Sequence[Ruled], columns: int) -> list[RenderableType]:
    """Return the environments that have rules.

    Args:
        found: Their rules.
        columns: Width of the screen.
    """
    if not found:
        return [
            Text("no environment has rules: a release needs a passed `fairlead check`"),
            Text("Next: fairlead environment set NAME FILE", style="dim"),
        ]
    rows = [
        (
            Text(one_line(one.environment)),
            Text(one.rules.tier),
            Text(", ".join(one.rules.gates) or "-"),
            Text(str(len(one.rules.freezes)) if one.rules.freezes else "-"),
            Text(minute(one.time)),
            Text(one_line(one.by)),
        )
        for one in found
    ]
    shown = [Column(name="environment", most=60), Column(name="tier")]
    shown += [Column(name="gates", most=45, least=16), Column(name="freezes")]
    shown += [Column(name="since (UTC)"), Column(name="by")]
    return list(rows_view(shown, rows, columns))


def environment_view(report: EnvironmentReport) -> list[RenderableType]:
    """Return what an environment asks.

    Args:
        report: Its rules.
    """
    rules, ruled = report.rules, report.ruled
    parts: list[RenderableType] = [
        Text.assemble("environment ", (one_line(report.environment), "bold"), f"  {rules.tier}"),
        indented(_asked(rules)),
    ]
    for freeze in rules.freezes:
        parts.append(indented(plain(f"frozen {freeze.when}: {freeze.reason}")))
    said = "it has no rules of its own"
    if ruled is not None:
        said = f"rules {ruled.number}, {moment(ruled.time)} UTC by {ruled.by}: {ruled.reason}"
    parts.append(indented(plain(one_line(said), "dim")))
    return parts


def _asked(rules: EnvironmentRules) -> Text | Table:
    made = table("gate", "holds for", "")
    for gate in rules.gates:
        what = ""
        if gate == APPROVAL:
            approval = rules.approval
            what = f"{approval.count} by the role {approval.role}"
            what += ", four eyes" if approval.four_eyes else ""
        made.add_row(gate, length(rules.holds_s(gate)), what)
    return made if rules.gates else Text("no gate is required")
