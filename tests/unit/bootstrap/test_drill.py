"""The scratch place of a drill: nothing leaves it, and no real place is taken for one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

import fairlead as fl
from fairlead.adapters.otel.null import NullTelemetry
from fairlead.bootstrap.drill import scratch_settings
from fairlead.bootstrap.opening import open_platform
from fairlead.bootstrap.without_effects import without_effects
from fairlead.core.errors import DrillForeign
from fairlead.ports.releases import ReleaseStore
from fairlead.runtime.stand_ins import StandIns
from fairlead.settings import DRILL, Settings, load_settings
from tests.unit.runtime.test_stand_ins import CALL, RELEASE


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "fairlead.toml").write_text('[app]\nenvironment = "live"\n')
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    return load_settings(tmp_path, environment)


class Active:
    """Says which releases are active."""

    def __init__(self, **found: str) -> None:
        self._found = found

    def active(self) -> dict[str, str]:
        return self._found

    def list(self) -> list[Any]:
        return [RELEASE]


def taken(settings: Settings, active: dict[str, str]) -> Any:
    with open_platform(replace(settings, otlp_endpoint=None)) as platform:
        store = cast(ReleaseStore, Active(**active))
        return without_effects(platform.services, fl.App("a", workflows=[]), store).faults


@pytest.mark.parametrize("active", [{}, {DRILL: "d"}])
def test_effects_are_stood_in_for_in_a_scratch_place(settings: Settings, active: Any) -> None:
    assert isinstance(taken(settings, active), StandIns)


def test_what_a_server_s_tool_promises_is_read_from_the_releases(settings: Settings) -> None:
    async def body(_: Any) -> Any:
        raise AssertionError("it is executed")

    driver = taken(settings, {}).body(replace(CALL, name="s__send"), body)
    assert asyncio.run(driver(None)).value == ""


def test_a_place_with_another_environment_is_refused(settings: Settings) -> None:
    with pytest.raises(DrillForeign, match="active here in live"):
        taken(settings, {DRILL: "d", "live": "e"})


def test_nothing_of_a_drill_is_exported_signed_or_kept(settings: Settings, tmp_path: Path) -> None:
    scratch = scratch_settings(settings, tmp_path / "scratch")
    assert scratch.database_url == f"sqlite:///{tmp_path}/scratch/drill.db"
    assert (scratch.environment, scratch.every_s, scratch.otlp_endpoint) == (DRILL, 0.0, None)
    # A worker is a process of its own, which reads the endpoint from the app's own settings.
    (tmp_path / "scratch").mkdir()
    with open_platform(replace(scratch, otlp_endpoint=settings.otlp_endpoint)) as platform:
        assert isinstance(platform.telemetry, NullTelemetry)
