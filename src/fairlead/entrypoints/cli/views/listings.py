"""Lists of runs, releases and events: one row each, never wrapped."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from fairlead.core.event import Event
from fairlead.entrypoints.cli.texts import moment, one_line, span
from fairlead.entrypoints.cli.views.style import fit, state_text
from fairlead.ports.runs import RunRecord

_GAP = "  "
_REST_MIN = 16
"""A last column narrower than this says nothing, and is left out."""

_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a list.

    Attributes:
        name: Its heading.
        right: Whether its values stand to the right.
        most: Most characters of a value.
        least: Characters to which it is cut on a narrow screen, such as a list of names; None
            where a part says nothing, such as of an id or a number.
    """

    name: str
    right: bool = False
    most: int = 30
    least: int | None = None


def rows_view(
    columns: Sequence[Column], rows: Sequence[Sequence[str | Text]], width: int
) -> list[Text]:
    """Return a table's lines, none wider than the screen; the last column takes what is left.

    Where nothing is left, it is left out; then other columns are cut, and then left out, from the
    right. The first one, which names the row, stays whole, whatever the screen.

    Args:
        columns: The columns.
        rows: A value per column and row.
        width: The screen's width.
    """
    texts = [[cell if isinstance(cell, Text) else Text(one_line(cell)) for cell in r] for r in rows]
    widths = [
        min(max(cell_len(cell.plain) for cell in (Text(column.name), *cells)), column.most)
        for column, cells in zip(columns[:-1], zip(*texts, strict=True), strict=False)
    ]
    rest = width - sum(widths) - len(_GAP) * len(widths)
    widths = [*widths, rest] if rest >= _REST_MIN else _narrowed(columns, widths, width)
    shown = len(widths)
    lines = [_line([Text(c.name, style="bold") for c in columns[:shown]], columns, widths)]
    return lines + [_line(row[:shown], columns, widths) for row in texts]


def _narrowed(columns: Sequence[Column], widths: Sequence[int], width: int) -> list[int]:
    """Return the widths of as many columns, from the left, as the screen has room for."""
    kept = list(widths)
    while True:
        over = sum(kept) + len(_GAP) * (len(kept) - 1) - width
        spare = [
            0 if column.least is None else max(had - max(column.least, len(column.name)), 0)
            for column, had in zip(columns, kept, strict=False)
        ]
        if len(kept) <= 1 or over <= sum(spare):
            break
        kept.pop()
    for place in reversed(range(len(kept))):
        cut = min(spare[place], max(over, 0))
        kept[place] -= cut
        over -= cut
    return kept


def runs_view(runs: Sequence[RunRecord], width: int) -> list[Text]:
    """Return runs as a table."""
    if not runs:
        return [Text("no runs")]
    columns = [Column(name=name) for name in ("run", "workflow", "state", "admitted (UTC)")]
    columns += [Column(name="took", right=True), Column(name="reason")]
    rows = []
    for run in runs:
        took = None if run.finished_at is None else run.finished_at - run.created_at
        state = state_text(run.state)
        rows.append((run.id, run.workflow, state, moment(run.created_at), span(took), run.reason))
    return rows_view(columns, rows, width)


def releases_view(rows: Sequence[dict[str, Any]], width: int) -> list[Text]:
    """Return releases as a table.

    Args:
        rows: What `fairlead release list --json` prints.
        width: The screen's width.
    """
    if not rows:
        return [Text("no releases; make one with `fairlead check`")]
    names = ("release", "state", "gate", "made (UTC)", "code", "app")
    cells = [
        (
            row["id"],
            release_state(row),
            state_text(row["gate"] or "not checked"),
            moment(row["created_at"]),
            row["code"][:12],
            row["app"],
        )
        for row in rows
    ]
    return rows_view([Column(name=name) for name in names], cells, width)


def release_state(row: dict[str, Any]) -> Text:
    """Return where a release stands, with its share of new runs, and whether it is bad."""
    words = [] if row["state"] == "inactive" else [row["state"]]
    if 0.0 < row["weight"] < 1.0:
        words.append(f"{row['weight'] * 100:.3g} %")
    if row["bad"]:
        words.append("bad")
    style = "red" if row["bad"] else _STANDING.get(row["state"], "")
    return Text(" ".join(words) or "-", style=style)


_STANDING = {"current": "green", "ramping": "cyan", "draining": "yellow", "drained": "bright_black"}


def events_view(events: Sequence[Event], width: int) -> list[Text]:
    """Return events as a table; digests are cut to their first 12 digits."""
    if not events:
        return [Text("no events")]
    columns = [Column(name="time (UTC)"), Column(name="chain", most=50)]
    columns += [Column(name="#", right=True), Column(name="type"), Column(name="facts")]
    rows = [
        (moment(event.time), event.chain, str(event.sequence), event.type, _facts(event))
        for event in events
    ]
    return rows_view(columns, rows, width)


def _facts(event: Event) -> str:
    parts = []
    for name, value in event.data.items():
        # A table in a table is for `--json`: here it would push everything else off the screen.
        text = "{…}" if isinstance(value, dict) else json.dumps(value, ensure_ascii=False)
        text = value if isinstance(value, str) else text
        parts.append(f"{name}={text}")
    return _DIGEST.sub(r"\1", " ".join(parts))


def _line(cells: Sequence[Text], columns: Sequence[Column], widths: Sequence[int]) -> Text:
    line = Text(no_wrap=True, overflow="ignore")
    for number, (cell, column, width) in enumerate(zip(cells, columns, widths, strict=False)):
        text = fit(cell.plain, width)
        if column.right:
            text = text.rstrip().rjust(width)
        line.append(_GAP if number else "")
        line.append(text, cell.style)
    line.rstrip()
    return line
