"""What differs between two releases, in words: what matters most first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice

from rich.console import RenderableType
from rich.text import Text

from fairlead.core.release_changes import IMPACTS, Impact, ReleaseChange, worst
from fairlead.entrypoints.cli.texts import one_line
from fairlead.entrypoints.cli.views.release import changed_lines
from fairlead.entrypoints.cli.views.style import indented

LINES_MAX = 30
"""Most lines of one text's difference; the rest is in `--json`."""

VALUES_MAX = 3
"""Most values below one sentence."""

_STYLES: dict[Impact, str] = {"breaking": "red", "routing": "yellow", "information": "dim"}
_ASKS: dict[Impact, str] = {
    "breaking": "somebody relies on what is gone or stricter",
    "routing": "replay it before it is activated",
    "information": "nothing is asked for",
}


def changes_view(found: Sequence[ReleaseChange]) -> list[RenderableType]:
    """Return what differs, one sentence each, with the difference of texts below.

    Args:
        found: The differences.
    """
    impact = worst(found)
    if impact is None:
        return [Text("the releases are the same")]
    parts: list[RenderableType] = [
        Text.assemble((impact, f"bold {_STYLES[impact]}"), f": {_ASKS[impact]}")
    ]

    def rank(one: ReleaseChange) -> tuple[int, str]:
        return -IMPACTS.index(one.impact), one.words

    for _, same in groupby(sorted(found, key=rank), key=rank):
        group = list(same)
        first = group[0]
        word = (f"{first.impact:<11}", _STYLES[first.impact])
        parts.append(Text.assemble(word, "  ", one_line(first.words)))
        for one in group[:VALUES_MAX]:
            lines = list(islice(_lines(one), LINES_MAX + 1))
            parts += [indented(line, 13) for line in lines[:LINES_MAX]]
            if len(lines) > LINES_MAX:
                parts.append(indented(Text("... see --json", style="dim"), 13))
        if len(group) > VALUES_MAX:
            more = f"... and {len(group) - VALUES_MAX} more; see --json"
            parts.append(indented(Text(more, style="dim"), 13))
    return parts


def _lines(one: ReleaseChange) -> Iterator[Text]:
    """Yield the lines of a difference; what is only a digest, or a whole part, is said in words."""
    whole = any(isinstance(value, dict) for value in (one.before, one.after))
    if not whole and not one.path[-1].endswith("digest"):
        yield from changed_lines(one.before, one.after)
