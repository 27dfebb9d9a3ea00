"""Keeps what was emitted, for a gate to look at."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fairlead.adapters.otel import names
from fairlead.ports.telemetry import Signal

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter


def keeper(kept: deque[Signal]) -> SpanExporter:
    """Return what keeps the signals of finished spans.

    Args:
        kept: Where they go.
    """
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Keeper(SpanExporter):
        """Keeps the names of finished spans and of their attributes."""

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            for span in spans:
                attributes = span.attributes or {}
                if names.RUN_ID not in attributes:
                    continue  # no run's
                kept.append(
                    Signal(
                        operation=str(attributes.get(names.OPERATION_NAME, span.name)),
                        run_id=str(attributes[names.RUN_ID]),
                        attributes=frozenset(attributes),
                    )
                )
            return SpanExportResult.SUCCESS

    return Keeper()
