"""The ledger loses no line; exports are written anew when nobody else touched them."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from fairlead.adapters.files.erasures import JsonlLedger, LocalErasureFiles
from fairlead.core.erasure import Erasure
from fairlead.core.errors import LedgerUnusable
from fairlead.guardrails.content.erasing import Eraser
from fairlead.ports.erasure import Exported


def erasure(name: str, *items: str) -> Erasure:
    return Erasure(
        id=name,
        tenant="default",
        app="a",
        items=items,
        tombstones=("d1",),
        stage="ledger",
        by="ann",
        reason="asked for",
        begun_at=1.5,
        ended_at=None,
        receipt={},
    )


def test_what_is_added_is_read_again_once_and_the_newest_line_counts(tmp_path: Path) -> None:
    ledger = JsonlLedger(tmp_path / "kept/erasures.jsonl")
    assert ledger.all() == []
    for one in (erasure("e1", "m1"), erasure("e2"), erasure("e1", "m1"), erasure("e1", "m1", "m2")):
        ledger.add(one)
    assert ledger.all() == [erasure("e1", "m1", "m2"), erasure("e2")]
    assert len((tmp_path / "kept/erasures.jsonl").read_text().splitlines()) == 3


def test_a_line_that_a_crash_tore_off_is_none_and_hides_no_other(tmp_path: Path) -> None:
    path = tmp_path / "erasures.jsonl"
    ledger = JsonlLedger(path)
    ledger.add(erasure("e1"))
    whole = path.read_bytes()
    ledger.add(erasure("e2"))
    for size in range(len(whole) + 1, path.stat().st_size - 1):
        path.write_bytes(path.read_bytes()[:size] if size < path.stat().st_size else whole)
        ledger.add(erasure("e3"))
        assert [one.id for one in ledger.all()] == ["e1", "e3"]
        path.write_bytes(whole + json.dumps({"id": "e2"}).encode()[:-1])


def test_a_ledger_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "erasures.jsonl"
    path.write_text('{"something":"else"}\n')
    with pytest.raises(LedgerUnusable, match="line 1"):
        JsonlLedger(path).all()
    path.unlink()
    path.mkdir()
    with pytest.raises(LedgerUnusable):
        JsonlLedger(path).add(erasure("e1"))
    with pytest.raises(LedgerUnusable):
        JsonlLedger(path).all()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'{"app"', b'x"app"'),
        (b'{"app"', b"\0\0\0\0\0\0"),
        (b'["m1"]', b'"m1"  '),
        (b'"id":"e2"', b'"id":["2"]'),
        (b"1.5", b'"x"'),
    ],
)
def test_a_line_that_was_damaged_is_not_passed_over(old: bytes, new: bytes, tmp_path: Path) -> None:
    ledger = JsonlLedger(tmp_path / "erasures.jsonl")
    for name in ("e1", "e2", "e3"):
        ledger.add(erasure(name, "m1"))
    lines = (tmp_path / "erasures.jsonl").read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(old, new)
    (tmp_path / "erasures.jsonl").write_bytes(b"".join(lines))
    with pytest.raises(LedgerUnusable, match="line 2"):
        ledger.all()


def export(path: Path, *items: str) -> Exported:
    lines = [json.dumps({"export": "x", "items": 3}).ljust(60)]
    lines += [json.dumps({"id": one, "text": f"text of {one}"}) for one in ("m1", "m2", "m3")]
    path.write_text("\n".join(lines) + "\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Exported(id="x", path=str(path), digest=digest, items=items)


def test_an_export_is_written_anew_without_the_items(tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    given = export(path, "m1", "m3")
    path.chmod(0o600)
    digest, why = LocalErasureFiles(tmp_path).rewrite(given)
    assert (digest, why) == (hashlib.sha256(path.read_bytes()).hexdigest(), "")
    header, only = map(json.loads, path.read_text().splitlines())
    assert (header["items"], only["id"]) == (1, "m2")
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
    # A process that died before it said so does it again.
    assert LocalErasureFiles(tmp_path).rewrite(given) == (digest, "")


def test_an_export_that_was_changed_or_moved_is_out_of_reach(tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    given = export(path, "m1")
    changed = path.read_text() + "more\n"
    path.write_text(changed)
    digest, why = LocalErasureFiles(tmp_path).rewrite(given)
    assert (digest, path.read_text()) == (None, changed)
    assert "changed" in why
    path.unlink()
    assert LocalErasureFiles(tmp_path).rewrite(given)[1] == "it is not there any more"


def test_files_beside_the_database_are_searched(tmp_path: Path) -> None:
    files = LocalErasureFiles(tmp_path)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/worker.log").write_text("said SECRET-VALUE-1\n")
    (tmp_path / "other.log").write_text("said nothing\n")
    gone = tmp_path / "gone.log"
    [found] = files.traces([*files.beside(), gone], Eraser(["secret-value-1"]))
    assert (found.place, found.count) == (str(tmp_path / "logs/worker.log"), 1)
    assert LocalErasureFiles(tmp_path / "nowhere").beside() == []


def test_what_is_compressed_in_a_backup_is_found_and_a_broken_one_is_named(tmp_path: Path) -> None:
    path, broken = tmp_path / "backups/b.zip", tmp_path / "backups/broken.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("store", "a line as any other\n" * 99 + "passport P-4471-ZQ98")
    assert b"P-4471" not in path.read_bytes()
    broken.write_bytes(path.read_bytes().replace(b"store", b"stare", 1))
    found = LocalErasureFiles(tmp_path)
    [first, second] = found.traces(found.beside(), Eraser(["P-4471-ZQ98"]))
    assert (first.place, first.count) == (str(path), 1)
    assert (second.place, second.count) == (str(broken), 0)
    assert found.traces([path], Eraser(["P-4471-ZQ99"])) == []


def test_an_export_that_is_a_link_by_now_is_left_alone(tmp_path: Path) -> None:
    moved, path = tmp_path / "moved.jsonl", tmp_path / "export.jsonl"
    written = export(path, "m1")
    path.rename(moved)
    path.symlink_to(moved)
    before = moved.read_bytes()
    digest, why = LocalErasureFiles(tmp_path).rewrite(written)
    assert (digest, why) == (None, "it is a symbolic link by now")
    assert path.is_symlink()
    assert moved.read_bytes() == before
