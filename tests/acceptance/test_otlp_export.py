"""What is emitted arrives at an OTLP endpoint, whole and without content."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fairlead.adapters.otel.telemetry import otlp_telemetry
from fairlead.core.calls import Call, CallKind, Done, Failed, Usage
from fairlead.core.context import Context
from fairlead.core.identity import Principal
from fairlead.testing import Collector, Fault, FaultPlan
from fairlead.testing.faults import Fail

pytestmark = pytest.mark.acceptance

CANARY = b"canary-4711"
SCHEMA_URL = "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev"


def spans_of(collector: Collector) -> list[Any]:
    """Return every span that arrived, under our schema."""
    scopes = list(collector.scope_spans())
    assert {scope.schema_url for scope in scopes} == {SCHEMA_URL}
    return [span for scope in scopes for span in scope.spans]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


def emit_a_run(url: str) -> None:
    telemetry = otlp_telemetry(url, service="answers-app")
    secret = CANARY.decode()
    context = Context(
        run_id="run-1",
        workflow="answers",
        release="ab" * 32,
        principal=Principal(user=secret, tenant="acme"),
        idempotency_key=secret,
    )
    calls: list[tuple[CallKind, str]] = [
        ("retrieval", "handbook"),
        ("model", "openai:gpt-5"),
        ("tool", "refund"),
    ]
    for number, (kind, name) in enumerate(calls, 1):
        call = Call(
            run_id="run-1",
            number=number,
            kind=kind,
            name=name,
            arguments={"secret": secret},
            effect="read",
            lineage="run-1",
        )
        with telemetry.call(call, context) as span:
            if kind == "tool":
                span.end(Failed(code="FL-603", reason=secret))
            else:
                span.end(Done(value=secret, usage=Usage(input_tokens=11, output_tokens=7)))
    telemetry.run_finished(context, state="failed", started_at=100.0, finished_at=102.0)
    telemetry.flush()
    telemetry.close()


def attributes(span: Any) -> dict[str, Any]:
    return {
        item.key: getattr(item.value, item.value.WhichOneof("value")) for item in span.attributes
    }


def test_spans_arrive_as_one_trace(collector: Collector) -> None:
    emit_a_run(collector.url)
    spans = {span.name: span for span in spans_of(collector)}
    assert sorted(spans) == [
        "chat gpt-5",
        "execute_tool refund",
        "invoke_workflow answers",
        "retrieval handbook",
    ]
    run = spans.pop("invoke_workflow answers")
    assert not run.parent_span_id
    assert (run.start_time_unix_nano, run.end_time_unix_nano) == (100 * 10**9, 102 * 10**9)
    for span in spans.values():
        assert span.trace_id == run.trace_id
        assert span.parent_span_id == run.span_id
        assert attributes(span)["fairlead.release.id"] == "ab" * 6
    turn = attributes(spans["chat gpt-5"])
    assert turn["gen_ai.usage.input_tokens"] == 11
    assert turn["gen_ai.provider.name"] == "openai"
    assert attributes(spans["execute_tool refund"])["error.type"] == "FL-603"


def test_metrics_arrive(collector: Collector) -> None:
    emit_a_run(collector.url)
    metrics = collector.metrics()
    assert {scope.schema_url for scope in collector.scope_metrics()} == {SCHEMA_URL}
    assert sorted(metrics) == [
        "gen_ai.client.operation.duration",
        "gen_ai.client.token.usage",
        "gen_ai.execute_tool.duration",
        "gen_ai.workflow.duration",
    ]
    (workflow,) = metrics["gen_ai.workflow.duration"].histogram.data_points
    assert workflow.sum == 2.0
    assert list(workflow.explicit_bounds)[:3] == [0.01, 0.02, 0.04]


def test_no_content_is_on_the_wire(collector: Collector) -> None:
    emit_a_run(collector.url)
    bodies = [body for kind in collector.bodies.values() for body in kind]
    assert len(bodies) >= 2
    assert any(b"answers-app" in body for body in bodies)
    assert not any(CANARY in body for body in bodies)


def test_a_batch_is_sent_again_when_the_endpoint_was_busy() -> None:
    plan = FaultPlan(Fault(boundary="exporter", action=Fail(error="unavailable")))
    with Collector(plan) as collector:
        emit_a_run(collector.url)
        assert collector.refused == 1
        assert len(spans_of(collector)) == 4
