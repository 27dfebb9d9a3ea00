"""The tests write where it is fast, when there is room, and nobody has said another place."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import scratch


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)


def test_a_folder_that_is_no_file_system_of_its_own_is_not_taken(tmp_path: Path) -> None:
    assert scratch.folder(tmp_path) == tempfile.gettempdir()
    assert scratch.folder(tmp_path / "none") == tempfile.gettempdir()


def test_what_somebody_says_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/somewhere")
    monkeypatch.setattr(scratch, "FREE_BYTES_MIN", 0)
    assert scratch.folder() == tempfile.gettempdir()


@pytest.mark.parametrize(
    ("blocks", "flags", "taken"),
    [
        (2**20, 0, True),
        (2**20 - 1, 0, False),
        (2**20, os.ST_NOEXEC, False),
        (2**20, os.ST_RDONLY, False),
    ],
)
def test_memory_is_taken_when_there_is_room_and_programs_may_be_executed_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int, flags: int, taken: bool
) -> None:
    memory = SimpleNamespace(f_bavail=blocks, f_frsize=4096, f_flag=flags)
    monkeypatch.setattr(scratch.Path, "is_mount", lambda _: True)
    monkeypatch.setattr(scratch.os, "statvfs", lambda _: memory)
    assert scratch.folder(tmp_path) == (str(tmp_path) if taken else tempfile.gettempdir())
