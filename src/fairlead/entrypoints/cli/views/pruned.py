"""What pruning removed, and what of a run is left after it."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from fairlead.entrypoints.cli.texts import bytes_text, moment
from fairlead.entrypoints.cli.views.style import plain
from fairlead.ports.pruning import Pruned
from fairlead.ports.runs import RunRecord


def pruned_view(pruned: Pruned, *, dry_run: bool) -> list[RenderableType]:
    """Return what was removed, or would be.

    Args:
        pruned: What.
        dry_run: Whether nothing was changed.
    """
    if not pruned.runs:
        return [Text("no run is old enough to be pruned")]
    runs = "1 run" if pruned.runs == 1 else f"{pruned.runs} runs"
    payloads = "1 payload" if pruned.payloads == 1 else f"{pruned.payloads} payloads"
    word = "would prune " if dry_run else "pruned "
    line = Text.assemble(word, (runs, "bold"), f": {payloads}, {bytes_text(pruned.bytes)}")
    if dry_run:
        return [line, Text("Next: the same without --dry-run, with --reason")]
    return [line]


def left_view(run: RunRecord) -> list[RenderableType]:
    """Return what there is to say of a run in place of its calls and its answer.

    Args:
        run: A run that was pruned.
    """
    return [
        Text.assemble(("pruned", "bold yellow"), f"  {moment(run.pruned_at)} UTC"),
        plain("  its input, calls and answer were removed; its events stay", "dim"),
        Text(f"Next: fairlead events list --chain run:{run.id}"),
    ]
