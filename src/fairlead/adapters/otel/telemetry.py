"""Emits spans and metrics through OpenTelemetry, without any content.

What a call was asked and what it returned is never read here, nor any error's message: only names,
ids, states, counts and times leave the process.

A run's trace id and the id of its own span are derived from the run's id. So the spans of two
workers, one of which took the run over from the other, stand in one trace, below one span that is
emitted when the run ends.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fairlead.adapters.otel import names
from fairlead.adapters.otel.keeping import keeper
from fairlead.core.audit import Checkpoint
from fairlead.core.calls import Call, Done, Failed, Refused, Result, result_state
from fairlead.core.context import Context
from fairlead.core.errors import FairleadError, InvalidConfig
from fairlead.core.flags import FlagDetails
from fairlead.ports.telemetry import CallSpan, Signal

if TYPE_CHECKING:
    from opentelemetry.context import Context as OtelContext
    from opentelemetry.metrics import Histogram
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.trace import Span

QUEUE_SPANS_MAX = 2048
BATCH_SPANS_MAX = 512
SPAN_INTERVAL_MS = 1_000
METRIC_INTERVAL_MS = 10_000
EXPORT_TIMEOUT_S = 2.0
FLUSH_TIMEOUT_S = 3.0
_REMOTE = ("model", "retrieval")
"""Kinds of call that ask another service; the others execute code of the app's own."""

SIGNALS_MAX = 100_000

_SENDER = "fairlead-otel-flush"
_FAILED_STATES = frozenset(("denied", "failed", "cancelled"))

_logger = logging.getLogger(__name__)
_ids: ContextVar[tuple[int, int] | None] = ContextVar("fairlead_otel_ids", default=None)


def otlp_telemetry(
    endpoint: str,
    *,
    service: str = "fairlead",
    export_timeout_s: float = EXPORT_TIMEOUT_S,
    flush_timeout_s: float = FLUSH_TIMEOUT_S,
) -> OtelTelemetry:
    """Return telemetry that sends to an OTLP/HTTP endpoint, in batches, from its own threads.

    A run only ever puts a span into a queue; when the queue is full the oldest span is dropped.
    Nothing is sent at exit by itself: call `flush` or `close`.

    Args:
        endpoint: The endpoint's base, such as `http://localhost:4318`.
        service: The `service.name` of what is emitted.
        export_timeout_s: Seconds for one batch, with its retries.
        flush_timeout_s: Seconds that `flush` and `close` wait at most.

    Raises:
        InvalidConfig: The endpoint is no http or https URL.
    """
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InvalidConfig(
            "telemetry.endpoint must start with http:// or https://", key="telemetry.endpoint"
        )
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    base = endpoint.rstrip("/")
    spans = OTLPSpanExporter(endpoint=f"{base}/v1/traces", timeout=export_timeout_s)
    metrics = OTLPMetricExporter(endpoint=f"{base}/v1/metrics", timeout=export_timeout_s)
    processor = BatchSpanProcessor(
        spans,
        max_queue_size=QUEUE_SPANS_MAX,
        max_export_batch_size=BATCH_SPANS_MAX,
        schedule_delay_millis=SPAN_INTERVAL_MS,
    )
    reader = PeriodicExportingMetricReader(
        metrics,
        export_interval_millis=METRIC_INTERVAL_MS,
        export_timeout_millis=export_timeout_s * 1000,
    )
    return OtelTelemetry(
        processors=[processor],
        readers=[reader],
        service=service,
        flush_timeout_s=flush_timeout_s,
    )


def collecting_telemetry(*, signals_max: int = SIGNALS_MAX) -> OtelTelemetry:
    """Return telemetry that sends nothing and keeps what was emitted, for a gate to look at.

    Args:
        signals_max: Most signals to keep; beyond it the oldest are dropped.
    """
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    kept: deque[Signal] = deque(maxlen=signals_max)
    return OtelTelemetry(processors=[SimpleSpanProcessor(keeper(kept))], kept=kept)


