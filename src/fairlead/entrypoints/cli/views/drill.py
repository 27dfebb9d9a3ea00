"""What a rollback drill showed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from fairlead.entrypoints.cli.texts import one_line, span
from fairlead.entrypoints.cli.views.style import indented, mark_of, plain, style_of, table
from fairlead.operations import RollbackDrill

_TIMES = (
    ("worker_ready_s", "a worker of the previous release is ready"),
    ("candidate_ready_s", "a worker of the candidate is ready"),
    ("new_traffic_safe_s", "new runs are safe"),
    ("in_flight_safe_s", "all runs are safe"),
)
_COUNTS = (
    ("runs", "runs of the drill"),
    ("held", "of them held on their way"),
    ("in_flight_previous", "in flight on the previous release"),
    ("in_flight_candidate", "in flight on the candidate"),
    ("effects", "effects, none of them executed"),
    ("effects_twice", "effects that would have happened twice"),
    ("stopped_waiting", "runs that waited for somebody, and were stopped"),
    ("really_in_flight", "real runs that the previous release was asked about"),
)


def drill_view(found: RollbackDrill, *, unicode: bool) -> list[RenderableType]:
    """Return what a drill showed.

    Args:
        found: The drill.
        unicode: Whether the screen shows more than ASCII.
    """
    state, figures = found.check.conclusion, found.check.figures
    title = Text(f"{mark_of(state, unicode=unicode)} ", style=style_of(state))
    title.append(f"rollback drill from {found.release[:12]} to {found.previous[:12]}: ", "bold")
    title.append("passed" if found.passed else "failed", style=style_of(state))
    made = table("measured", "", right=("",))
    for name, words in _TIMES:
        if name in figures:
            made.add_row(words, span(figures[name]))
    for name, words in _COUNTS:
        if name in figures:
            made.add_row(words, str(figures[name]))
    states = figures.get("states")
    if isinstance(states, dict):
        said = ", ".join(f"{count} {state}" for state, count in states.items())
        made.add_row("how they ended", one_line(said))
    parts: list[RenderableType] = [title]
    if made.row_count:
        parts += [Text(), indented(made)]
    parts += [indented(plain(f"does not hold: {one}")) for one in found.check.findings]
    return parts


def drill_json(found: RollbackDrill) -> dict[str, Any]:
    """Return the same as JSON.

    Args:
        found: The drill.
    """
    return {
        "release": found.release,
        "previous": found.previous,
        "evidence": found.evidence,
        "passed": found.passed,
        "check": asdict(found.check),
    }
