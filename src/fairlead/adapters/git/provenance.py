"""Asks git where the files of a folder come from; without git, nobody knows."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from fairlead.core.provenance import Provenance

TIMEOUT_S = 10.0
"""Seconds that git may take for one answer."""

COMMITS_MAX = 10_000
"""Most commits that are looked through for the first one."""

AUTHOR_CHARS_MAX = 200

# A file system monitor is a program that the repository's configuration names.
_GIT = ("git", "-c", "core.fsmonitor=false", "--no-pager")
_HERE = ("--", ".", ":(exclude).fairlead", ":(exclude,glob)**/__pycache__/**")


class _Unknown(Exception):
    """Git is not there, does not know, or does not answer in time."""


def read_provenance(folder: Path, released: bool, before: str) -> Provenance | None:
    """Return where the files of a folder come from; None when it is in no repository.

    Args:
        folder: The app's folder.
        released: Whether there is a release before.
        before: The commit of the release before; empty when it is not known.
    """
    try:
        commit, author, at = _ask(folder, "log", "-1", "--format=%H%x00%an%x00%ct").split("\0")
        return Provenance(
            commit=commit,
            author=author[:AUTHOR_CHARS_MAX],
            committed_at=float(at),
            dirty=bool(_ask(folder, "status", "--porcelain", "--untracked-files=all", *_HERE)),
            first_commit_at=_first(folder, released=released, before=before),
        )
    except (_Unknown, ValueError):
        return None


def _first(folder: Path, *, released: bool, before: str) -> float | None:
    """Return when the first commit was made that the release before does not have."""
    if released and not before:
        return None
    try:
        if not released and _ask(folder, "rev-parse", "--is-shallow-repository") != "false":
            return None  # What is the oldest here is not the first.
        since = f"{before}..HEAD" if before else "HEAD"
        said = _ask(folder, "log", f"--max-count={COMMITS_MAX}", "--format=%ct", since, *_HERE)
    except _Unknown:
        return None  # Such as a commit that is not in this copy of the repository.
    return min(map(float, said.split()), default=None)


def _ask(folder: Path, *arguments: str) -> str:
    # Variables of a hook or of another checkout would lead to another repository.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        ended = subprocess.run(
            [*_GIT, *arguments],
            cwd=folder,
            env={**environment, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise _Unknown from error
    return ended.stdout.decode(errors="replace").strip()