class OtelTelemetry:
    """Spans and metrics through providers of its own; the global ones are left alone.

    Args:
        processors: Where spans go.
        readers: Where metrics go.
        service: The `service.name` of what is emitted.
        kept: The signals that `signals` returns; None keeps nothing.
        flush_timeout_s: Seconds that `flush` and `close` wait at most.
    """

    def __init__(
        self,
        *,
        processors: Sequence[SpanProcessor],
        readers: Sequence[MetricReader] = (),
        service: str = "fairlead",
        kept: deque[Signal] | None = None,
        flush_timeout_s: float = FLUSH_TIMEOUT_S,
    ) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        resource = Resource.create({"service.name": service})
        self._tracers = TracerProvider(
            sampler=ALWAYS_ON,
            resource=resource,
            id_generator=_id_generator(),
            shutdown_on_exit=False,
        )
        for processor in processors:
            self._tracers.add_span_processor(processor)
        self._meters = MeterProvider(
            metric_readers=readers, resource=resource, shutdown_on_exit=False
        )
        self._tracer = self._tracers.get_tracer(names.SCOPE, schema_url=names.SCHEMA_URL)
        self._tokens = self._histogram(names.TOKEN_USAGE, "{token}", names.TOKEN_BUCKETS)
        client = self._histogram(names.OPERATION_DURATION, "s", names.SECOND_BUCKETS)
        tool = self._histogram(names.TOOL_DURATION, "s", names.SECOND_BUCKETS)
        own = {kind: tool for kind in names.OPERATIONS if kind not in _REMOTE}
        self._durations = {**own, **dict.fromkeys(_REMOTE, client)}
        self._runs = self._histogram(names.WORKFLOW_DURATION, "s", names.SECOND_BUCKETS)
        self._kept = kept
        self._flush_timeout_s = flush_timeout_s
        self._sender: threading.Thread | None = None
        self._sender_lock = threading.Lock()

    @contextmanager
    def call(self, call: Call, context: Context) -> Iterator[CallSpan]:
        """Open the span of a call; it is closed when the block ends.

        An error that leaves the block is marked on the span by its code or class and goes on.

        Args:
            call: The call; its arguments are not read.
            context: The run behind it.
        """
        from opentelemetry.trace import SpanKind

        named = names.call_attributes(call)
        span = self._tracer.start_span(
            names.span_name(call.kind, named),
            context=_below_run(context.run_id),
            kind=SpanKind.CLIENT if call.kind in _REMOTE else SpanKind.INTERNAL,
            attributes={**named, **names.run_attributes(context), names.CALL_KEY: call.key},
        )
        open_span = _OpenSpan(span)
        began = time.perf_counter()
        try:
            yield open_span
        except BaseException as error:
            open_span.fail(_error_type(error))
            raise
        finally:
            seconds = time.perf_counter() - began
            span.end()
            measured = {**named, names.WORKFLOW: context.workflow}
            if open_span.error_type:
                measured[names.ERROR_TYPE] = open_span.error_type
            self._durations[call.kind].record(seconds, measured)
            if call.kind == "model":
                self._count_tokens(open_span, measured)

    def run_finished(
        self, context: Context, *, state: str, started_at: float, finished_at: float
    ) -> None:
        """Emit the span and the metrics of a whole run.

        Args:
            context: The run.
            state: How it ended.
            started_at: Seconds since 1970, UTC.
            finished_at: The same.
        """
        from opentelemetry.context import Context as OtelContext
        from opentelemetry.trace import SpanKind

        finished_at = max(started_at, finished_at)  # two workers' clocks may differ
        measured = {
            names.OPERATION_NAME: names.RUN_OPERATION,
            names.WORKFLOW_NAME: context.workflow,
        }
        token = _ids.set(_run_ids(context.run_id))
        try:
            span = self._tracer.start_span(
                f"{names.RUN_OPERATION} {context.workflow}",
                context=OtelContext(),
                kind=SpanKind.INTERNAL,
                attributes={**measured, **names.run_attributes(context), names.RUN_STATE: state},
                start_time=int(started_at * 1e9),
            )
        finally:
            _ids.reset(token)
        if state in _FAILED_STATES:
            measured[names.ERROR_TYPE] = state
            _mark(span, state)
        span.end(end_time=int(finished_at * 1e9))
        self._runs.record(finished_at - started_at, measured)

    def flag_evaluated(self, context: Context, details: FlagDetails[Any]) -> None:
        """Emit that a run asked for a flag, as a span without a duration below the run's."""
        attributes = {**names.flag_attributes(details), **names.run_attributes(context)}
        below = _below_run(context.run_id)
        self._tracer.start_span(names.FLAG_EVALUATION, below, attributes=attributes).end()

    def checkpointed(self, checkpoint: Checkpoint) -> None:
        """Emit a checkpoint of the event log as a span of its own, in a trace of its own.

        Args:
            checkpoint: What the log held; its digests and its signature are sent.
        """
        from opentelemetry.context import Context as OtelContext

        at = int(checkpoint.time * 1e9)
        self._tracer.start_span(
            f"{names.CHECKPOINT_OPERATION} {checkpoint.number}",
            context=OtelContext(),
            attributes=names.checkpoint_attributes(checkpoint),
            start_time=at,
        ).end(end_time=at)

    def signals(self) -> Sequence[Signal]:
        """Return what was emitted so far, when this telemetry keeps it for a gate; else nothing."""
        return tuple(self._kept or ())

    def flush(self) -> None:
        """Send what is waiting, within a bounded time."""
        self._send(self._force_flush)

    def close(self) -> None:
        """Send what is waiting and stop, within a bounded time; later spans are dropped."""
        self._send(self._shutdown)

    def _histogram(self, name: str, unit: str, buckets: Sequence[float]) -> Histogram:
        meter = self._meters.get_meter(names.SCOPE, schema_url=names.SCHEMA_URL)
        return meter.create_histogram(name, unit=unit, explicit_bucket_boundaries_advisory=buckets)

    def _count_tokens(self, span: _OpenSpan, measured: dict[str, str]) -> None:
        for kind, count in span.tokens.items():
            self._tokens.record(count, {**measured, names.TOKEN_TYPE: kind})

    def _send(self, work: Callable[[], None]) -> None:
        """Do the work on a thread and stop waiting for it in time.

        The library's own flush takes no notice of its timeout: it sends batch after batch, each
        with its own. A thread that still sends is waited for first, so that there is one at most.
        """
        deadline = time.monotonic() + self._flush_timeout_s
        # An interpreter that is going down starts no threads; what is waiting is lost then.
        with suppress(RuntimeError):
            while True:
                with self._sender_lock:
                    earlier = self._sender
                    if earlier is None or not earlier.is_alive():
                        earlier = None
                        sender = threading.Thread(target=work, name=_SENDER, daemon=True)
                        sender.start()
                        self._sender = sender
                    else:
                        sender = earlier
                sender.join(max(0.0, deadline - time.monotonic()))
                if earlier is None or sender.is_alive():
                    return

    def _force_flush(self) -> None:
        try:
            self._tracers.force_flush()
            self._meters.force_flush()
        except Exception:
            _logger.warning("telemetry was not flushed", exc_info=True)

    def _shutdown(self) -> None:
        try:
            self._tracers.shutdown()
            self._meters.shutdown()
        except Exception:
            _logger.warning("telemetry was not shut down cleanly", exc_info=True)


