"""What an ingestion did."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from fairlead.entrypoints.cli.texts import one_line
from fairlead.entrypoints.cli.views.style import table
from fairlead.memory.ingest import Ingested


def ingested_view(done: Sequence[Ingested]) -> Table:
    """Return the counts of each collection."""
    numbers = ("written", "unchanged", "removed", "refused")
    made = table("collection", *numbers, right=numbers)
    for one in done:
        made.add_row(
            Text(one_line(one.collection)),
            str(one.written),
            str(one.unchanged),
            str(one.removed),
            Text(str(len(one.refused)), style="red" if one.refused else ""),
        )
    return made
