"""What carries rollouts on, as an open platform makes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fairlead.core.errors import ClockSkewed
from fairlead.operations import load_settings, open_platform
from fairlead.ports.clock import SystemClock


class Ahead(SystemClock):
    """The clock of a machine that is an hour ahead."""

    def now(self) -> float:
        return super().now() + 3600.0


def test_a_controller_goes_by_the_time_of_the_database(tmp_path: Path) -> None:
    (tmp_path / "fairlead.toml").write_text("")
    with open_platform(load_settings(tmp_path, {})) as platform:
        platform.controller.tick()
        with pytest.raises(ClockSkewed):
            replace(platform, clock=Ahead()).controller.tick()
