"""`make demo` observes every part of its story, on the repository's documents and on any others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.acceptance


def tell(**variables: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("DOCS", "QUESTIONS")}
    return subprocess.run(
        [sys.executable, "-m", "examples.demo"],
        cwd=ROOT,
        env={**environment, **variables, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_the_demo_on_the_repositorys_own_documents() -> None:
    done = tell()
    assert done.returncode == 0, done.stdout + done.stderr
    for line in (
        "gate passed for release A",
        "runs were in flight when the worker died",
        "recorded calls executed again: 0",
        "gate refused release B",
        "runs on B failed the grounding check",
        "new runs use A again",
        "the worker is still process",
        "the event log holds",
        "What to type next",
    ):
        assert line in done.stdout
    assert "✗" not in done.stdout


@pytest.mark.soak
def test_the_demo_on_a_folder_of_other_documents(tmp_path: Path) -> None:
    subjects = ("pump", "valve", "winch", "anchor", "mast", "rudder", "engine", "cabin")
    for number, subject in enumerate(subjects):
        lines = [
            f"The {subject} of the {colour} ship is oiled every {number + days} days."
            for days, colour in enumerate(("red", "green", "blue", "white"), 2)
        ]
        text = f"# {subject.title()}\n\n" + "\n\n".join(lines) + "\n"
        (tmp_path / f"{subject}.md").write_text(text, encoding="utf-8")
    done = tell(DOCS=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"ingested from {tmp_path}" in done.stdout.replace("\n", "")


def test_the_demo_says_what_it_cannot_work_with(tmp_path: Path) -> None:
    done = tell(DOCS=str(tmp_path / "nowhere"))
    assert done.returncode != 0
    assert "FL-117" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
