"""The file of a backup: whole under its name or not there, and refused when a bit of it changed."""

from __future__ import annotations

import errno
import io
import os
import tarfile
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.adapters.files import backup as module
from fairlead.adapters.files.backup import ZipBackups
from fairlead.core.backup import Content, Heads
from fairlead.core.errors import (
    BackupDamaged,
    BackupExists,
    BackupForeign,
    BackupTooNew,
    BackupUnreadable,
    BackupUnwritable,
    FairleadError,
    ScratchUnavailable,
)

CONTENT = Content(
    kind="sqlite", schema="0010", engine=1, tables={}, heads=Heads(digest=sha256().hexdigest())
)
FILES = ZipBackups()
PARTS = {"a": b"first" * 100, "tables/b": b"", "c": os.urandom(2000)}


def write(file: Path, parts: dict[str, bytes] = PARTS, *, force: bool = False) -> Any:
    with FILES.write(file, force=force) as sink:
        for name, data in parts.items():
            with sink.part(name) as out:
                out.write(data[:10])
                out.write(data[10:])
        return sink.seal(CONTENT, fairlead="1", made_at=2.0)


def read(file: Path) -> dict[str, bytes]:
    found = {}
    with FILES.read(file) as source:
        for part in source.manifest.parts:
            with source.part(part.name) as stream:
                found[part.name] = b"".join(iter(lambda stream=stream: stream.read(100), b""))
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("whole") / "a.zip"
    write(file)
    return file.read_bytes()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    written = write(file)
    assert read(file) == PARTS
    assert file.stat().st_mode & 0o777 == 0o600
    assert written.bytes == file.stat().st_size
    assert written.digest == sha256(file.read_bytes()).hexdigest()
    with FILES.read(file) as source:
        assert (source.digest, source.manifest) == (written.digest, written.manifest)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_that_was_changed_anywhere_is_refused(
    whole: bytes, tmp_path: Path, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(whole) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = bytearray(whole)
    changed[at] ^= 1 << bit
    refused(tmp_path / "changed", bytes(changed))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_that_was_cut_off_is_refused(
    whole: bytes, tmp_path: Path, data: st.DataObject
) -> None:
    refused(tmp_path / "cut", whole[: data.draw(st.integers(0, len(whole) - 1))])


def refused(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    with pytest.raises((BackupDamaged, BackupForeign)), FILES.read(file):
        pass


def of_zip(**members: bytes) -> bytes:
    """A ZIP that somebody else made, with a right seal."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr("fairlead-backup", b"")
        for name, data in members.items():
            archive.writestr(name.replace("__", "/").replace("UP", ".."), data)
        archive.comment = b"0" * 64
    data = raw.getvalue()[:-64]
    return data + sha256(data).hexdigest().encode()


def of_tar() -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../../outside"), io.BytesIO(b""))
    return raw.getvalue()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", BackupDamaged),
        (b"hello, I am a text\n" * 100, BackupForeign),
        (of_tar(), BackupForeign),
        (b"PK\x03\x04" + b"x" * 500, BackupForeign),
        (of_zip(), BackupDamaged),
        (of_zip(UP__outside=b"x"), BackupDamaged),
        (of_zip(**{"manifest.json": b"{}"}), BackupDamaged),
        (of_zip(**{"manifest.json": b'{"format":2}'}), BackupTooNew),
        (of_zip(**{"manifest.json": b"\xff"}), BackupDamaged),
        (of_zip(**{"manifest.json": b"[" * 100_000}), BackupDamaged),
        (of_zip(**{"manifest.json": b" " * 2_000_000}), BackupDamaged),
    ],
    ids=range(11),
)
def test_what_is_no_backup_is_refused(
    tmp_path: Path, data: bytes, error: type[FairleadError]
) -> None:
    file = tmp_path / "x" / "y" / "file"
    file.parent.mkdir(parents=True)
    file.write_bytes(data)
    with pytest.raises(error, match="file"), FILES.read(file):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["x", "y", "file"]


def test_a_part_that_the_manifest_does_not_name_is_refused(tmp_path: Path, whole: bytes) -> None:
    (tmp_path / "whole").write_bytes(whole)
    with zipfile.ZipFile(tmp_path / "whole") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members.pop("fairlead-backup")
    for change in ({"c": b"other"}, {"c": PARTS["c"] + b"x"}, {"d": b""}):
        (tmp_path / "other").write_bytes(of_zip(**{**members, **change}))
        with pytest.raises(BackupDamaged), FILES.read(tmp_path / "other"):
            pass
    (tmp_path / "same").write_bytes(of_zip(**members))
    with FILES.read(tmp_path / "same") as source, pytest.raises(BackupDamaged, match="no part"):
        source.part("nothing").__enter__()


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing", "pipe", ".", "a\0b", "x" * 300):
        with pytest.raises(BackupUnreadable), FILES.read(tmp_path / name):
            pass


def test_a_file_is_overwritten_only_on_request(tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    file.write_text("mine")
    with pytest.raises(BackupExists):
        write(file)
    assert file.read_text() == "mine"
    write(file, force=True)
    assert read(file) == PARTS
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(BackupUnwritable, match="is a folder"):
        write(tmp_path, force=True)


def test_a_file_that_comes_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    with pytest.raises(BackupExists), FILES.write(file, force=False) as sink:
        file.write_text("mine")
        with sink.part("a") as out:
            out.write(b"x")
        sink.seal(CONTENT, fairlead="1", made_at=2.0)
    assert file.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_nothing_is_left_of_a_backup_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RuntimeError), FILES.write(tmp_path / "a.zip", force=False) as sink:
        with sink.part("a") as out:
            out.write(b"x" * 100_000)
        raise RuntimeError

    def full(self: Any, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with (
        pytest.raises(RuntimeError),
        FILES.write(tmp_path / "a.zip", force=False) as sink,
        sink.part("a") as out,
    ):
        out.write(b"y")
        raise RuntimeError
    monkeypatch.setattr(module._Sealed, "write", full)
    with pytest.raises(BackupUnwritable, match="No space left"):
        write(tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["missing/a.zip", "file/a.zip", "x" * 300, "link"])
def test_a_place_that_cannot_be_written_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / ".link.partial").symlink_to(tmp_path)
    with pytest.raises(BackupUnwritable):
        write(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".link.partial", "file"]


def test_two_at_once_do_not_meet(tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    with FILES.write(file, force=False) as sink:
        with pytest.raises(BackupUnwritable, match="another process"):
            write(file)
        with sink.part("a") as out:
            out.write(b"x")
        sink.seal(CONTENT, fairlead="1", made_at=2.0)
    assert read(file) == {"a": b"x"}
    with FILES.scratch(tmp_path / "s"), pytest.raises(ScratchUnavailable):
        FILES.scratch(tmp_path / "s").__enter__()


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".a.zip.partial"
    (left / "below").mkdir(parents=True)
    (left / "backup").write_text("half")
    (left / "outside").symlink_to(tmp_path)
    write(tmp_path / "a.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
