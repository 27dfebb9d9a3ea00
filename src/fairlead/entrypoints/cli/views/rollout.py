"""A rollout as a picture: its steps, the shares of new runs, and the evidence both ways."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from textwrap import wrap

from rich.console import Console
from rich.text import Text

from fairlead.core.rollout import Rollout, Step
from fairlead.entrypoints.cli.texts import minute, moment, one_line, span
from fairlead.entrypoints.cli.views.listings import Column, rows_view
from fairlead.entrypoints.cli.views.style import fit, heading, mark_of
from fairlead.entrypoints.cli.views.waterfall import Drawing
from fairlead.operations import RolloutStatus

_PHASE_STYLES = {
    "progressing": "cyan",
    "paused": "yellow",
    "observing": "cyan",
    "aborting": "red",
    "healthy": "green",
    "aborted": "magenta",
    "rolled_back": "red",
}
_NAME = 16
_WORD = 10
_BAR_MIN, _BAR_MAX = 10, 40
_SIDE = 16
"""Cells of the odds beside a bar."""


def rollout_view(found: RolloutStatus, drawing: Drawing) -> list[Text]:
    """Return a rollout as lines.

    Args:
        found: Where it stands.
        drawing: What it is drawn on.
    """
    rollout = found.rollout
    lines = [*_title(rollout, drawing), Text()]
    lines += _steps(rollout, drawing)
    lines += [Text(), *_shares(found, drawing), Text(), *_evidence(found, drawing), Text()]
    lines += [line for said in _words(found) for line in _fold(said, drawing)]
    return lines


def _title(rollout: Rollout, drawing: Drawing) -> Iterator[Text]:
    beside = f" beside {rollout.baseline[:12]}" if rollout.baseline else ""
    said = f"Release {rollout.candidate[:12]}{beside} in {one_line(rollout.environment)}: "
    phase = rollout.phase.replace("_", " ")
    title = heading(said).append(phase, style=f"bold {_PHASE_STYLES[rollout.phase]}")
    named = Text(f"  rollout {rollout.id}", style="bright_black")
    if title.cell_len + named.cell_len <= drawing.columns:
        yield title.append_text(named)
    else:
        yield from (*_folded(title, drawing), *_folded(named, drawing))


def _folded(line: Text, drawing: Drawing) -> Iterator[Text]:
    """Yield a line, or more than one where the screen is narrow; the indent stays."""
    indent = len(line.plain) - len(line.plain.lstrip())
    if line.cell_len <= drawing.columns:
        yield line
        return
    first = line.divide([indent])[-1]
    for part in first.wrap(Console(), max(drawing.columns - indent, 1), overflow="fold"):
        part.rstrip()
        yield Text(" " * indent).append_text(part)


def _steps(rollout: Rollout, drawing: Drawing) -> Iterator[Text]:
    given_up = rollout.phase in ("aborting", "aborted", "rolled_back")
    for place, step in enumerate(rollout.terms.steps):
        said = step_words(step)
        if place < rollout.step:
            mark, style = mark_of("done", unicode=drawing.unicode), "green"
        elif place == rollout.step and not given_up:
            mark, style = ("▸" if drawing.unicode else ">"), "bold"
            if rollout.waits:
                said += f"  waits for {_WAITS[rollout.waits]}"
        elif place == rollout.step:
            mark, style = mark_of("failed", unicode=drawing.unicode), "red"
        else:
            mark, style = " ", "bright_black"
        yield from _folded(Text(f"  {mark} {said}", style=style), drawing)
    if rollout.promoted_at is not None:
        after = rollout.terms.observe_s
        kept = f"observed for {span(after).strip()}, {rollout.terms.holdback:.0%} stay behind"
        mark = mark_of("done" if rollout.phase == "healthy" else "running", unicode=drawing.unicode)
        said = f"  {mark} promoted {moment(rollout.promoted_at)} UTC; {kept}"
        yield from _folded(Text(said), drawing)


_WAITS = {
    "workers": "a worker of its code",
    "operator": "somebody to promote it: it was paused",
    "step": "somebody to promote it",
    "approval": "an approval: fairlead rollout promote",
    "analysis": "its owner: the analysis came to no verdict",
    "signal": "its owner: a signal has fired",
    "gates": "its environment: fairlead gate show",
}


def step_words(step: Step) -> str:
    """Return a step in words."""
    if step.kind == "set_weight":
        return f"set weight to {step.weight * 100:.4g} %"
    if step.kind == "pause":
        lasts = "until promoted" if step.duration_s is None else span(step.duration_s).strip()
        return f"pause {lasts}"
    if step.kind == "approval":
        return f"approval by a person with the role {step.role}"
    return f"analysis, of {step.min_runs} runs at least"


def _shares(found: RolloutStatus, drawing: Drawing) -> Iterator[Text]:
    rollout = found.rollout
    share = rollout.weight if rollout.baseline else float(rollout.weight > 0)
    width = min(_BAR_MAX, max(drawing.columns - 48, min(_BAR_MIN, drawing.columns - 36)))
    analysis = rollout.analysis
    sticky = rollout.terms.sticky
    what = "began" if sticky == "run" else f"{sticky}s"
    yield heading(fit("New runs", _NAME))
    sides = [("candidate", share, analysis.canary, "cyan")]
    if rollout.baseline:
        sides.append(("before", 1.0 - share, analysis.baseline, "bright_black"))
    for name, part, runs, style in sides:
        line = Text(f"  {fit(name, _NAME - 2)}")
        line.append(_bar(part, width, drawing.unicode), style=style)
        # More than have an outcome: those that are under way are among them.
        yield line.append(f" {part:>6.1%}  {runs:,} {what}")


def _evidence(found: RolloutStatus, drawing: Drawing) -> Iterator[Text]:
    # On a narrow screen one below the other.
    narrow = drawing.columns < _NAME + 2 * (_BAR_MIN + _SIDE)
    half = max(_BAR_MIN, min(24, (drawing.columns - _NAME - 40) // 2))
    titles = fit("Evidence", _NAME), fit("that it harms", half + _SIDE), "that it is good enough"
    yield heading("Evidence that it harms; that it is good" if narrow else "".join(titles))
    for metric in found.verdict.metrics:
        line = Text(f"  {fit(metric.name, _NAME - 3, drawing.unicode)} ")
        doubtful = "yellow" if metric.harm > 0.5 * metric.harm_needed else ""
        style = "red" if metric.harmful else doubtful
        line.append_text(
            _odds(metric.harm, metric.harm_needed, half, unicode=drawing.unicode, style=style)
        )
        if narrow:
            line.rstrip()
            yield line
            line = Text(" " * _NAME)
        if metric.safety_needed is None:
            line.append(
                "signal: it only pauses" if metric.role == "signal" else "-", "bright_black"
            )
        else:
            good = "green" if metric.safe else "cyan"
            line.append_text(
                _odds(
                    metric.safety, metric.safety_needed, half, unicode=drawing.unicode, style=good
                )
            )
        line.rstrip()
        yield line


def _odds(log: float, needed: float, width: int, *, unicode: bool, style: str) -> Text:
    """Return evidence as a bar up to what is needed, and in words."""
    part = min(max(log / needed, 0.0), 1.0) if needed > 0 else 1.0
    odds = math.exp(min(max(log, 0.0), 20.0))
    said = f"{odds:.0f}" if odds >= 9.5 else f"{odds:.1f}"
    said = "1000+" if odds >= 1000 else said
    line = Text(_bar(part, width, unicode), style=style)
    words = f" {said}:1 of {math.exp(needed):.0f}"
    return line.append(fit(words, _SIDE, unicode), style="")


def _bar(part: float, width: int, unicode: bool) -> str:
    full, empty = ("█", "░") if unicode else ("#", ".")
    filled = round(part * width)
    # Something is never drawn as nothing, and not all never as all.
    filled = max(filled, 1) if part > 0 else filled
    filled = min(filled, width - 1) if part < 1 else filled
    return full * filled + empty * (width - filled)


def _words(found: RolloutStatus) -> Iterator[tuple[str, str]]:
    rollout, verdict = found.rollout, found.verdict
    # Why it was given up is what was known then; what became known since says less, and a person
    # who gives it up needs no verdict.
    failed = verdict.status == "Failed"
    if failed or not rollout.decided_at:
        more = verdict.reasons and not (rollout.reason and rollout.decided_at)
        yield "Verdict", f"{verdict.status}: {verdict.reasons[0]}" if more else verdict.status
    if rollout.reason:
        yield "Why", rollout.reason
    yield from _aside(found)
    if rollout.phase in ("aborting", "aborted", "rolled_back") and rollout.decided_at:
        traffic_s = max((rollout.traffic_safe_at or 0.0) - rollout.decided_at, 0.0)
        yield (
            "New runs",
            f"safe {span(traffic_s).strip()} after the {'verdict' if failed else 'decision'}",
        )
        if rollout.ended_at is not None:
            yield (
                "In flight",
                f"safe {span(rollout.ended_at - rollout.decided_at).strip()} after it",
            )
        else:
            yield "In flight", f"{found.in_flight} runs of the candidate have not ended"
    if found.expected is not None and rollout.phase in ("progressing", "paused"):
        yield "Expected", found.expected.words
        for one in found.expected.shorter:
            yield "Shorter", one


def _aside(found: RolloutStatus) -> Iterator[tuple[str, str]]:
    """Say what did not count, or not for all that it might have: nobody would look for it."""
    for one in found.verdict.metrics:
        if one.unread:
            what = "1 word" if one.unread == 1 else f"{one.unread:,} words"
            last = one.unread_why if one.unread == 1 else f"the last: {one.unread_why}"
            yield "Unread", f"{one.name}: {what} left aside; {last}"
        if one.late:
            what = "1 outcome" if one.late == 1 else f"{one.late:,} outcomes"
            said = f"{what} came when the run was left out already; harm at most follows from that"
            yield "Late", f"{one.name}: {said}"


def _fold(said: tuple[str, str], drawing: Drawing) -> Iterator[Text]:
    """Lines that hang together below their name."""
    name, words = said
    width = max(drawing.columns - _WORD, _BAR_MIN)
    for number, line in enumerate(wrap(one_line(words), width) or [""]):
        yield Text(fit("" if number else name, _WORD), style="bold").append(line, style="not bold")


def rollouts_view(found: Sequence[Rollout], width: int) -> list[Text]:
    """Return rollouts as a table.

    Args:
        found: The rollouts.
        width: The screen's width.
    """
    if not found:
        return [Text("no rollouts; start one with fairlead rollout start RELEASE")]
    columns = [Column(name="rollout"), Column(name="release"), Column(name="phase")]
    columns += [Column(name="weight", right=True), Column(name="began (UTC)"), Column(name="why")]
    rows = [
        (
            one.id,
            one.candidate[:12],
            Text(one.phase.replace("_", " "), style=_PHASE_STYLES[one.phase]),
            f"{one.weight:.0%}",
            minute(one.began_at),
            one_line(one.reason),
        )
        for one in found
    ]
    return rows_view(columns, rows, width)
