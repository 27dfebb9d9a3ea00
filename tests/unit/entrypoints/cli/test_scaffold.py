"""`fairlead init` makes all of an app, or nothing."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from fairlead.core.errors import TargetExists, TargetUnwritable
from fairlead.entrypoints.cli.scaffold import make_app, safe_name


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("Our Handbook", "our-handbook"),
        ("Über_Äpfel", "uber-apfel"),
        ("日本", "app"),
        ("--", "app"),
    ],
)
def test_safe_name(folder: str, name: str) -> None:
    assert safe_name(folder) == name


def test_the_app_records_its_template_and_a_review_in_time(tmp_path: Path) -> None:
    made = make_app(tmp_path / "deep" / "Our App")
    folder = tmp_path / "deep" / "Our App"
    config = tomllib.loads((folder / "fairlead.toml").read_text(encoding="utf-8"))
    assert config["app"] == {"name": "our-app", "module": "app.py:app", "template": made.template}
    intent = tomllib.loads((folder / "intents" / "answer.toml").read_text(encoding="utf-8"))
    assert date.fromisoformat(intent["review_date"]) > datetime.now(tz=UTC).date()
    assert (folder / ".gitignore").is_file()
    assert not (folder / "template.toml").exists()
    texts = [path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()]
    assert not any("{{" in text for text in texts)
    assert [path.name for path in folder.parent.iterdir()] == ["Our App"]
    assert folder.stat().st_mode & 0o777 == folder.parent.stat().st_mode & 0o777


def test_an_empty_folder_is_filled_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    inode = folder.stat().st_ino
    monkeypatch.chdir(folder)
    assert make_app(Path()).name == "here"
    assert folder.stat().st_ino == inode
    assert (folder / "app.py").is_file()


def test_what_is_there_is_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    for target in (tmp_path, file, link):
        with pytest.raises(TargetExists):
            make_app(target)
    with pytest.raises(TargetUnwritable):
        make_app(file / "below")
    assert file.read_text() == "mine"


def test_a_failure_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    rename, calls = Path.rename, []

    def fails_at_the_third(self: Path, target: Path) -> Path:
        calls.append(self)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails_at_the_third)
    with pytest.raises(TargetUnwritable, match="No space left"):
        make_app(folder)
    assert list(tmp_path.rglob("*")) == [folder]
