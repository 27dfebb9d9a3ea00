"""Bounds and objectives of a workflow. Every bound has a number as its default."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from fairlead.core.digests import Json, canonical_json
from fairlead.core.loops import REPEATS_MAX

RESULT_BYTES_MAX = 100_000_000
"""Largest result of a call and largest outcome of a run, as JSON."""

INLINE_BYTES_MAX = 65_536
"""Largest JSON that the engine's record of a step holds; what is larger is kept once, as a payload,
and the record names it."""

HISTORY_MESSAGES_MAX = 10_000
"""Most messages of a conversation that a run may read, whatever its limits say."""

_LEAST = {
    "steps": 1,
    "attempts": 1,
    "repeats": 1,
    "context_tokens": 1,
    "reasks": 0,
    "history_messages": 0,
    "history_chars": 0,
}

BYTES_PER_TOKEN = 3
"""Few enough that the estimate is above the real count: English has 4, other scripts have 3."""


def estimated_tokens(payload: Json) -> int:
    """Estimate how many tokens a model reads, from the bytes of the JSON, without a tokenizer.

    Args:
        payload: What goes out: messages, instructions, definitions of tools and of the output.
    """
    return -(-len(canonical_json(payload).encode()) // BYTES_PER_TOKEN)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one run may use, at most.

    Attributes:
        steps: Calls of any kind.
        cost_usd: Money spent on models.
        wall_time: Time at work, from the run's start to its end: what it waits for people,
            signals, children and its own timers does not count.
        attempts: Tries per call of what may be repeated, over durable waits too; a call of a `once`
            tool has one.
        repeats: The same tool calls with the same results in a row; the next one stops the run.
        call_timeout: Time for one try of one call.
        unknown_wait: Time that a run waits for somebody to find out about an unknown effect.
        reasks: Times in a row that a model is asked again after an answer or a tool call that does
            not fit.
        context_tokens: Tokens of one model turn's input, as `estimated_tokens` counts them.
        history_messages: Messages of its conversation that a run reads: two for each earlier turn
            and two for each of its uses of tools; 0 reads nothing.
        history_chars: Characters of these messages. Whatever both allow, the history takes at most
            half of `context_tokens`.
    """

    steps: int = 50
    cost_usd: float = 1.0
    wall_time: timedelta = timedelta(minutes=10)
    attempts: int = 4
    repeats: int = 3
    call_timeout: timedelta = timedelta(seconds=60)
    unknown_wait: timedelta = timedelta(days=7)
    reasks: int = 2
    context_tokens: int = 100_000
    history_messages: int = 40
    history_chars: int = 60_000

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            # A half would be another number once it was written down and read again.
            if type(value) is not int:
                raise ValueError(f"limits.{name} must be a whole number")
            if value < least:
                raise ValueError(f"limits.{name} must be at least {least}")
        if self.repeats > REPEATS_MAX:
            raise ValueError(f"limits.repeats must be at most {REPEATS_MAX}")
        if self.history_messages > HISTORY_MESSAGES_MAX:
            raise ValueError(f"limits.history_messages must be at most {HISTORY_MESSAGES_MAX}")
        if not 0 <= self.cost_usd < float("inf"):
            raise ValueError("limits.cost_usd must be a number of at least 0")
        for name in ("wall_time", "call_timeout", "unknown_wait"):
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
