"""A run keeps the release that it was pinned to; what a release is follows from its files alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from fairlead.core.errors import CodeMismatch, FairleadError, ReleaseDamaged
from fairlead.operations import make_worker, outcome_of_run
from tests.acceptance.support.app import write_app
from tests.acceptance.support.digests import digests
from tests.acceptance.support.scene import ROOT, Scene, scene
from tests.acceptance.support.workers import STAY

pytestmark = pytest.mark.acceptance

PARKED_S = 2.0


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Scene]:
    """An app whose worker executes some runs at the same time."""
    with scene(tmp_path / "app", concurrency=4) as made:
        yield made


@contextmanager
def worker_that_stays(stage: Scene) -> Iterator[None]:
    """A worker process that lives while the block is executed."""
    (stage.folder / STAY).touch()
    worker = stage.spawn("1")
    try:
        yield
    finally:
        (stage.folder / STAY).unlink()
        ended = worker.communicate(timeout=60)
    assert (worker.returncode, ended) == (0, ("", ""))


def parked(stage: Scene, run: str) -> bool:
    """Whether a run waits in its worker's memory."""
    record = stage.run(run)
    return record.state == "waiting" and record.worker_id is not None


def park(stage: Scene, run: str) -> None:
    """Wait until a run is in flight: it waits in its worker's memory."""
    until = time.monotonic() + 30
    while not parked(stage, run):
        assert time.monotonic() < until
        time.sleep(0.02)


def seen(stage: Scene, run_id: str, what: str, field: str) -> list[Any]:
    """Return what the bodies of a run were given."""
    return [entry[field] for entry in stage.ledger(run_id) if entry["what"] == what]


def prompts(stage: Scene, run_id: str) -> list[Any]:
    """Return the instructions of each model turn of a run."""
    return seen(stage, run_id, "model", "instructions")


CHANGES = [
    pytest.param("prompts/everything.md", ("Answer.", "Answer in verse."), id="prompt"),
    pytest.param(
        "fairlead.toml",
        ("[workflow.patient]\ntop_k = 3", "[workflow.patient]\ntop_k = 1"),
        id="top_k",
    ),
]


@pytest.mark.parametrize(("path", "change"), CHANGES)
def test_one_worker_serves_runs_of_two_bundles(
    stage: Scene, path: str, change: tuple[str, str]
) -> None:
    """Only a prompt, or only a setting, changes: the process stays, and so does the old run."""
    old = stage.start("patient", PARKED_S)
    with worker_that_stays(stage):
        park(stage, old)
        before = stage.release
        stage.edit(path, *change)
        after = stage.release_again()
        new = stage.start("patient", 0.0)
        assert stage.wait(new).state == "succeeded"
        assert parked(stage, old)
        assert stage.wait(old).state == "succeeded"
    assert after.manifest.code_digest == before.manifest.code_digest
    assert after.manifest.bundle_digest != before.manifest.bundle_digest
    given = [(prompts(stage, run), seen(stage, run, "retrieval", "top_k")) for run in (old, new)]
    changed = (["Answer in verse."], [3]) if "prompt" in path else (["Answer."], [1])
    assert given == [(["Answer."], [3]), changed]
    assert len({entry["pid"] for run in (old, new) for entry in stage.ledger(run)}) == 1


def test_invariant_03_a_run_ends_on_its_release_whatever_becomes_active(stage: Scene) -> None:
    """Activate, then roll back: new runs follow the pointer, runs in flight do not."""
    releases = stage.platform.releases
    first = releases.activate(stage.release.digest, by="test", override="for the test")
    stage.edit("prompts/everything.md", "Answer.", "Answer in verse.")
    second = releases.activate(stage.release_again().digest, by="test", override="for the test")
    with worker_that_stays(stage):
        stage.release = releases.current()
        in_flight = stage.start("patient", PARKED_S)
        park(stage, in_flight)
        assert releases.rollback(by="test", reason="verse") == (second.digest, first)
        stage.release = releases.current()
        later = stage.start("patient", 0.0)
        assert stage.wait(later).state == "succeeded"
        assert parked(stage, in_flight)
        assert stage.wait(in_flight).state == "succeeded"
    assert prompts(stage, in_flight) == ["Answer in verse."]
    assert prompts(stage, later) == ["Answer."]
    assert [stage.run(run).release for run in (in_flight, later)] == [second.digest, first.digest]


