"""Spans and metrics: a copy of what the event log already knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from fairlead.core.audit import Checkpoint
from fairlead.core.calls import Call, Result
from fairlead.core.context import Context
from fairlead.core.flags import FlagDetails

Attributes: TypeAlias = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A span that was emitted, as the telemetry contract sees it.

    Attributes:
        operation: The operation's name, such as `retrieval`.
        run_id: The run that it belongs to.
        attributes: Names of its attributes.
    """

    operation: str
    run_id: str
    attributes: frozenset[str]


class CallSpan(Protocol):
    """The span of one call."""

    def end(self, result: Result) -> None:
        """Say how the call came back."""
        ...


class Telemetry(Protocol):
    """Emits spans and metrics; content is never part of them."""

    def call(self, call: Call, context: Context) -> AbstractContextManager[CallSpan]:
        """Open the span of a call; it is closed when the block ends."""
        ...

    def run_finished(
        self, context: Context, *, state: str, started_at: float, finished_at: float
    ) -> None:
        """Emit the span and the metrics of a whole run."""
        ...

    def flag_evaluated(self, context: Context, details: FlagDetails[Any]) -> None:
        """Emit that a run asked for a flag; its value is not part of it."""
        ...

    def checkpointed(self, checkpoint: Checkpoint) -> None:
        """Emit a checkpoint of the event log, so that another system knows it."""
        ...

    def signals(self) -> Sequence[Signal]:
        """Return what was emitted so far, when this telemetry keeps it for a gate; else nothing."""
        ...

    def flush(self) -> None:
        """Send what is waiting, within a bounded time."""
        ...
