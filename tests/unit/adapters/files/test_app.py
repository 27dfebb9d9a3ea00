"""What a release is made from: the files beside the code that the code reads."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fairlead.adapters.files import app
from fairlead.adapters.files.app import load_object, read_files
from fairlead.core.errors import CodeMismatch, InvalidConfig
from fairlead.delivery.resolve import code_digest


def write(folder: Path, files: str = "") -> Path:
    """Write an app with some files beside its code."""
    for path, text in {
        "fairlead.toml": f"[app]\nfiles = [{files}]\n" if files else "",
        "app.py": "x = 1\n",
        "orders.json": "{}\r\n",
        "data/a.csv": "a\n",
        "data/deep/b.csv": "b\n",
        "prompts/a.md": "A.\r\n",
        ".hidden/c.csv": "c\n",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode())
    return folder


def test_without_patterns_nothing_but_the_code_counts(tmp_path: Path) -> None:
    assert set(read_files(write(tmp_path)).code) == {"app.py"}


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        ('"orders.json"', {"orders.json"}),
        ('"data/*.csv"', {"data/a.csv"}),
        ('"**/*.csv"', {"data/a.csv", "data/deep/b.csv"}),
        ('"orders.json", "*.py"', {"orders.json"}),
        ('"prompts/*"', {"prompts/a.md"}),
        ('"*"', {"orders.json"}),
    ],
)
def test_a_file_that_is_named_is_a_part_of_the_code(
    tmp_path: Path, patterns: str, found: set[str]
) -> None:
    before = code_digest(read_files(write(tmp_path)))
    files = read_files(write(tmp_path, patterns))
    assert set(files.code) == {"app.py", *found}
    assert code_digest(files) != before


def test_it_stays_byte_for_byte_unless_a_release_has_it_already(tmp_path: Path) -> None:
    files = read_files(write(tmp_path, '"orders.json", "prompts/*"'))
    assert files.code["orders.json"] == b"{}\r\n"
    assert files.code["prompts/a.md"] == files.bundle["prompts/a.md"] == b"A.\n"


@pytest.mark.parametrize(
    "patterns", ['"/etc/passwd"', '"../x"', '"a/../../x"', '""', "1", '".hidden/*"', '"none.csv"']
)
def test_a_pattern_that_leads_elsewhere_or_to_nothing_is_refused(
    tmp_path: Path, patterns: str
) -> None:
    with pytest.raises(InvalidConfig, match=r"app\.files"):
        read_files(write(tmp_path, patterns))


def test_patterns_are_a_list(tmp_path: Path) -> None:
    (write(tmp_path) / "fairlead.toml").write_text('[app]\nfiles = "*.csv"\n')
    with pytest.raises(InvalidConfig, match="list of patterns"):
        read_files(tmp_path)


def folder_of(root: Path, place: str) -> Path:
    """Write a module that holds its place."""
    folder = root / place
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "app.py").write_text(f"app = {place!r}\n")
    return folder


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        (".fairlead/releases/a", ".fairlead/releases/a", True),
        (".fairlead/releases/a", ".fairlead/releases/b", False),
        (".fairlead/releases/a", "app", False),
        ("app", ".fairlead/releases/a", False),
        ("app", "other", True),
        ("releases/a", "releases/b", True),
    ],
)
def test_a_process_executes_the_code_of_one_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str, fits: bool
) -> None:
    """What it imported stays, and would be imported by the other one's modules."""
    monkeypatch.setattr(app, "_loaded", set())
    monkeypatch.setattr("sys.path", [*sys.path])
    assert load_object(folder_of(tmp_path, first), "app.py:app") == first
    if fits:
        assert load_object(folder_of(tmp_path, second), "app.py:app") == second
        return
    with pytest.raises(CodeMismatch, match="worker --release"):
        load_object(folder_of(tmp_path, second), "app.py:app")
