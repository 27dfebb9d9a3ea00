"""Telemetry for when there is no endpoint: nothing is emitted, and no library is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from fairlead.core.audit import Checkpoint
from fairlead.core.calls import Call, Result
from fairlead.core.context import Context
from fairlead.core.flags import FlagDetails
from fairlead.ports.telemetry import CallSpan, Signal


class NullTelemetry:
    """Emits nothing."""

    def call(self, call: Call, context: Context) -> AbstractContextManager[CallSpan]:  # noqa: ARG002
        """Open a span that goes nowhere."""
        return nullcontext(_SPAN)

    def run_finished(
        self, context: Context, *, state: str, started_at: float, finished_at: float
    ) -> None:
        """Do nothing."""

    def flag_evaluated(self, context: Context, details: FlagDetails[Any]) -> None:
        """Do nothing."""

    def checkpointed(self, checkpoint: Checkpoint) -> None:
        """Do nothing."""

    def signals(self) -> Sequence[Signal]:
        """Return nothing, because nothing is kept."""
        return ()

    def flush(self) -> None:
        """Do nothing, because nothing is waiting."""


class _NullSpan:
    def end(self, result: Result) -> None:
        pass


_SPAN = _NullSpan()
