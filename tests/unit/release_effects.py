"""What the settings of releases' files do."""

from __future__ import annotations

import shutil

import pytest

from fairlead.bootstrap import Platform, materialised, read_app_files
from fairlead.operations import create_release, making
from fairlead.ports.app_files import AppFiles
from fairlead.settings import Settings

APP = 'import fairlead as fl\n\napp = fl.App("app", workflows=[])\n'


def read_by_code(settings: Settings) -> set[str]:
    """Return which of two files beside the code are a part of it."""
    for name in ("a.csv", "b.json"):
        (settings.folder / name).write_text("1")
    return {"a.csv", "b.json"} & set(read_app_files(settings).code)


def largest_archive(platform: Platform) -> list[int]:
    """Return what an archive is held against when a release is made."""
    asked: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making, "archive_of", lambda _, most: asked.append(most))
        making.Making.of(platform, AppFiles(code={}, bundle={"fairlead.toml": b""}))
    return asked


def folders_kept(platform: Platform) -> int:
    """Return how many folders with the code of releases there are when one more was made."""
    settings = platform.settings
    (settings.folder / "app.py").write_text(APP)
    release, _ = create_release(platform)
    for number in range(20):
        (settings.folder / ".fairlead" / "releases" / str(number)).mkdir(parents=True)
    there = materialised(settings, platform.release_store, release).folder
    left = list(there.parent.iterdir())
    shutil.rmtree(there.parent)
    return len(left) if there in left else 0
