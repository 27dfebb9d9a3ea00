"""What the command line says of a backup and a restore."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fairlead.core.backup import Content, Heads, Manifest, Part
from fairlead.entrypoints.cli.views.backups import (
    backup_json,
    backup_view,
    restored_json,
    restored_view,
)
from fairlead.operations import Restored, Written

DIGEST = "ab" * 32
MANIFEST = Manifest(
    fairlead="1",
    made_at=0.0,
    content=Content(
        kind="sqlite",
        schema="0010",
        engine=1,
        tables={"runs": 3},
        heads=Heads(events=4, chains=2, digest=DIGEST),
    ),
    parts=(Part(name="a", bytes=1, digest=DIGEST),),
)
RESTORED = Restored(
    file=Path("a.zip"),
    digest=DIGEST,
    manifest=MANIFEST,
    payloads=5,
    events=4,
    alive=0,
    findings=(),
    after=(),
    aside=None,
    place="there",
)


def said(restored: Restored) -> list[str]:
    return [part for part in restored_view(restored) if isinstance(part, str)]


def test_a_backup_is_named_with_what_it_holds() -> None:
    written = Written(file=Path("a.zip"), bytes=28_300, digest=DIGEST, manifest=MANIFEST)
    assert backup_view(written) == [
        "backup a.zip  28.3 kB",
        "  3 rows in 1 tables, schema 0010",
        "  4 events in 2 chains",
        f"  SHA-256 {DIGEST}",
        "Next: copy it to another machine, and try it: fairlead restore a.zip --drill",
    ]
    assert backup_json(written)["manifest"]["content"]["tables"] == {"runs": 3}


def test_a_restore_says_where_and_what_goes_on() -> None:
    assert said(RESTORED) == ["restored there  as it was at 1970-01-01 00:00:00 UTC"]
    more = replace(RESTORED, alive=2, after=("erased 1",), findings=("x",), aside="beside")
    assert said(more)[1:] == [
        "then: erased 1",
        "does not hold: x",
        "the store that was there is kept in beside",
        "runs that had not ended: 2; the next worker goes on with them",
    ]
    assert restored_json(more)["drill"] is False
    unsure = replace(RESTORED, unchecked="there is no ledger")
    assert said(unsure)[1:] == ["erasures not checked: there is no ledger"]
    assert restored_json(unsure)["erasures_unchecked"] == "there is no ledger"


def test_a_drill_says_that_nothing_was_put_in_place() -> None:
    drill = replace(RESTORED, place=None, alive=2)
    assert said(drill) == [
        "drill  as it was at 1970-01-01 00:00:00 UTC",
        "the backup can be restored; the scratch place was removed",
    ]
    assert restored_json(drill)["drill"] is True
