"""Spans and metrics say what happened and never what was said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fairlead.adapters.otel import names
from fairlead.adapters.otel.telemetry import (
    OtelTelemetry,
    collecting_telemetry,
)
from fairlead.core.calls import Call, Done, Failed, Refused, Result, RetryAt, Unknown, Usage
from fairlead.core.context import Context
from fairlead.core.errors import CallFailed
from fairlead.core.identity import Principal
from fairlead.guardrails.telemetry import PLATFORM_RULES, telemetry_findings
from fairlead.ports.journal import CallRecord

CANARY = "canary-4711"
NAMES = {"model": "openai:gpt-5", "tool": "refund", "retrieval": "handbook"}
CONTEXT = Context(
    run_id="run-1",
    workflow="answers",
    release="0123456789abcdef" * 4,
    principal=Principal(user=f"ann-{CANARY}", tenant="acme"),
    idempotency_key=CANARY,
)
RUN = {
    "fairlead.run.id": "run-1",
    "fairlead.release.id": "0123456789ab",
    "fairlead.workflow": "answers",
    "fairlead.tenant": "acme",
}


def make_call(kind: Any = "model", number: int = 1, **fields: Any) -> Call:
    values: dict[str, Any] = {
        "run_id": "run-1",
        "number": number,
        "kind": kind,
        "name": NAMES[kind],
        "arguments": {"secret": CANARY, CANARY: [CANARY]},
        "effect": "read",
        "lineage": "run-1",
        **fields,
    }
    return Call(**values)


DONE = Done(value=CANARY, usage=Usage(input_tokens=11, output_tokens=7, cost_usd=0.1))


@dataclass(frozen=True)
class Rig:
    telemetry: OtelTelemetry
    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader

    def emit(self, call: Call, result: Result = DONE) -> ReadableSpan:
        with self.telemetry.call(call, CONTEXT) as span:
            span.end(result)
        return self.exporter.get_finished_spans()[-1]

    def points(self, metric: str) -> list[tuple[dict[str, Any], float]]:
        """Each point of a histogram: its attributes and its sum."""
        data = self.reader.get_metrics_data()
        assert data is not None
        return [
            (dict(point.attributes), point.sum)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for each in scope.metrics
            if each.name == metric
            for point in each.data.data_points
        ]


@pytest.fixture
def rig() -> Rig:
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    telemetry = OtelTelemetry(processors=[SimpleSpanProcessor(exporter)], readers=[reader])
    return Rig(telemetry, exporter, reader)


# ------------------------------------------------------------------------------------------- spans


def test_model_turn(rig: Rig) -> None:
    span = rig.emit(make_call("model"))
    assert span.name == "chat gpt-5"
    assert span.kind is trace.SpanKind.CLIENT
    assert span.status.status_code is trace.StatusCode.UNSET
    assert dict(span.attributes or {}) == {
        **RUN,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 7,
        "fairlead.call.key": "run-1:1",
        "fairlead.call.state": "done",
    }


def test_tool(rig: Rig) -> None:
    span = rig.emit(make_call("tool", 2), Done(value=CANARY))
    assert span.name == "execute_tool refund"
    assert span.kind is trace.SpanKind.INTERNAL
    assert dict(span.attributes or {}) == {
        **RUN,
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "refund",
        "fairlead.call.key": "run-1:2",
        "fairlead.call.state": "done",
    }


def test_retrieval(rig: Rig) -> None:
    span = rig.emit(make_call("retrieval"), Done(value=[CANARY]))
    assert span.name == "retrieval handbook"
    assert span.kind is trace.SpanKind.CLIENT
    assert dict(span.attributes or {}) == {
        **RUN,
        "gen_ai.operation.name": "retrieval",
        "gen_ai.data_source.id": "handbook",
        "fairlead.call.key": "run-1:1",
        "fairlead.call.state": "done",
    }


def test_run(rig: Rig) -> None:
    rig.telemetry.run_finished(CONTEXT, state="succeeded", started_at=100.0, finished_at=102.5)
    (span,) = rig.exporter.get_finished_spans()
    assert span.name == "invoke_workflow answers"
    assert (span.start_time, span.end_time) == (100_000_000_000, 102_500_000_000)
    assert span.parent is None
    assert dict(span.attributes or {}) == {
        **RUN,
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": "answers",
        "fairlead.run.state": "succeeded",
    }


@pytest.mark.parametrize(
    ("result", "state", "error"),
    [
        (Failed(code="FL-603", reason=CANARY), "failed", "FL-603"),
        (Refused(code="FL-500", reason=CANARY), "denied", "FL-500"),
        (RetryAt(delay_s=1.0, reason=CANARY), "retry", "retry"),
        (Unknown(reason=CANARY), "unknown", "unknown"),
    ],
)
def test_failure(rig: Rig, result: Result, state: str, error: str) -> None:
    span = rig.emit(make_call(), result)
    attributes = dict(span.attributes or {})
    assert attributes["fairlead.call.state"] == state
    assert attributes["error.type"] == error
    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.status.description is None
    ((measured, _),) = rig.points("gen_ai.client.operation.duration")
    assert measured["error.type"] == error


@pytest.mark.parametrize(
    ("error", "error_type"),
    [
        (CallFailed(CANARY), "FL-603"),
        (ValueError(CANARY), "ValueError"),
        (KeyboardInterrupt(CANARY), "KeyboardInterrupt"),
    ],
)
def test_an_error_goes_on_and_leaves_its_class(
    rig: Rig, error: BaseException, error_type: str
) -> None:
    with pytest.raises(type(error)) as raised, rig.telemetry.call(make_call(), CONTEXT):
        raise error
    assert raised.value is error
    (span,) = rig.exporter.get_finished_spans()
    assert (span.attributes or {})["error.type"] == error_type
    assert span.events == ()
    assert CANARY not in span.to_json()


@pytest.mark.parametrize(("state", "failed"), [("failed", True), ("escalated", False)])
def test_a_failed_run(rig: Rig, state: str, failed: bool) -> None:
    rig.telemetry.run_finished(CONTEXT, state=state, started_at=5.0, finished_at=4.0)
    (span,) = rig.exporter.get_finished_spans()
    assert ("error.type" in (span.attributes or {})) is failed
    assert (span.status.status_code is trace.StatusCode.ERROR) is failed
    assert span.start_time == span.end_time, "a clock that ran behind makes no negative time"


def test_no_content_leaves(rig: Rig) -> None:
    """Arguments, results, reasons, the user and the idempotency key stay here."""
    results: list[Result] = [
        DONE,
        Failed(code="FL-603", reason=CANARY),
        RetryAt(delay_s=1.0, reason=CANARY),
        Unknown(reason=CANARY),
    ]
    for kind in NAMES:
        for result in results:
            rig.emit(make_call(kind), result)
    rig.telemetry.run_finished(CONTEXT, state="succeeded", started_at=1.0, finished_at=2.0)
    spans = rig.exporter.get_finished_spans()
    assert len(spans) == len(NAMES) * len(results) + 1
    assert not any(CANARY in span.to_json() for span in spans)
    data = rig.reader.get_metrics_data()
    assert data is not None
    assert CANARY not in data.to_json()


def test_long_names_are_cut(rig: Rig) -> None:
    span = rig.emit(make_call("tool", name="x" * 10_000))
    assert len(span.name) < 200


# ------------------------------------------------------------------------------------------ traces


def test_two_workers_make_one_trace(rig: Rig) -> None:
    other = InMemorySpanExporter()
    second = OtelTelemetry(processors=[SimpleSpanProcessor(other)])
    first_call = rig.emit(make_call("model", 1))
    with second.call(make_call("tool", 2), CONTEXT) as span:
        span.end(DONE)
    second.run_finished(CONTEXT, state="succeeded", started_at=1.0, finished_at=2.0)
    second_call, run = other.get_finished_spans()
    assert run.context is not None
    for call in (first_call, second_call):
        assert call.context is not None
        assert call.parent is not None
        assert call.context.trace_id == run.context.trace_id
        assert call.parent.span_id == run.context.span_id
    assert first_call.context != second_call.context


def test_another_run_is_another_trace(rig: Rig) -> None:
    first = rig.emit(make_call())
    with rig.telemetry.call(make_call(), replace(CONTEXT, run_id="run-2")) as span:
        span.end(DONE)
    second = rig.exporter.get_finished_spans()[-1]
    assert first.context is not None
    assert second.context is not None
    assert first.context.trace_id != second.context.trace_id


def test_a_span_around_the_run_does_not_take_it_over(rig: Rig) -> None:
    tracer = rig.telemetry._tracer
    with tracer.start_as_current_span("web request") as around:
        call = rig.emit(make_call())
        rig.telemetry.run_finished(CONTEXT, state="succeeded", started_at=1.0, finished_at=2.0)
    run = rig.exporter.get_finished_spans()[1]
    assert run.parent is None
    assert call.context is not None
    assert call.context.trace_id != around.get_span_context().trace_id


def test_schema_url_and_globals(rig: Rig) -> None:
    span = rig.emit(make_call())
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.schema_url == names.SCHEMA_URL
    data = rig.reader.get_metrics_data()
    assert data is not None
    assert data.resource_metrics[0].scope_metrics[0].scope.schema_url == names.SCHEMA_URL
    assert trace.get_tracer_provider() is not rig.telemetry._tracers
    assert metrics.get_meter_provider() is not rig.telemetry._meters


# ----------------------------------------------------------------------------------------- metrics


def test_metrics(rig: Rig) -> None:
    rig.emit(make_call("model"))
    rig.emit(make_call("tool"))
    rig.emit(make_call("retrieval"))
    rig.telemetry.run_finished(CONTEXT, state="denied", started_at=1.0, finished_at=3.5)
    model = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "fairlead.workflow": "answers",
    }
    assert rig.points("gen_ai.client.token.usage") == [
        ({**model, "gen_ai.token.type": "input"}, 11),
        ({**model, "gen_ai.token.type": "output"}, 7),
    ]
    durations = [attributes for attributes, _ in rig.points("gen_ai.client.operation.duration")]
    retrieval = {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.data_source.id": "handbook",
        "fairlead.workflow": "answers",
    }
    assert durations == [model, retrieval]
    ((tool, seconds),) = rig.points("gen_ai.execute_tool.duration")
    assert tool["gen_ai.tool.name"] == "refund"
    assert 0 < seconds < 5
    run = {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": "answers",
        "error.type": "denied",
    }
    assert rig.points("gen_ai.workflow.duration") == [(run, 2.5)]


# --------------------------------------------------------------------------------------- the gate


def test_what_is_emitted_keeps_the_platform_contract() -> None:
    telemetry = collecting_telemetry()
    records = []
    for number, kind in enumerate(NAMES, 1):
        with telemetry.call(make_call(kind, number), CONTEXT) as span:
            span.end(DONE)
        records.append(
            CallRecord(
                key=f"run-1:{number}",
                run_id="run-1",
                number=number,
                kind=kind,
                name=NAMES[kind],
                effect="read",
                state="done",
                arguments_digest="",
                result=DONE,
                attempts=1,
                started_at=0.0,
                finished_at=1.0,
            )
        )
    telemetry.run_finished(CONTEXT, state="succeeded", started_at=1.0, finished_at=2.0)
    signals = telemetry.signals()
    assert [signal.operation for signal in signals] == [rule.span for rule in PLATFORM_RULES]
    assert telemetry_findings(PLATFORM_RULES, records, signals, ["run-1"]) == []
    assert len(telemetry_findings(PLATFORM_RULES, records, signals[1:], ["run-1"])) == 1


def test_a_span_that_nobody_ended_breaks_the_contract() -> None:
    telemetry = collecting_telemetry()
    with telemetry.call(make_call(), CONTEXT):
        pass
    assert telemetry_findings(PLATFORM_RULES, [], telemetry.signals(), []) == [
        "span `chat` lacks fairlead.call.state"
    ]


def test_kept_signals_are_bounded(rig: Rig) -> None:
    telemetry = collecting_telemetry(signals_max=3)
    for number in range(10):
        with telemetry.call(make_call("tool", number), CONTEXT):
            pass
    assert len(telemetry.signals()) == 3
    assert rig.telemetry.signals() == ()
