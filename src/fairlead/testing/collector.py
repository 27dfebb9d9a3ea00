"""An OTLP/HTTP endpoint on the loopback interface, which a fault plan can break."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from fairlead.testing.faults.actions import Action, Delay, Fail, Hang, Lose
from fairlead.testing.faults.injector import Injector
from fairlead.testing.faults.plan import FaultPlan, Point

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ScopeMetrics
    from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

TRACES = "/v1/traces"
METRICS = "/v1/metrics"

_STATUSES = {"unavailable": 503, "busy": 429}


class Collector:
    """Receives telemetry and keeps it; its batches are the points of the exporter's faults.

    A point's name is `traces` or `metrics`. Use it in a `with` block: it stops when the block ends.

    Attributes:
        bodies: What was taken and kept, by path, as it came.
        lost: How many batches were taken and dropped.
        refused: How many batches were answered with an error.
    """

    def __init__(self, plan: FaultPlan | None = None) -> None:
        """Bind a free port.

        Args:
            plan: What breaks; None for nothing.
        """
        self.bodies: dict[str, list[bytes]] = {}
        self.lost = 0
        self.refused = 0
        self._injector = Injector(plan or FaultPlan())
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self) -> str:
        """The endpoint's base."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def scope_spans(self) -> Iterator[ScopeSpans]:
        """Yield what arrived of spans, by their instrumentation scope."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        for body in self._kept(TRACES):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                yield from resource.scope_spans

    def scope_metrics(self) -> Iterator[ScopeMetrics]:
        """Yield what arrived of metrics, by their instrumentation scope."""
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
            ExportMetricsServiceRequest,
        )

        for body in self._kept(METRICS):
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                yield from resource.scope_metrics

    def spans(self) -> list[Span]:
        """Return every span that arrived."""
        return [span for scope in self.scope_spans() for span in scope.spans]

    def metrics(self) -> dict[str, Metric]:
        """Return the newest state of every metric that arrived, by name."""
        return {metric.name: metric for scope in self.scope_metrics() for metric in scope.metrics}

    def _kept(self, path: str) -> list[bytes]:
        with self._lock:
            return list(self.bodies.get(path, ()))

    def _take(self, path: str, body: bytes) -> tuple[int, dict[str, str]]:
        """Take a batch; return the status and the headers of the answer."""
        point = Point(boundaries=("exporter",), names=(path.rpartition("/")[2],), moment="batch")
        actions = self._injector.strike(point)
        for action in actions:
            self._wait(action)
        with self._lock:
            for action in actions:
                if isinstance(action, Fail):
                    self.refused += 1
                    return _STATUSES[action.error], _headers(action)
                if isinstance(action, Lose):
                    self.lost += 1
                    return 200, {}
            self.bodies.setdefault(path, []).append(body)
        return 200, {}

    def _wait(self, action: Action) -> None:
        """Wait as an action says, and no longer than the collector is there."""
        if isinstance(action, Delay):
            self._stopping.wait(action.seconds)
        elif isinstance(action, Hang):
            self._stopping.wait()


def _headers(action: Fail) -> dict[str, str]:
    if action.retry_after_s is None:
        return {}
    return {"Retry-After": f"{action.retry_after_s:g}"}


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers = collector._take(self.path, body)
            try:
                self.send_response(status)
                for name, value in {"Content-Length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
            except ConnectionError:
                # Whoever sent it has given up waiting.
                self.close_connection = True

        def log_message(self, *args: Any) -> None:
            pass

    return Handler
