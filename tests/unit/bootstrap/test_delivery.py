"""What carries rollouts on, as an open platform makes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fairlead.core.errors import ClockSkewed, UnknownRollout
from fairlead.core.rollout import Rollout
from fairlead.operations import load_settings, open_platform
from fairlead.ports.clock import SystemClock


class Ahead(SystemClock):
    """The clock of a machine that is an hour ahead."""

    def now(self) -> float:
        return super().now() + 3600.0


class OneRollout:
    """A store with a rollout that is gone when it is looked at."""

    def to_look_at(self, environment: str, by: str) -> list[str]:
        return ["ro-1"]

    def get(self, rollout_id: str) -> Rollout:
        raise UnknownRollout(f"no rollout has the id {rollout_id}")


def test_a_controller_goes_by_the_time_of_the_database(tmp_path: Path) -> None:
    (tmp_path / "fairlead.toml").write_text("")
    with open_platform(load_settings(tmp_path, {})) as platform:
        for clock, skewed in ((platform.clock, False), (Ahead(), True)):
            made = replace(platform, clock=clock).controller
            made.rollouts = replace(made.rollouts, store=OneRollout())
            with pytest.raises(ClockSkewed if skewed else UnknownRollout):
                made.tick()
