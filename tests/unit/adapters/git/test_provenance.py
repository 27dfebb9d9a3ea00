"""Where a folder's files come from, as git says; nothing where git cannot say."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fairlead.adapters.git import provenance
from fairlead.adapters.git.provenance import read_provenance
from fairlead.core.provenance import Provenance


class Repository:
    """A repository with an app in a folder, and something else beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.app = root / "app"
        self.app.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, at: int = 0) -> str:
        who = {"NAME": "Ann Example", "EMAIL": "ann@example.com", "DATE": f"@{at} +0000"}
        env = {
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in who.items()
        }
        return subprocess.run(
            ["git", *arguments],
            cwd=self.root,
            env={**os.environ, **env, "GIT_CONFIG_GLOBAL": "/dev/null"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    def commit(self, at: int, path: str = "app/app.py") -> str:
        (self.root / path).write_text(f"x = {at}\n")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "work", at=at)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def test_the_first_release_waits_since_the_first_commit(repository: Repository) -> None:
    repository.commit(500, "else.txt")
    repository.commit(1000)
    newest = repository.commit(2000)
    assert read_provenance(repository.app, False, "") == Provenance(
        commit=newest,
        author="Ann Example",
        committed_at=2000.0,
        dirty=False,
        first_commit_at=1000.0,
    )


def test_a_later_one_since_the_first_commit_that_the_release_before_has_not(
    repository: Repository,
) -> None:
    before = repository.commit(1000)
    repository.commit(1500, "else.txt")
    repository.commit(2000)
    repository.commit(3000)
    found = read_provenance(repository.app, True, before)
    assert found is not None and found.first_commit_at == 2000.0


def test_what_a_branch_brought_in_late_counts_from_when_it_was_made(
    repository: Repository,
) -> None:
    repository.commit(1000)
    repository.git("checkout", "-q", "-b", "side")
    repository.commit(1200, "app/side.py")
    repository.git("checkout", "-q", "main")
    before = repository.commit(2000)
    repository.git("merge", "-q", "--no-ff", "-m", "merge", "side", at=3000)
    found = read_provenance(repository.app, True, before)
    assert found is not None and found.first_commit_at == 1200.0


@pytest.mark.parametrize(("released", "before"), [(True, ""), (True, "f" * 40), (True, "nonsense")])
def test_a_commit_before_that_nobody_knows_leaves_it_open(
    repository: Repository, released: bool, before: str
) -> None:
    repository.commit(1000)
    found = read_provenance(repository.app, released, before)
    assert found is not None
    assert (found.committed_at, found.first_commit_at) == (1000.0, None)


def test_a_shallow_copy_does_not_know_the_first_commit(
    repository: Repository, tmp_path: Path
) -> None:
    repository.commit(1000)
    newest = repository.commit(2000)
    copy = tmp_path / "copy"
    repository.git("clone", "-q", "--depth", "1", f"file://{repository.root}", str(copy))
    found = read_provenance(copy / "app", False, "")
    assert found is not None
    assert (found.commit, found.first_commit_at) == (newest, None)


@pytest.mark.parametrize(
    ("path", "dirty"),
    [
        ("app/app.py", True),
        ("app/new.py", True),
        ("app/.fairlead/x.db", False),
        ("app/deep/__pycache__/x.pyc", False),
        ("b.txt", False),
    ],
)
def test_a_change_of_the_app_that_no_commit_has_is_told(
    repository: Repository, path: str, dirty: bool
) -> None:
    repository.commit(1000)
    (repository.root / path).parent.mkdir(parents=True, exist_ok=True)
    (repository.root / path).write_text("y = 2\n")
    found = read_provenance(repository.app, False, "")
    assert found is not None and found.dirty is dirty


def test_without_a_repository_or_a_commit_nobody_knows(
    tmp_path: Path, repository: Repository
) -> None:
    assert read_provenance(tmp_path, False, "") is None
    assert read_provenance(repository.app, False, "") is None


def test_without_git_or_with_one_that_hangs_nobody_knows(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repository.commit(1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read_provenance(repository.app, False, "") is None
    (tmp_path / "git").write_text("#!/bin/sh\nread line < /dev/zero\nexec /bin/sleep 60\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setattr(provenance, "TIMEOUT_S", 0.2)
    assert read_provenance(repository.app, False, "") is None


def test_a_program_that_the_repository_names_is_not_started(repository: Repository) -> None:
    repository.commit(1000)
    bait = repository.root / "bait"
    hook = repository.root / ".git" / "monitor"
    hook.write_text(f"#!/bin/sh\ntouch {bait}\n")
    hook.chmod(0o755)
    repository.git("config", "core.fsmonitor", str(hook))
    assert read_provenance(repository.app, False, "") is not None
    assert not bait.exists()


def test_a_hook_of_another_repository_does_not_lead_there(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = repository.commit(1000)
    other = Repository(tmp_path / "other")
    other.commit(9000)
    monkeypatch.setenv("GIT_DIR", str(other.root / ".git"))
    found = read_provenance(repository.app, False, "")
    assert found is not None and found.commit == newest
