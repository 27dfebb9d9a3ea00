"""`make demo` observes every part of its story, on the repository's documents and on any others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.operations import load_settings, open_platform
from tests.acceptance.support.cli import ready_app
from tests.acceptance.support.scene import wait_for

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(200)]


def tell(**variables: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("DOCS", "QUESTIONS")}
    return subprocess.run(
        [sys.executable, "-m", "examples.demo"],
        cwd=ROOT,
        env={**environment, **variables, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


def test_the_worker_of_a_demo_that_was_killed_ends(tmp_path: Path) -> None:
    cli = ready_app(tmp_path / "app")
    command = [sys.executable, "-m", "examples.demo.worker", str(cli.folder), str(tmp_path / "w")]
    owner = demo_of(command)
    try:
        with open_platform(load_settings(cli.folder)) as platform:
            wait_for(lambda: len(platform.workers.living(2.0)) == 1)
            owner.kill()
            owner.wait(30)
            # In good order, so its lease is gone, and does not only lapse.
            wait_for(lambda: platform.workers.living(3600.0) == [])
    finally:
        owner.kill()


def demo_of(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a process that starts a worker and waits, as a demo does."""
    program = "import subprocess, sys; subprocess.Popen(sys.argv[1:]).wait()"
    return subprocess.Popen([sys.executable, "-c", program, *command], cwd=ROOT)


def test_the_demo_on_the_repositorys_own_documents() -> None:
    done = tell()
    assert done.returncode == 0, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    for line in (
        "gate passed for release A",
        "runs were in flight when the worker died",
        "recorded calls executed again: 0",
        "gate refused release B",
        "runs on B failed the grounding check",
        "new runs use A again",
        "the worker is still process",
        "gate passed for release C",
        "when it had been given",
        "nobody's hand: every event behind the start was written by worker",
        "new runs start on A alone",
        "gate passed for release D",
        "D is current: 95% of new runs start on it, and 5% stay on A while it is observed",
        "promoted by evidence",
        "the event log holds",
        "What to type next",
    ):
        assert line in said
    assert not [line for line in done.stdout.splitlines() if line.startswith("   ✗")]
    assert max(map(len, done.stdout.splitlines())) <= 100
    draws_the_evidence(done.stdout)


def draws_the_evidence(story: str) -> None:
    bad, good = story.split("6. Release C")[1].split("7. Release D")
    assert bad.count("$ fairlead rollout status") == 2
    assert ": rolled back" in bad
    assert "the candidate is worse by success" in bad
    assert ": observing" in good
    assert "the candidate is good by success" in good
    for part in (bad, good):
        assert "that it harms" in part
        # One of both bars is full.
        assert "███████████████████" in part


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
    assert f"ingestedfrom{tmp_path}" in "".join(done.stdout.split())


def test_the_demo_says_what_it_cannot_work_with(tmp_path: Path) -> None:
    done = tell(DOCS=str(tmp_path / "nowhere"))
    assert done.returncode != 0
    assert "FL-117" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
