"""Telemetry: one span per call, inside the step, so that replays emit none."""

from __future__ import annotations

from fairlead.core.calls import Result
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.scope import Services


async def trace(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Open a span around `inner`."""
    with services.telemetry.call(attempt.call, attempt.scope.context) as span:
        result, tries = await inner(attempt, services)
        span.end(result)
        return result, tries
