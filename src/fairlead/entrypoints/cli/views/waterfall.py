"""A run's calls as a waterfall: one row each, with a bar on the run's time axis.

The axis begins when a worker began to execute the run. The time in the queue is on the same scale
in a row of its own, so that a long wait does not press the calls together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from fairlead.entrypoints.cli.texts import count, money, one_line, span
from fairlead.entrypoints.cli.views.style import fit, mark_of, style_of
from fairlead.ports.journal import CallRecord
from fairlead.ports.runs import RunRecord

_KIND, _STATE = 9, 8
_TIME, _TOKENS, _COST, _TRIES = 7, 9, 7, 6
_NAME_MIN, _NAME_MAX = 8, 32


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What a picture is drawn on.

    Attributes:
        columns: Its width.
        unicode: Whether block characters can be shown.
        now: The end of a run that has not ended; seconds since 1970.
    """

    columns: int
    unicode: bool
    now: float


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """How the columns share the width, and the time axis."""

    drawing: Drawing
    name: int
    bar: int
    start: float
    length: float

    @property
    def words(self) -> bool:
        """Whether there is room for states in words."""
        return self.drawing.columns >= 100

    def bar_of(self, began: float, ended: float, full: str) -> str:
        """Return the bar from one time to another, at least one character long."""
        first = int(self._at(began))
        last = max(first + 1, round(self._at(ended)))
        first, last = min(first, self.bar - 1), min(max(last, first + 1), self.bar)
        return " " * first + full * max(1, last - first)

    def _at(self, time: float) -> float:
        return min(max((time - self.start) / self.length, 0.0), 1.0) * self.bar


def waterfall(run: RunRecord, calls: Sequence[CallRecord], drawing: Drawing) -> list[Text]:
    """Return the lines of the picture, none wider than the drawing.

    Args:
        run: The run.
        calls: Its calls in order.
        drawing: What it is drawn on.
    """
    if run.finished_at is not None:
        # Nothing goes on after the run's end, not even a call that has no outcome on record.
        drawing = replace(drawing, now=run.finished_at)
    layout = _layout(run, calls, drawing)
    queued_until = drawing.now if run.started_at is None else run.started_at
    lines = [_head(layout), _queued(layout, queued_until - run.created_at)]
    for call in calls:
        lines.append(_row(layout, call))
        if call.leaked:
            said = f"a secret was in its arguments: {', '.join(call.leaked)}"
            lines.append(_below(layout, said, style_of("failed")))
        if call.reason:
            said = call.reason if layout.words else f"{call.state}: {call.reason}"
            lines.append(_below(layout, said, style_of(call.state)))
    return lines


def _layout(run: RunRecord, calls: Sequence[CallRecord], drawing: Drawing) -> _Layout:
    start = run.created_at if run.started_at is None else run.started_at
    ends = [call.finished_at or drawing.now for call in calls]
    end = max([*ends, run.finished_at or drawing.now])
    words = _STATE + 1 if drawing.columns >= 100 else 0
    fixed = 3 + 2 + words + _KIND + 1 + 1 + 1 + _TIME + 1 + _TOKENS + 1 + _COST + _TRIES
    names = [cell_len(one_line(call.name)) for call in calls] or [0]
    room = max(drawing.columns - fixed, 2 * _NAME_MIN)
    # The bar gets at least half of what is left.
    name = max(_NAME_MIN, min(max(names), _NAME_MAX, room // 2))
    return _Layout(
        drawing=drawing,
        name=name,
        bar=room - name,
        start=start,
        length=max(end - start, 1e-9),
    )


def _head(layout: _Layout) -> Text:
    total = span(layout.length if layout.length > 1e-9 else 0.0)
    rule = "─" if layout.drawing.unicode else "-"
    axis = f"0 {rule * max(layout.bar - len(total) - 3, 0)} {total}"
    state = "state".ljust(_STATE + 1) if layout.words else ""
    text = (
        f"{'#':>2}   {state}{'kind':<{_KIND}} {'name':<{layout.name}} "
        f"{set_cell_size(axis, layout.bar)} {'time':>{_TIME}} {'in/out':>{_TOKENS}} "
        f"{'cost':>{_COST}}{'tries':>{_TRIES}}"
    )
    return _line(text, "dim")


def _queued(layout: _Layout, waited: float) -> Text:
    full, more = ("░", "»") if layout.drawing.unicode else (".", ">")
    share = max(waited, 0.0) / layout.length
    cells = max(1, min(round(share * layout.bar), layout.bar))
    bar = full * (cells - 1) + more if share > 1.0 else full * cells
    state = " " * (_STATE + 1) if layout.words else ""
    text = f"     {state}{'queued':<{_KIND}} {'':<{layout.name}} {bar:<{layout.bar}} "
    text += f"{span(waited):>{_TIME}}"
    return _line(text, "bright_black")


def _row(layout: _Layout, call: CallRecord) -> Text:
    unicode = layout.drawing.unicode
    style = style_of(call.state)
    ended = layout.drawing.now if call.finished_at is None else call.finished_at
    full = "▇" if unicode else "#"
    bar = layout.bar_of(call.started_at, ended, full)
    tokens = call.usage.input_tokens + call.usage.output_tokens
    used = f"{count(call.usage.input_tokens)}/{count(call.usage.output_tokens)}" if tokens else "-"
    text = Text(no_wrap=True, overflow="ignore")
    text.append(f"{call.number:>2} ")
    text.append(f"{mark_of(call.state, unicode=unicode)} ", style)
    if layout.words:
        text.append(f"{call.state:<{_STATE}} ", style)
    text.append(f"{call.kind:<{_KIND}} ")
    text.append(fit(one_line(call.name), layout.name, unicode) + " ", "bold")
    text.append(f"{bar:<{layout.bar}} ", style or "cyan")
    text.append(f"{span(ended - call.started_at):>{_TIME}} {used:>{_TOKENS}} ")
    text.append(f"{money(call.usage.cost_usd):>{_COST}}{call.attempts:>{_TRIES}}")
    return text


def _below(layout: _Layout, said: str, style: str) -> Text:
    room = layout.drawing.columns - 5
    return _line("     " + fit(one_line(said), room, layout.drawing.unicode), style)


def _line(text: str, style: str) -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ignore")
