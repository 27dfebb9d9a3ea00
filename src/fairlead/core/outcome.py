"""How a run, or the request path inside it, ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from fairlead.core.grounding import GroundedSource
from fairlead.core.guarding import Check

T = TypeVar("T")

OutcomeState: TypeAlias = Literal["succeeded", "escalated", "denied", "failed", "cancelled"]
RunState: TypeAlias = Literal[
    "queued",
    "running",
    "waiting",
    "paused",
    "succeeded",
    "escalated",
    "denied",
    "failed",
    "cancelled",
]
FINAL_STATES: frozenset[str] = frozenset(
    ("succeeded", "escalated", "denied", "failed", "cancelled")
)
OPEN_STATES: frozenset[str] = frozenset(("queued", "running", "waiting", "paused"))


@dataclass(frozen=True, kw_only=True)
class Outcome(Generic[T]):
    """How the request path ended, with the evidence.

    Attributes:
        state: succeeded, escalated (a person must decide), denied, failed or cancelled.
        answer: The output; None unless a draft was made.
        checks: Every guardrail's verdict.
        grounded_sources: Where the cited quotes stand, to the character.
        reason: Why it did not succeed; empty when it did.
        code: The error's code `FL-nnn` where there is one; else empty.
    """

    state: OutcomeState
    answer: T | None = None
    checks: tuple[Check, ...] = ()
    grounded_sources: tuple[GroundedSource, ...] = ()
    reason: str = ""
    code: str = ""

    def unwrap(self) -> T:
        """Return the answer of an outcome that succeeded.

        Raises:
            NotSucceeded: It did not; inside a workflow this ends the run in the same state.
        """
        if self.state != "succeeded" or self.answer is None:
            raise NotSucceeded(self)
        return self.answer


class NotSucceeded(Exception):
    """An outcome was unwrapped that did not succeed; the run takes on its state.

    Attributes:
        outcome: The outcome that was unwrapped.
    """

    def __init__(self, outcome: Outcome[Any]) -> None:
        super().__init__(f"{outcome.state}: {outcome.reason}")
        self.outcome = outcome
