"""What a backup holds, and what a restore found."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType
from rich.text import Text

from fairlead.entrypoints.cli.texts import bytes_text, moment
from fairlead.entrypoints.cli.views.style import plain, table
from fairlead.operations import Restored, Written


def backup_view(written: Written) -> list[RenderableType]:
    """Return what was backed up.

    Args:
        written: The backup.
    """
    content = written.manifest.content
    return [
        Text.assemble("backup ", (str(written.file), "bold"), f"  {bytes_text(written.bytes)}"),
        plain(f"  {content.rows} rows in {len(content.tables)} tables, schema {content.schema}"),
        plain(f"  {content.heads.events} events in {content.heads.chains} chains"),
        plain(f"  SHA-256 {written.digest}"),
        Text(
            f"Next: copy it to another machine, and try it: fairlead restore {written.file} --drill"
        ),
    ]


def backup_json(written: Written) -> dict[str, Any]:
    """Return the same as JSON.

    Args:
        written: The backup.
    """
    return {
        "file": str(written.file),
        "bytes": written.bytes,
        "digest": written.digest,
        "manifest": written.manifest.to_json(),
    }


def restored_view(restored: Restored) -> list[RenderableType]:
    """Return what was restored and what was verified.

    Args:
        restored: The restored store, or the drill.
    """
    manifest = restored.manifest
    found = table("verified", "count", right=("count",))
    found.add_row("parts against their digests", str(len(manifest.parts)))
    found.add_row(f"rows in {len(manifest.content.tables)} tables", str(manifest.content.rows))
    found.add_row("payloads against their digests", str(restored.payloads))
    found.add_row(f"events in {manifest.content.heads.chains} chains", str(restored.events))
    where = "drill" if restored.place is None else f"restored {restored.place}"
    lines: list[RenderableType] = [
        Text.assemble((where, "bold"), f"  as it was at {moment(manifest.made_at)} UTC"),
        found,
        *(plain(f"then: {line}") for line in restored.after),
        *(plain(f"does not hold: {line}", "red") for line in restored.findings),
    ]
    if restored.place is None:
        return [*lines, Text("the backup can be restored; the scratch place was removed")]
    if restored.aside is not None:
        lines.append(plain(f"the store that was there is kept in {restored.aside}"))
    if restored.alive:
        goes_on = (
            "1 run had not ended: it goes"
            if restored.alive == 1
            else (f"{restored.alive} runs had not ended: they go")
        )
        lines.append(plain(f"{goes_on} on from there when a worker starts"))
    return lines


def restored_json(restored: Restored) -> dict[str, Any]:
    """Return the same as JSON.

    Args:
        restored: The restored store, or the drill.
    """
    return {
        "file": str(restored.file),
        "digest": restored.digest,
        "drill": restored.place is None,
        "place": restored.place,
        "aside": restored.aside,
        "made_at": restored.manifest.made_at,
        "rows": restored.manifest.content.rows,
        "payloads": restored.payloads,
        "events": restored.events,
        "alive": restored.alive,
        "findings": list(restored.findings),
        "after": list(restored.after),
    }
