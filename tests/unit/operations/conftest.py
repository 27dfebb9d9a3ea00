"""A store, and a platform of an app without a release, on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from fairlead.adapters.otel.null import NullTelemetry
from fairlead.operations import (
    Platform,
    Settings,
    load_settings,
    open_platform,
)
from tests.databases import KINDS, address
from tests.unit.operations.stores import Site, fill


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    app, other = tmp_path / "app", tmp_path / "other"
    for folder in (app, other, tmp_path / "backups"):
        folder.mkdir()
    (app / "fairlead.toml").write_text("")

    @contextmanager
    def elsewhere() -> Iterator[Settings]:
        with address(request.param, request, other) as url:
            yield replace(settings, database_url=url)

    with address(request.param, request, app) as url:
        settings = replace(load_settings(app, {}), database_url=url, synchronous="normal")
        made = Site(settings=settings, folder=tmp_path / "backups", elsewhere=elsewhere)
        with made.open() as platform:
            fill(platform)
        yield made


@pytest.fixture(params=KINDS)
def platform(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Platform]:
    """A platform of an app without a release, on each kind of database."""
    with address(request.param, request, tmp_path) as url:
        (tmp_path / "fairlead.toml").write_text(
            f'[app]\nname = "shop"\n[database]\nurl = "{url}"\n'
            '[collections.notes]\npath = "notes"\n'
        )
        (tmp_path / "notes").mkdir()
        (tmp_path / "notes" / "phone.md").write_text("Nobody is called by phone on a Sunday.")
        with open_platform(load_settings(tmp_path, {}), telemetry=NullTelemetry()) as opened:
            yield opened