class _OpenSpan:
    """The span of a call that is under way."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.error_type = ""
        self.tokens: dict[str, int] = {}

    def end(self, result: Result) -> None:
        state = result_state(result)
        self._span.set_attribute(names.CALL_STATE, state)
        if not isinstance(result, Done):
            self.fail(result.code if isinstance(result, Refused | Failed) else state)
            return
        usage = result.usage
        if usage.input_tokens or usage.output_tokens:
            self.tokens = {"input": usage.input_tokens, "output": usage.output_tokens}
            self._span.set_attribute(names.INPUT_TOKENS, usage.input_tokens)
            self._span.set_attribute(names.OUTPUT_TOKENS, usage.output_tokens)

    def fail(self, error_type: str) -> None:
        self.error_type = error_type
        _mark(self._span, error_type)


def _mark(span: Span, error_type: str) -> None:
    """Mark a span as failed; a status has no description, because a message can hold content."""
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute(names.ERROR_TYPE, error_type)
    span.set_status(Status(StatusCode.ERROR))


def _error_type(error: BaseException) -> str:
    return error.code if isinstance(error, FairleadError) else type(error).__name__


def _run_ids(run_id: str) -> tuple[int, int]:
    """Return the ids of a run's trace and of its own span; neither is ever zero."""
    digest = hashlib.sha256(f"fairlead.run:{run_id}".encode()).digest()
    return int.from_bytes(digest[:16], "big") or 1, int.from_bytes(digest[16:24], "big") or 1


def _below_run(run_id: str) -> OtelContext:
    """Return a context in which a new span is a child of the run's span, emitted or not yet."""
    from opentelemetry.context import Context as OtelContext
    from opentelemetry.trace import (
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        set_span_in_context,
    )

    trace_id, span_id = _run_ids(run_id)
    flags = TraceFlags(TraceFlags.SAMPLED)
    parent = SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(parent), OtelContext())


def _id_generator() -> IdGenerator:
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class RunIdGenerator(RandomIdGenerator):
        """Gives a run's span its derived ids, and every other span a random one."""

        def generate_trace_id(self) -> int:
            ids = _ids.get()
            return ids[0] if ids else super().generate_trace_id()

        def generate_span_id(self) -> int:
            ids = _ids.get()
            return ids[1] if ids else super().generate_span_id()

    return RunIdGenerator()
