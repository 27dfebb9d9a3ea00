"""What trying policies found: on recorded calls, and beside live ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from fairlead.delivery.trial import Change, Trial
from fairlead.entrypoints.cli.texts import moment, one_line
from fairlead.entrypoints.cli.views.listings import Column, rows_view
from fairlead.entrypoints.cli.views.style import indented, mark_of, plain
from fairlead.operations import DifferenceGroup

_EFFECT_STYLES = {"deny": "magenta", "ask": "blue", "redact": "yellow", "allow": "green"}


def trials_view(trials: Sequence[Trial], width: int) -> list[RenderableType]:
    """Return what was found, app by app and call by call.

    Args:
        trials: One for each active release.
        width: The screen's width.
    """
    if not trials:
        return [Text("no release is active anywhere: there is nothing to try it on")]
    parts: list[RenderableType] = []
    for trial in trials:
        parts += [Text(), *_trial(trial, width)] if parts else _trial(trial, width)
    return parts


def differences_view(groups: Sequence[DifferenceGroup], width: int) -> list[Text]:
    """Return differences of live calls as a table, grouped by rule and tool.

    Args:
        groups: The groups.
        width: The screen's width.
    """
    if not groups:
        return [Text("no differences; [policy] shadow in fairlead.toml names what is tried")]
    columns = [Column(name="calls", right=True), Column(name="now"), Column(name="would be")]
    columns += [Column(name="call"), Column(name="newest run"), Column(name="at (UTC)")]
    columns += [Column(name="rules")]
    rows = [
        (
            str(group.calls),
            _effect(group.enforced),
            _effect(group.shadow),
            f"{group.kind} {group.name}",
            group.run_id,
            moment(group.time),
            ", ".join(group.rules),
        )
        for group in groups
    ]
    return rows_view(columns, rows, width)


def _trial(trial: Trial, width: int) -> list[RenderableType]:
    where = ", ".join(trial.environments)
    parts: list[RenderableType] = [
        Text.assemble(
            (one_line(trial.app), "bold"),
            f"  release {trial.release[:12]}",
            (f"  active in {one_line(where)}", "dim"),
        ),
        indented(Text(_summary(trial), style="dim")),
    ]
    parts += [indented(plain(f"{mark_of('failure')} {found}")) for found in trial.findings]
    if trial.changes:
        columns = [Column(name="run"), Column(name="#", right=True), Column(name="call")]
        columns += [Column(name="now"), Column(name="would be"), Column(name="rules")]
        rows = [_row(change) for change in trial.changes]
        parts += [indented(line) for line in rows_view(columns, rows, width - 2)]
    elif not trial.calls:
        said = "no recorded call could be tried: what would change is not known"
        parts.append(indented(Text(said, style="yellow")))
    elif not trial.findings:
        parts.append(indented(Text("nothing would change", style="green")))
    return parts


def _summary(trial: Trial) -> str:
    effects = Counter(change.after for change in trial.changes)
    would = ", ".join(f"{count} would be {_word(name)}" for name, count in sorted(effects.items()))
    calls, runs = _count(trial.calls, "call"), _count(trial.runs, "run")
    said = f"tried on {calls} of {runs}"
    if trial.untried:
        said += f"; of {_count(trial.untried, 'call')} it is not on record what was decided"
    return f"{said}: {would}" if would else said


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _word(effect: str) -> str:
    return {"deny": "denied", "ask": "asked about", "redact": "redacted"}.get(effect, "allowed")


def _row(change: Change) -> tuple[str | Text, ...]:
    return (
        change.run_id,
        str(change.number),
        f"{change.kind} {change.name}",
        _effect(change.before),
        _effect(change.after),
        ", ".join(change.rules),
    )


def _effect(effect: str) -> Text:
    return Text(effect, style=_EFFECT_STYLES.get(effect, ""))
