"""The tests write where it is fast, when there is room, and nobody has said another place."""

from __future__ import annotations

import tempfile
from pathlib import Path

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


@pytest.mark.skipif(not scratch.MEMORY.is_mount(), reason="this system has no memory there")
def test_memory_is_taken_when_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "FREE_BYTES_MIN", 2**60)
    assert scratch.folder() == tempfile.gettempdir()
    monkeypatch.setattr(scratch, "FREE_BYTES_MIN", 0)
    # A system may mount it so that nothing in it can be executed.
    assert scratch.folder() in (str(scratch.MEMORY), tempfile.gettempdir())
