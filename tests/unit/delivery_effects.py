"""What the settings of delivery do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead.adapters.otel.null import NullTelemetry
from fairlead.bootstrap import Platform, load_app, open_platform, read_app_files
from fairlead.delivery.controller import Controller
from fairlead.settings import Settings


def on_platform(read: Callable[[Platform], Any]) -> Callable[[Settings], Any]:
    """Open the platform, as every command does, and read something of it."""

    def effect(settings: Settings) -> Any:
        with open_platform(settings, telemetry=NullTelemetry()) as platform:
            return read(platform)

    return effect


def companions(platform: Platform) -> list[bool]:
    """Return whether a worker carries rollouts on."""
    settings = platform.settings
    made = platform.worker(load_app(settings), read_app_files(settings))
    return [isinstance(one, Controller) for one in made.companions]


DELIVERY: dict[str, dict[str, Any]] = {
    "worker.controller": {
        "of": on_platform(companions),
        "default": [True],
        "file": ("false", []),
        "env": ("false", []),
    },
    "delivery.tick_s": {
        "of": on_platform(lambda platform: platform.controller.pace.tick_s),
        "default": 0.25,
        "file": ("2.5", 2.5),
        "env": ("3.5", 3.5),
    },
    "delivery.stranded_after_s": {
        "of": on_platform(lambda platform: platform.controller.pace.stranded_after_s),
        "default": 30.0,
        "file": ("2.5", 2.5),
        "env": ("3.5", 3.5),
    },
    "delivery.retire_after_s": {
        "of": on_platform(lambda platform: platform.controller.pace.retire_after_s),
        "default": 2_592_000.0,
        "file": ("25", 25.0),
        "env": ("35", 35.0),
    },
    "delivery.keep_workers_s": {
        "of": on_platform(lambda platform: platform.supervisor(print).upkeep.keep_s),
        "default": 600.0,
        "file": ("2.5", 2.5),
        "env": ("3.5", 3.5),
    },
    "delivery.workers_max": {
        "of": on_platform(lambda platform: platform.supervisor(print).upkeep.most),
        "default": 8,
        "file": ("3", 3),
        "env": ("4", 4),
    },
}
