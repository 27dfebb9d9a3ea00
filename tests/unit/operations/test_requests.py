"""A worker's code: from the release's archive, whatever stands in the app's folder by now."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from fairlead.adapters.files import app as loading
from fairlead.adapters.files import released
from fairlead.adapters.otel.null import NullTelemetry
from fairlead.bootstrap import materialised
from fairlead.core.errors import CodeMismatch, FairleadError
from fairlead.operations import (
    check_app,
    create_release,
    load_settings,
    make_worker,
    open_platform,
)

APP = """import fairlead as fl

# {comment}
app = fl.App("app", workflows=[])
"""


def write(folder: Path, comment: str) -> Path:
    (folder / "fairlead.toml").write_text("[worker]\nconcurrency = 3\n")
    (folder / "app.py").write_text(APP.format(comment=comment))
    return folder


def folder_in_use(mcp: object) -> Path:
    """Return where programs of MCP servers would be started."""
    found: Path = vars(mcp)["_folder"]
    return found


def test_a_worker_of_a_release_has_its_code_and_its_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [*sys.path])
    with open_platform(
        load_settings(write(tmp_path, "one")), telemetry=NullTelemetry()
    ) as platform:
        old = create_release(platform)[0]
        assert make_worker(platform).runner.code_digest == old.manifest.code_digest
        assert folder_in_use(platform.mcp) == tmp_path
        with pytest.raises(CodeMismatch, match="beside it"):
            make_worker(platform, old.id)
        # As in a process that has executed nothing yet.
        monkeypatch.setattr(loading, "_loaded", set())
        worker = make_worker(platform, old.id)
        write(tmp_path, "two")
        place = tmp_path / ".fairlead" / "releases" / old.manifest.code_digest
        assert worker.runner.code_digest == old.manifest.code_digest
        assert folder_in_use(platform.mcp) == place
        assert "# one" in (place / "app.py").read_text()
        # How it works is said by the app's own folder.
        assert worker.seats.active_max == 3
        # What is not the code's is not read there, and what was damaged is made anew.
        (place / "fairlead.toml").write_text("[")
        (place / "app.py").write_bytes(b"\xff")
        assert make_worker(platform, old.id).runner.code_digest == old.manifest.code_digest
        assert (place / "fairlead.toml").read_text() == ""
        # Somebody tidied up while it works: what it reads or imports late is there again.
        shutil.rmtree(place.parent)
        worker.companions[-1].look()  # type: ignore[attr-defined]
        assert "# one" in (place / "app.py").read_text()
        with platform.database.transaction() as connection:
            connection.execute(sa.text("DELETE FROM archives"))
        shutil.rmtree(place.parent)
        worker.companions[-1].look()  # type: ignore[attr-defined]
        assert not place.exists()
    released._let_go(place)
    monkeypatch.setattr(loading, "_loaded", set())


def test_without_an_archive_the_folder_counts_while_the_code_is_there(tmp_path: Path) -> None:
    with open_platform(
        load_settings(write(tmp_path, "one")), telemetry=NullTelemetry()
    ) as platform:
        old = create_release(platform)[0]
        with platform.database.transaction() as connection:
            connection.execute(sa.text("UPDATE releases SET archive = ''"))
        assert make_worker(platform, old.id).runner.code_digest == old.manifest.code_digest
        assert folder_in_use(platform.mcp) == tmp_path
        write(tmp_path, "two")
        with pytest.raises(CodeMismatch, match="it has no archive"):
            make_worker(platform, old.id)


def test_releases_of_one_code_may_name_another_module(tmp_path: Path) -> None:
    """They share a folder; each is executed as its own configuration says."""
    folder = write(tmp_path, "one")
    (folder / "other.py").write_text(APP.format(comment="other").replace('"app"', '"other"'))
    made = []
    with open_platform(load_settings(folder), telemetry=NullTelemetry()) as platform:
        made.append(create_release(platform)[0])
    (folder / "fairlead.toml").write_text('[app]\nmodule = "other.py:app"\n')
    with open_platform(load_settings(folder), telemetry=NullTelemetry()) as platform:
        made.append(create_release(platform)[0])
        assert len({one.manifest.code_digest for one in made}) == 1
        places = [materialised(platform.settings, platform.release_store, one) for one in made]
    assert {place.folder for place in places} == {places[0].folder}
    assert [place.module for place in places] == ["app.py:app", "other.py:app"]
    released._let_go(places[0].folder)


def test_a_check_keeps_the_files_of_what_it_checked(tmp_path: Path) -> None:
    with open_platform(
        load_settings(write(tmp_path, "one")), telemetry=NullTelemetry()
    ) as platform:
        release = check_app(platform).release
        assert platform.release_store.archive(release.archive) is not None


@pytest.mark.parametrize("act", [create_release, check_app])
def test_what_cannot_be_kept_is_refused_before_anything_is_stored(
    tmp_path: Path, act: object
) -> None:
    (write(tmp_path, "AKIA" + "IOSFODNN7EXAMPLA"))
    with open_platform(load_settings(tmp_path), telemetry=NullTelemetry()) as platform:
        with pytest.raises(FairleadError, match=r"app\.py holds a secret"):
            act(platform)  # type: ignore[operator]
        assert platform.release_store.list() == []
