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
    one = pruned.memories == 1
    items = "1 item" if one else f"{pruned.memories:,} items"
    past = f" of memory that {'is past its' if one else 'are past their'} retention"
    line = Text("no run is old enough to be pruned")
    word = "would prune " if dry_run else "pruned "
    if pruned.runs:
        line = _runs(pruned, word)
    lines: list[RenderableType] = [line]
    if pruned.memories:
        lines.append(Text.assemble(word, (items, "bold"), past))
    if dry_run and (pruned.runs or pruned.memories):
        lines.append(Text("Next: the same without --dry-run, with --reason"))
    return lines


def _runs(pruned: Pruned, word: str) -> Text:
    runs = "1 run" if pruned.runs == 1 else f"{pruned.runs} runs"
    payloads = "1 payload" if pruned.payloads == 1 else f"{pruned.payloads} payloads"
    return Text.assemble(word, (runs, "bold"), f": {payloads}, {bytes_text(pruned.bytes)}")


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
