"""The faces are typed: mypy and pyright, both strict, accept right uses and refuse wrong ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "typing"
ROOT = HERE.parents[1]


def mypy_lines(path: Path) -> set[int]:
    """Return the lines on which mypy reports an error."""
    command = [sys.executable, "-m", "mypy", "--strict", "--output", "json", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {item["line"] for item in found if item["severity"] == "error"}


def pyright_lines(path: Path) -> set[int]:
    """Return the lines on which pyright, as configured in pyproject.toml, reports an error."""
    command = [sys.executable, "-m", "pyright", "--outputjson"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == 2, done.stdout
    return {
        item["range"]["start"]["line"] + 1
        for item in report["generalDiagnostics"]
        if item["severity"] == "error" and Path(item["file"]) == path
    }


def marked(path: Path) -> set[int]:
    """Return the lines that are marked as wrong."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {number for number, line in enumerate(lines, 1) if "# wrong:" in line}


def moved(path: Path, lines: set[int]) -> set[int]:
    """Move each error to the nearest mark of its paragraph.

    A declaration has several lines, and the checkers do not agree on which of them is to blame.
    """
    text = path.read_text(encoding="utf-8").splitlines()
    paragraphs, number = {}, 0
    for line, content in enumerate(text, 1):
        number += not content.strip()
        paragraphs[line] = number
    found = set()
    for line in lines:
        near = [mark for mark in marked(path) if paragraphs[mark] == paragraphs[line]]
        found.add(min(near, key=lambda mark: abs(mark - line)) if near else line)
    return found


@pytest.mark.parametrize("name", ["right.py", "wrong.py"])
def test_mypy(name: str) -> None:
    path = HERE / name
    assert moved(path, mypy_lines(path)) == marked(path)


@pytest.mark.parametrize("name", ["right.py", "wrong.py"])
def test_pyright(name: str) -> None:
    path = HERE / name
    assert moved(path, pyright_lines(path)) == marked(path)


def test_every_wrong_use_is_marked() -> None:
    assert len(marked(HERE / "wrong.py")) == 15
