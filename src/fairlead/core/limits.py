"""Bounds and objectives of a workflow. Every bound has a number as its default."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one run may use, at most.

    Attributes:
        steps: Calls of any kind.
        cost_usd: Money spent on models.
        wall_time: Time from the run's start to its end.
        attempts: Tries per call for model turns and `read` tools, over durable waits too.
        call_timeout: Time for one try of one call.
    """

    steps: int = 50
    cost_usd: float = 1.0
    wall_time: timedelta = timedelta(minutes=10)
    attempts: int = 4
    call_timeout: timedelta = timedelta(seconds=60)

    def __post_init__(self) -> None:
        for name in ("steps", "attempts"):
            if getattr(self, name) < 1:
                raise ValueError(f"limits.{name} must be at least 1")
        if not 0 <= self.cost_usd < float("inf"):
            raise ValueError("limits.cost_usd must be a number of at least 0")
        for name in ("wall_time", "call_timeout"):
            if getattr(self, name) <= timedelta(0):
                raise ValueError(f"limits.{name} must be longer than 0")


@dataclass(frozen=True, kw_only=True)
class SLO:
    """What users may expect of a workflow.

    Attributes:
        success: Share of runs that must succeed, above 0.0 and below 1.0.
        latency_p95: 95 of 100 runs end within this time.
    """

    success: float
    latency_p95: timedelta

    def __post_init__(self) -> None:
        if not 0.0 < self.success < 1.0:
            raise ValueError("slo.success must be above 0 and below 1")
        if self.latency_p95 <= timedelta(0):
            raise ValueError("slo.latency_p95 must be longer than 0")