def test_invariant_03_a_worker_refuses_to_be_one_of_other_code(stage: Scene) -> None:
    """That a run of other code waits for its own worker is in the conformance suite."""
    before = stage.release
    stage.edit("app.py", "Look at an item.", "Look at an item twice.")
    after = stage.release_again()
    with pytest.raises(CodeMismatch):
        make_worker(stage.platform, before.digest)
    assert after.manifest.code_digest != before.manifest.code_digest
    assert after.manifest.bundle_digest == before.manifest.bundle_digest


def test_a_run_of_a_damaged_release_is_stopped_before_its_first_call(stage: Scene) -> None:
    """The manifest was changed behind our back: FL-305, and nothing is executed."""
    run = stage.start("everything", "item")
    with stage.platform.database.transaction() as connection:
        changed = connection.execute(
            sa.text("UPDATE releases SET manifest = replace(manifest, 'Answer.', 'Obey.')")
        )
        assert changed.rowcount == 1
    with pytest.raises(ReleaseDamaged) as error:
        stage.platform.release_store.get(stage.release.digest)
    assert isinstance(error.value, FairleadError)
    assert error.value.code == "FL-305"
    assert stage.play() == 0
    outcome = outcome_of_run(stage.run(run))
    assert (outcome.state, outcome.code) == ("failed", "FL-305")
    assert stage.platform.journal.of_run(run) == []


def test_the_same_content_is_the_same_release_everywhere(tmp_path: Path) -> None:
    """Another path, times, newlines, rights, umask, hash seed, folder and process."""
    here = write_app(tmp_path / "here")
    there = tmp_path / "over" / "there"
    shutil.copytree(here, there)
    (there / ".fairlead").mkdir()
    (there / ".fairlead" / "cache.py").write_text("x = 1\n")
    for file in sorted(there.rglob("*"), reverse=True):
        if file.is_file():
            file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
            file.chmod(0o600)
        os.utime(file, (1_000_000_000, 1_000_000_000))
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    found = []
    for seed, umask, cwd in (("1", "077", tmp_path), ("2", "002", there)):
        command = [sys.executable, "-m", "tests.acceptance.support.digests", str(there), umask]
        ended = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(path)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        found.append(json.loads(ended.stdout))
    assert found == [digests(here)] * 2


FILES = [
    ("app.py", "# A comment.\n", {"code"}),
    ("outside.py", "# A comment.\n", {"code"}),
    ("deep/down/more.py", "x = 1\n", {"code"}),
    ("requirements.txt", "pydantic==2.12\n", {"code"}),
    ("uv.lock", "version = 1\n", {"code"}),
    ("fairlead.toml", "model_settings = { temperature = 1 }\n", {"bundle"}),
    ("prompts/everything.md", "Be brief.\n", {"bundle"}),
    ("prompts/unused.md", "Be long.\n", {"bundle"}),
    ("policies/all.cedar", "// A comment.\n", {"bundle"}),
    ("intents/patient.toml", 'problem = "None."\n', {"bundle"}),
    ("evals/patient.yaml", "cases: []\n", {"bundle"}),
    ("fairlead.toml", "\n[rates]\n", {"bundle"}),
    ("fairlead.toml", "\n[ingest]\nmax_bytes = 5\n", set()),
    ("fairlead.toml", "# A comment.\n", set()),
    ("notes/notes.md", "More.\n", set()),
    ("README.md", "Read me.\n", set()),
    (".hidden/more.py", "x = 1\n", set()),
]


@pytest.mark.parametrize(("path", "added", "changes"), FILES)
def test_a_file_changes_exactly_its_digest(
    tmp_path: Path, path: str, added: str, changes: set[str]
) -> None:
    folder = write_app(tmp_path / "app")
    before = digests(folder)
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    with (folder / path).open("a") as file:
        file.write(added)
    after = digests(folder)
    expected = {*changes, "release"} if changes else set()
    assert {name for name in before if before[name] != after[name]} == expected
