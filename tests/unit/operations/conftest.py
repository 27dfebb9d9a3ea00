"""A platform of an app without a release, on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.adapters.otel.null import NullTelemetry
from fairlead.operations import (
    Platform,
    load_settings,
    open_platform,
)
from tests.databases import KINDS, address


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
