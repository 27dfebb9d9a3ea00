"""What is told of a flag that was evaluated."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fairlead.adapters.otel.telemetry import OtelTelemetry, collecting_telemetry
from fairlead.core.flags import FlagDetails, failed
from tests.unit.adapters.otel.test_telemetry import CANARY, CONTEXT, RUN


@pytest.mark.parametrize(
    ("details", "said"),
    [
        (
            FlagDetails(
                key="tone",
                value=CANARY,
                variant="warm",
                reason="TARGETING_MATCH",
                provider="fairlead",
            ),
            {
                "feature_flag.key": "tone",
                "feature_flag.result.variant": "warm",
                "feature_flag.result.reason": "targeting_match",
                "feature_flag.provider.name": "fairlead",
            },
        ),
        (
            failed("tone", CANARY, "FLAG_NOT_FOUND", CANARY),
            {
                "feature_flag.key": "tone",
                "feature_flag.result.reason": "error",
                "error.type": "flag_not_found",
            },
        ),
    ],
)
def test_a_flag_is_told_without_its_value_and_for_whom(
    details: FlagDetails[str], said: dict[str, str]
) -> None:
    spans = InMemorySpanExporter()
    telemetry = OtelTelemetry(processors=[SimpleSpanProcessor(spans)])
    telemetry.flag_evaluated(CONTEXT, details)
    (span,) = spans.get_finished_spans()
    assert (span.name, dict(span.attributes or {})) == ("feature_flag.evaluation", {**said, **RUN})
    kept = collecting_telemetry()
    kept.flag_evaluated(CONTEXT, details)
    assert [signal.operation for signal in kept.signals()] == ["feature_flag.evaluation"]
