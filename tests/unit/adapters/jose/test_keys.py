"""The key file: made once, whole, and readable for its owner alone."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from fairlead.adapters.jose.keys import make_key, read_key
from fairlead.core.errors import KeysUnavailable


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key.json"
    assert make_key(path)
    before = path.read_bytes()
    assert not make_key(path)
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["key.json"]
    assert read_key(path).kid


def test_a_key_that_another_process_just_made_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key.json"
    link = os.link

    def too_late(draft: Path, target: Path) -> None:
        target.write_text("theirs")
        link(draft, target)

    monkeypatch.setattr(os, "link", too_late)
    assert not make_key(path)
    assert path.read_text() == "theirs"
    assert [one.name for one in tmp_path.iterdir()] == ["key.json"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_not_used(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.json"
    make_key(path)
    path.chmod(mode)
    with pytest.raises(KeysUnavailable, match="chmod 600"):
        read_key(path)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"kty": "OKP"}', '"secret-4711"'])
def test_a_file_that_holds_no_key_is_not_quoted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key.json"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(KeysUnavailable, match="holds no private") as error:
        read_key(path)
    assert "4711" not in str(error.value)
    assert error.value.__cause__ is None


def test_a_public_half_signs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    make_key(path)
    path.write_text(json.dumps(read_key(path).as_dict(private=False)))
    with pytest.raises(KeysUnavailable, match="holds no private"):
        read_key(path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeysUnavailable, match="cannot be written"):
        make_key(tmp_path / "file" / "key.json")
    with pytest.raises(KeysUnavailable, match="cannot be read"):
        read_key(tmp_path / "none.json")
