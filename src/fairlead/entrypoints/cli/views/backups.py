"""What a backup holds, and what a restore found.

Lines with a path are texts, which are printed as they are: a path that is broken is no path.
"""

from __future__ import annotations

from typing import Any

from rich.table import Table

from fairlead.entrypoints.cli.texts import bytes_text, moment
from fairlead.entrypoints.cli.views.style import table
from fairlead.operations import Restored, Written


def backup_view(written: Written) -> list[str]:
    """Return what was backed up.

    Args:
        written: The backup.
    """
    content = written.manifest.content
    return [
        f"backup {written.file}  {bytes_text(written.bytes)}",
        f"  {content.rows} rows in {len(content.tables)} tables, schema {content.schema}",
        f"  {content.heads.events} events in {content.heads.chains} chains",
        f"  SHA-256 {written.digest}",
        f"Next: copy it to another machine, and try it: fairlead restore {written.file} --drill",
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


def restored_view(restored: Restored) -> list[str | Table]:
    """Return what was restored and what was verified.

    Args:
        restored: The restored store, or the drill.
    """
    manifest, drill = restored.manifest, restored.place is None
    found = table("verified", "count", right=("count",))
    found.add_row("parts against their digests", str(len(manifest.parts)))
    found.add_row(f"rows in {len(manifest.content.tables)} tables", str(manifest.content.rows))
    found.add_row("payloads against their digests", str(restored.payloads))
    found.add_row(f"events in {manifest.content.heads.chains} chains", str(restored.events))
    where = "drill" if drill else f"restored {restored.place}"
    lines: list[str | Table] = [f"{where}  as it was at {moment(manifest.made_at)} UTC", found]
    lines += [f"then: {line}" for line in restored.after]
    lines += [f"does not hold: {line}" for line in restored.findings]
    if restored.unchecked:
        lines.append(f"erasures not checked: {restored.unchecked}")
    if drill:
        return [*lines, "the backup can be restored; the scratch place was removed"]
    if restored.aside is not None:
        lines.append(f"the store that was there is kept in {restored.aside}")
    if restored.alive:
        lines.append(
            f"runs that had not ended: {restored.alive}; the next worker goes on with them"
        )
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
        "erasures_unchecked": restored.unchecked,
    }
