"""The gate waits for the spans of its runs: the last one comes after the run's recorded end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters.otel.telemetry import OtelTelemetry
from fairlead.entrypoints.cli.scaffold import make_app
from fairlead.operations import load_settings, open_platform
from fairlead.operations.checking import check_here

pytestmark = pytest.mark.acceptance


def test_a_span_that_comes_late_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_finished = OtelTelemetry.run_finished

    def late(self: OtelTelemetry, *args: Any, **kwargs: Any) -> None:
        time.sleep(0.1)
        run_finished(self, *args, **kwargs)

    monkeypatch.setattr(OtelTelemetry, "run_finished", late)
    make_app(tmp_path / "app")
    with open_platform(load_settings(tmp_path / "app")) as platform:
        report = check_here(platform)
    assert [check.name for check in report.checks if check.conclusion != "success"] == []
