"""What replaying recorded runs showed: what differs, the noise beside it, and the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from math import log

from rich.console import RenderableType
from rich.text import Text

from fairlead.core.pairs import Pairs
from fairlead.core.replay import Difference
from fairlead.delivery.replay import ReplayReport, RunReplay
from fairlead.entrypoints.cli.texts import one_line, span
from fairlead.entrypoints.cli.views.listings import Column, rows_view
from fairlead.entrypoints.cli.views.style import indented, mark_of, style_of

ROWS_MAX = 20
"""Most runs that are listed: first those that passed before and not with the candidate."""

_BAR = 20
_STYLES = {"same": "green", "changed": "yellow", "diverged": "magenta"}
_ENDS = {"success": "success", "failure": "failure"}
_NEXT = {
    "success": "Next: fairlead release activate {id}",
    "failure": "Next: look at a run with fairlead runs show RUN, and correct the release",
    "inconclusive": "Next: replay more runs with --runs, or look at what is undecided",
    "no_data": "Next: let the current release serve some runs first",
}


def replay_view(report: ReplayReport, width: int, *, unicode: bool = True) -> list[RenderableType]:
    """Return what replaying recorded runs showed.

    Args:
        report: What it showed.
        width: The screen's width.
        unicode: Whether block characters can be shown.
    """
    parts: list[RenderableType] = []
    told = sorted((one for one in report.runs if one.verdict != "same"), key=_rank)
    if told:
        columns = [Column(name="run"), Column(name="workflow"), Column(name="verdict")]
        columns += [Column(name="passed"), Column(name="what differs")]
        rows = [_row(one) for one in told[:ROWS_MAX]]
        parts += rows_view(columns, rows, width)
        more = len(told) - ROWS_MAX
        parts += [Text(f"and {more} more; --json has all of them", style="dim")] if more > 0 else []
        parts.append(Text())
    if report.runs:
        parts.append(_counts("on the candidate", report.verdicts))
        parts.append(_noise(report))
        parts += [_pairs(report.pairs), *_evidence(report, unicode=unicode)]
        parts.append(Text())
    end = _ENDS.get(report.conclusion, "unknown")
    cost = f", {report.cost_usd:.4f} USD" if report.cost_usd else ""
    head = Text.assemble(
        (
            f"{mark_of(end, unicode=unicode)} {report.conclusion.replace('_', ' ')}",
            f"bold {style_of(end)}",
        ),
        f"  release {report.candidate[:12]}",
        (f"  {report.replays} replays in {span(report.seconds)}{cost}", "dim"),
    )
    parts += [head, indented(Text(one_line(report.reason)))]
    if report.unpriced:
        turns = ", ".join(f"{name} ({count})" for name, count in report.unpriced.items())
        said = f"models without a known price, with their turns: {one_line(turns)}"
        parts.append(indented(Text(said, style="yellow")))
    parts.append(Text(_NEXT[report.conclusion].format(id=report.candidate[:12])))
    return parts


def _rank(one: RunReplay) -> tuple[bool, bool]:
    return not (one.before and one.after is False), one.verdict == "diverged"


def _row(one: RunReplay) -> tuple[str | Text, ...]:
    said = one.why or "; ".join(_words(found) for found in one.differences)
    return (
        one.run_id,
        one.workflow,
        Text(one.verdict, style=_STYLES[one.verdict]),
        _passed(one),
        said,
    )


def _passed(one: RunReplay) -> Text:
    words = {True: "yes", False: "no", None: "?"}
    style = "red" if one.before and one.after is False else ""
    return Text(f"{words[one.before]} > {words[one.after]}", style=style)


def _words(found: Difference) -> str:
    what = f"{found.what} {found.where}".strip()
    if found.before and found.after:
        return f"{what}: {found.before} > {found.after}"
    return f"{what}: {found.after} is new" if found.after else f"{what}: no {found.before}"


def _counts(name: str, counts: Mapping[str, int]) -> Text:
    line = Text(f"{name:<18}")
    for verdict, count in counts.items():
        line.append(f"{count:>6} {verdict}", style=_STYLES[verdict] if count else "dim")
    return line


def _noise(report: ReplayReport) -> Text:
    if any(report.noise.values()):
        return _counts("on its own release", report.noise)
    why = next((one.noise_why for one in report.runs if one.noise_why), "nothing could be played")
    return Text(f"{'on its own release':<18}  not known: {one_line(why)}", style="yellow")


def _pairs(pairs: Pairs) -> Text:
    return Text(
        f"{'pairs':<18}{pairs.both_passed:>6} passed twice  {pairs.harmed} harmed  "
        f"{pairs.rescued} rescued  {pairs.both_failed} failed twice"
    )


def _evidence(report: ReplayReport, *, unicode: bool) -> list[Text]:
    """Draw both wealths on the way to the threshold."""
    enough, pairs = -log(report.terms.alpha), report.pairs
    full, empty = ("█", "░") if unicode else ("#", ".")
    lines = []
    for name, peak, style in (
        ("that it is worse", pairs.harm_peak, "red"),
        ("that it is safe", pairs.safe_peak, "green"),
    ):
        share = min(max(peak / enough, 0.0), 1.0)
        filled = round(share * _BAR)
        lines.append(
            Text.assemble(
                f"{name:<18}  ",
                (full * filled, style),
                (empty * (_BAR - filled), "dim"),
                f"  {share:.0%} of the evidence that is needed",
            )
        )
    return lines
