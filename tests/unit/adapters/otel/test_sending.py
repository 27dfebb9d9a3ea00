"""A collector that is down, slow or broken harms no run."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from fairlead.adapters.otel.telemetry import OtelTelemetry, otlp_telemetry
from fairlead.core.calls import Call, Done
from fairlead.core.context import Context
from fairlead.core.errors import InvalidConfig
from fairlead.core.identity import Principal

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


@pytest.fixture
def closed_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """A loopback port on which nobody listens."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def test_a_collector_that_is_down_neither_raises_nor_blocks(closed_port: int) -> None:
    telemetry = otlp_telemetry(
        f"http://127.0.0.1:{closed_port}/", export_timeout_s=0.2, flush_timeout_s=0.5
    )
    began = time.monotonic()
    for _ in range(3000):
        with telemetry.call(CALL, CONTEXT) as span:
            span.end(DONE)
    telemetry.run_finished(CONTEXT, state="succeeded", started_at=1.0, finished_at=2.0)
    assert time.monotonic() - began < 5.0
    for finish in (telemetry.flush, telemetry.close):
        began = time.monotonic()
        finish()
        assert time.monotonic() - began < 2.0


class Stuck(SpanExporter):
    """An exporter whose collector takes the batch and never answers."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.flushes = 0

    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self.force_flush()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        self.flushes += 1
        self.let_go.wait(30)
        return True


class Through(SimpleSpanProcessor):
    """Flushes its exporter."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self.span_exporter.force_flush(timeout_millis)


def test_flush_is_bounded_and_does_not_pile_up_threads() -> None:
    stuck = Stuck()
    telemetry = OtelTelemetry(processors=[Through(stuck)], flush_timeout_s=0.1)
    try:
        began = time.monotonic()
        callers = [threading.Thread(target=telemetry.flush) for _ in range(5)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert time.monotonic() - began < 2.0
        assert stuck.flushes == 1
    finally:
        stuck.let_go.set()
    telemetry.flush()
    telemetry.close()
    assert stuck.flushes == 3


class Broken(SpanExporter):
    """An exporter that raises whatever it is asked."""

    def export(self, spans: Any) -> SpanExportResult:
        raise OSError("down")

    def shutdown(self) -> None:
        raise OSError("down")

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        raise OSError("down")


def test_an_exporter_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    telemetry = OtelTelemetry(processors=[Through(Broken())])
    with telemetry.call(CALL, CONTEXT) as span:
        span.end(DONE)
    telemetry.flush()
    telemetry.close()
    messages = [record.getMessage() for record in caplog.records]
    assert "telemetry was not flushed" in messages
    assert "telemetry was not shut down cleanly" in messages


def test_an_interpreter_that_starts_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry = OtelTelemetry(processors=[])

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        telemetry.flush()
    telemetry.flush()


@pytest.mark.parametrize("endpoint", ["localhost:4318", "", "ftp://x", "http://"])
def test_endpoint_must_be_a_url(endpoint: str) -> None:
    with pytest.raises(InvalidConfig, match=r"telemetry\.endpoint"):
        otlp_telemetry(endpoint)
