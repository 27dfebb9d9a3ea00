"""Memory in numbers, and what looks odd about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from shlex import quote
from typing import get_args

from rich.console import RenderableType
from rich.text import Text

from fairlead.core.memory import MEMORY_KINDS, MemoryState
from fairlead.entrypoints.cli.texts import one_line
from fairlead.entrypoints.cli.views.listings import Column, rows_view
from fairlead.entrypoints.cli.views.style import fit, heading
from fairlead.operations import MemoryStats

SOURCES_SHOWN = 20

ODD_MIN = 20
"""Fewer items of one source are nothing odd."""

ODD_SHARE = 0.5
"""So much of what is kept from one source, or of one source in quarantine, is odd."""


def stats_view(found: MemoryStats, width: int) -> list[RenderableType]:
    """Return counts by kind, state and source, and what to do about what looks odd.

    Args:
        found: The counts.
        width: The screen's width.
    """
    if not found.items:
        return [Text("nothing is remembered"), *_rest(found)]
    states = get_args(MemoryState)
    columns = [Column(name="kind"), *(Column(name=state, right=True) for state in states)]
    rows = [
        [kind, *(f"{found.items.get((kind, state), 0):,}" for state in states)]
        for kind in MEMORY_KINDS
        if any((kind, state) in found.items for state in states)
    ]
    parts: list[RenderableType] = [*rows_view([*columns, Column(name="")], _closed(rows), width)]
    parts += [Text(), heading("current items by source")]
    shown = list(found.sources.items())[:SOURCES_SHOWN]
    parts += [_counted(source or "nowhere", number, width) for source, number in shown]
    if len(found.sources) > len(shown):
        parts.append(Text(f"         and {len(found.sources) - len(shown)} more sources", "dim"))
    parts += [Text(), *_rest(found)]
    hints = list(_hints(found))
    if hints:
        parts += [Text(), heading("look at")]
        parts += [Text(f"- {one_line(hint)}") for hint in hints]
    return parts


def _closed(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[*row, ""] for row in rows]


def _counted(name: str, number: int, width: int) -> Text:
    return Text(f"{number:>9,}  {fit(one_line(name), max(width - 11, 20)).rstrip()}")


def _rest(found: MemoryStats) -> list[Text]:
    embedders = {name or "none": number for name, number in found.embedders.items()}
    trials = {name[:12]: number for name, number in found.overlays.items()}
    said = {
        "embedders": _listed(embedders),
        "schemas": ", ".join(map(str, found.schemas)) or "-",
        "on trial": _listed(trials),
        "tombstones": f"{found.tombstones:,}",
        "expired": f"{found.expired:,}",
    }
    return [Text.assemble((f"{name:<11}", "dim"), one_line(value)) for name, value in said.items()]


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counts.items()) or "-"


def _hints(found: MemoryStats) -> Iterator[str]:
    current = sum(found.embedders.values())
    for source, number in found.quarantined.items():
        of_source = found.sources.get(source, number)
        if number >= ODD_MIN and number >= ODD_SHARE * of_source:
            yield (
                f"{number:,} of {of_source:,} items from {source or 'nowhere'} are quarantined: "
                "promote what is right, and see how far the rest reached with "
                f"`fairlead memory retract --source {quote(source)} --dry-run`"
            )
    for source, number in found.sources.items():
        if number >= ODD_MIN and number > ODD_SHARE * current and len(found.sources) > 1:
            yield (
                f"{number:,} of {current:,} items come from {source or 'nowhere'}: "
                "a rule of `[[memory.admit]]` in fairlead.toml may refuse some of it"
            )
    if len(found.embedders) > 1:
        yield "items have vectors of several models, or none: only the release's are compared"
    if found.expired:
        yield f"{found.expired:,} items are past retention: `fairlead runs prune --reason TEXT`"
    if found.overlays:
        yield "what is on trial becomes everybody's when its release is activated"
