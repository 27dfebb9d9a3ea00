"""Colours and marks, the same in every view. A mark never stands on colour alone."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fairlead.entrypoints.cli.texts import safe

STATE_STYLES = {
    "succeeded": "green",
    "done": "green",
    "success": "green",
    "running": "cyan",
    "intended": "cyan",
    "queued": "bright_black",
    "skipped": "bright_black",
    "waiting": "blue",
    "paused": "yellow",
    "pending": "blue",
    "approved": "green",
    "reconciled": "green",
    "consumed": "bright_black",
    "compensated": "bright_black",
    "expired": "bright_black",
    "escalated": "yellow",
    "unknown": "yellow",
    "denied": "magenta",
    "failed": "red",
    "failure": "red",
    "neutral": "yellow",
    "timed_out": "yellow",
    "action_required": "blue",
    "cancelled": "bright_black",
}
_GOOD = frozenset(("succeeded", "done", "success", "approved", "reconciled"))
_DOUBTFUL = frozenset(("unknown", "escalated", "neutral", "timed_out"))
_OPEN = frozenset(
    ("queued", "running", "waiting", "paused", "pending", "intended", "skipped", "action_required")
)


def style_of(state: str) -> str:
    """Return the colour of a state; none for an unknown one."""
    return STATE_STYLES.get(state, "")


def mark_of(state: str, *, unicode: bool = True) -> str:
    """Return a state as one character."""
    if state in _GOOD:
        return "✓" if unicode else "+"
    if state in _OPEN:
        return "·" if unicode else "."
    if state in _DOUBTFUL:
        return "?"
    return "✗" if unicode else "x"


def state_text(state: str) -> Text:
    """Return a state as a coloured word."""
    return Text(state, style=style_of(state))


def heading(text: str) -> Text:
    """Return a heading."""
    return Text(text, style="bold")


def plain(text: str, style: str = "") -> Text:
    """Return a text from outside, safe to print."""
    return Text(safe(text), style=style)


def indented(item: Text | Table, by: int = 2) -> Padding:
    """Return something moved to the right; long lines keep the indent."""
    return Padding(item, (0, 0, 0, by))


def on_a_line(text: str, style: str = "") -> Text:
    """Return a text that is cut rather than wrapped, for the column of a table that yields."""
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def table(*columns: str, right: tuple[str, ...] = (), yields: str = "") -> Table:
    """Return an empty table: headings in bold, no lines, each row on one line.

    Args:
        columns: The headings.
        right: Those whose values stand to the right.
        yields: The one that is narrowed before all others where the screen is too narrow; its
            values are made by `on_a_line`. Empty for all of them evenly.
    """
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        made.add_column(
            on_a_line(name),
            justify="right" if name in right else "left",
            # Only what may wrap is narrowed first; its values say themselves that they do not.
            no_wrap=name != yields,
            overflow="ellipsis",
        )
    return made


def fit(text: str, width: int, unicode: bool = True) -> str:
    """Return a text of exactly this width on the screen, cut with dots where it is longer."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + ("…" if unicode else "~")
