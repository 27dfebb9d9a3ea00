"""Without an endpoint nothing is emitted and nothing is loaded."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from fairlead.adapters.otel.null import NullTelemetry
from fairlead.core.calls import Call, Done
from fairlead.core.context import Context
from fairlead.core.identity import Principal
from fairlead.ports.telemetry import Telemetry

CALL = Call(
    run_id="run-1",
    number=1,
    kind="tool",
    name="refund",
    arguments={},
    effect="read",
    lineage="run-1",
)
CONTEXT = Context(run_id="run-1", workflow="answers", release="ab" * 32, principal=Principal())
DONE = Done(value=None)


def test_null_telemetry() -> None:
    telemetry: Telemetry = NullTelemetry()
    with telemetry.call(CALL, CONTEXT) as span:
        span.end(DONE)
    telemetry.run_finished(CONTEXT, state="succeeded", started_at=1.0, finished_at=2.0)
    telemetry.flush()
    assert telemetry.signals() == ()


@pytest.mark.parametrize("module", ["null", "names", "telemetry"])
def test_importing_loads_no_library(module: str) -> None:
    program = (
        f"import sys, json, fairlead.adapters.otel.{module};"
        "print(json.dumps([m for m in sys.modules if m.startswith('opentelemetry')]))"
    )
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(ended.stdout) == []
