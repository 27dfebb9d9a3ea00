"""Memory in files: a bad line writes nothing, trust is not imported, exports are on record."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters.sql.memory_exports import SqlMemoryExports
from fairlead.core.errors import (
    MemoryExportFailed,
    MemoryFileInvalid,
    RoleMissing,
)
from fairlead.core.memory import Note
from fairlead.operations import (
    ExportOrder,
    ImportOrder,
    Platform,
    Target,
    acting,
    add_memory,
    erase,
    export_memory,
    forget_memory,
    import_memory,
)
from tests.unit.operations.memories import (
    SHOP,
    WHY,
    events,
    outside,
    person,
)


def lines(folder: Path, *rows: Any, name: str = "crm.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return file


def test_a_file_is_quarantined_unless_an_approver_vouches_for_it(
    platform: Platform, tmp_path: Path
) -> None:
    file = lines(
        tmp_path,
        {"text": "Ada likes tea", "subject": "c:1", "valid_from": "0001-01-01"},
        {"text": "Bob likes tea", "audience": "user:bob", "valid_to": "9999-12-31T23:59:59"},
        {"text": "do as I say", "kind": "procedural"},
    )
    done = import_memory(platform, file, ImportOrder(by="ada"))
    assert (done.lines, done.written, done.quarantined, done.refused) == (3, 2, 2, 1)
    found = {one.text: one for one in platform.memory.each(SHOP)}
    assert found["Ada likes tea"].label.origins == ("import:crm.jsonl",)
    assert found["Ada likes tea"].valid_from == -62_135_596_800.0
    assert found["Bob likes tea"].audience == "user:bob"
    assert import_memory(platform, file, ImportOrder(by="ada")).merged == 2
    kind, data = events(platform)[0]
    assert (kind, data["source"], data["lines"], data["written"]) == (
        "memory.added",
        "import:crm.jsonl",
        [1, 3],
        2,
    )
    order = ImportOrder(by="ada", trusted=True)
    with pytest.raises(RoleMissing, match="approver"):
        import_memory(acting(platform, person("operator")), file, order)
    both = acting(platform, person("operator", "approver"))
    trusted = import_memory(both, file, order)
    assert (trusted.written, trusted.quarantined) == (3, 0)


BAD = {
    b'{"text": "\xff"}': "is not UTF-8",
    b"\x00\x01\x02": "is no JSON",
    b'"text"': "is no JSON object",
    b'{"text": NaN}': "is no JSON",
    b"[" * 100_000: "nested|no JSON",
    b'{"text": "a", "txet": 1}': "unknown key 'txet'",
    b'{"text": 1}': "a text that is no text",
    b'{"text": " "}': "its text is empty",
    b'{"text": "a", "kind": "working"}': "a run's own",
    b'{"text": "a", "kind": "secret"}': "no memory of kind",
    b'{"text": "a", "valid_from": "tomorrow"}': "no time",
    b'{"text": "a", "valid_from": 1e300}': "years 1 to 9999",
    b'{"text": "a", "audience": "run:1"}': "audience",
    b'{"text": "a", "audience": "user:\\u0000"}': "control character",
    b'{"text": "\\ud800"}': "no sound Unicode",
    b'{"text": "a\\u001b[2J"}': "control character",
    b'{"fairlead": "memory-export", "version": 1}': "stands first",
    b'{"text": "' + b"x" * 10_000_000 + b'"}': "more than",
}


@pytest.mark.parametrize(("line", "said"), BAD.items(), ids=range(len(BAD)))
def test_a_bad_line_says_its_number_and_nothing_of_its_batch_is_written(
    platform: Platform, tmp_path: Path, line: bytes, said: str
) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_bytes(b'{"text": "good"}\n\n' + line + b"\n" + b'{"text": "after"}\n')
    with pytest.raises(MemoryFileInvalid, match=said) as caught:
        import_memory(platform, file, ImportOrder(by="ada"))
    assert "line 3" in caught.value.message
    assert len(caught.value.message) < 500
    assert list(platform.memory.each(SHOP)) == []
    assert events(platform) == []


def test_batches_before_a_bad_line_stay(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairlead.operations.memory_files.WRITE_ITEMS_MAX", 2)
    file = lines(tmp_path, *({"text": f"item {number}"} for number in range(5)), {"no": 1})
    with pytest.raises(MemoryFileInvalid, match="before line 5 say is imported"):
        import_memory(platform, file, ImportOrder(by="ada"))
    assert len(list(platform.memory.each(SHOP))) == 4
    assert [data["lines"] for _, data in events(platform)] == [[1, 2], [3, 4]]
    with pytest.raises(MemoryFileInvalid, match="cannot be read"):
        import_memory(platform, tmp_path, ImportOrder(by="ada"))


def test_an_export_is_on_record_and_can_be_read_back(platform: Platform, tmp_path: Path) -> None:
    note = Note(kind="semantic", text="Ada likes tea", subject="c:1", valid_from=1.0)
    kept = add_memory(platform, note, "ada", audience="user:ada").id
    (gone,) = outside(platform, "pay 666")
    forget_memory(platform, [gone], WHY)
    file = tmp_path / "out.jsonl"
    made, count = export_memory(platform, file, ExportOrder(by="ada"))
    header, *rows = map(json.loads, file.read_text().splitlines())
    assert (header["fairlead"], header["version"], header["items"]) == ("memory-export", 1, 1)
    assert (header["export"], header["tenant"], header["app"]) == (made.id, "default", "shop")
    assert [row["id"] for row in rows] == [kept]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")] == []
    with platform.database.reading() as connection:
        exported = connection.exec_driver_sql("SELECT export, item FROM memory_exported").all()
        ((path, digest),) = connection.exec_driver_sql("SELECT path, digest FROM memory_exports")
    assert [tuple(row) for row in exported] == [(made.id, kept)]
    assert (path, digest) == (str(file), made.digest)
    kind, data = events(platform)[-1]
    assert (kind, data["digest"], data["items"]) == ("memory.exported", made.digest, count)
    with pytest.raises(MemoryExportFailed, match="is there already"):
        export_memory(platform, file, ExportOrder(by="ada"))
    _, whole = export_memory(platform, file, ExportOrder(by="ada", force=True, retired=True))
    assert whole == 2
    with pytest.raises(MemoryExportFailed, match="cannot be written"):
        export_memory(platform, tmp_path / "no" / "f", ExportOrder(by="ada"))
    admin = acting(platform, person("admin"))
    read = import_memory(admin, file, ImportOrder(by="ada"), tenant="acme")
    assert (read.written, read.left_out) == (1, 1)
    (back,) = platform.memory.each(replace(SHOP, tenant="acme"))
    assert (back.text, back.valid_from, back.audience, back.state) == (
        "Ada likes tea",
        1.0,
        "user:ada",
        "quarantined",
    )


@pytest.mark.parametrize("target", ["kept.jsonl", "missing.jsonl"])
def test_an_export_follows_no_link_and_replaces_none(
    platform: Platform, tmp_path: Path, target: str
) -> None:
    (tmp_path / "kept.jsonl").write_text("kept")
    link = tmp_path / "link.jsonl"
    link.symlink_to(tmp_path / target)
    for force in (False, True):
        with pytest.raises(MemoryExportFailed, match="is a symbolic link"):
            export_memory(platform, link, ExportOrder(by="ada", force=force))
    assert link.is_symlink()
    assert (tmp_path / "kept.jsonl").read_text() == "kept"
    assert not (tmp_path / "missing.jsonl").exists()


def test_what_is_erased_while_it_is_exported_is_in_no_file(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("Ada lives in a small house", "Bob lives in a large house"):
        add_memory(platform, Note(kind="semantic", text=text, subject=text[:3]), "ada")
    recorded = SqlMemoryExports.record

    def late(self: SqlMemoryExports, *given: Any) -> None:
        # The erasure has looked at all exports that it knows of before this one is on record.
        if len(list(platform.memory.each(SHOP))) == 2:
            assert erase(platform, Target(subject="Ada"), WHY).ended
        recorded(self, *given)

    monkeypatch.setattr(SqlMemoryExports, "record", late)
    file = tmp_path / "out.jsonl"
    with pytest.raises(MemoryExportFailed, match="1 items were erased"):
        export_memory(platform, file, ExportOrder(by="ada"))
    assert list(tmp_path.glob("*out.jsonl*")) == []
    assert export_memory(platform, file, ExportOrder(by="ada"))[1] == 1
