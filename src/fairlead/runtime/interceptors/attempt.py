"""One execution of S: what the interceptors inside a step see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from fairlead.core.calls import Call, Refused, Result
from fairlead.core.guarding import Check
from fairlead.core.policy import Decision
from fairlead.guardrails.labels import Flow
from fairlead.ports.boundary import Driver
from fairlead.runtime.scope import RunScope, Services, Tally

LEFT_S_MAX = 86_400.0
"""What a call without a deadline may take, such as one that undoes another."""

IN_STEP_S_MAX = 1.0
"""Longest wait inside a step; a longer one is slept durably."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A person's answer, as the run waited for it.

    Attributes:
        wait_key: The wait.
        subject_digest: Digest of what would be executed now.
        answered: Whether somebody answered in time.
        approved: Whether the answer was yes.
        by: Who answered.
        reason: What they said.
    """

    wait_key: str
    subject_digest: str
    answered: bool
    approved: bool
    by: str
    reason: str


@dataclass(kw_only=True)
class Meter:
    """What the executions of one call took, in this process.

    Attributes:
        begun: How often the body was begun.
        busy_s: Seconds for which it was executed in the last try; 0 once that is noted.
    """

    begun: int = 0
    busy_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What W1's checks said of a call.

    Attributes:
        refused: The first refusal; None when nothing refuses.
        decision: What the policies said; None when they were not asked.
    """

    refused: Refused | None = None
    decision: Decision | None = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A call on its way through S.

    Attributes:
        call: The call.
        scope: The run.
        before: Makes W1's checks, once.
        flow: What the run had received before this call.
        driver: The body.
        deadline: Seconds since 1970 after which nothing is executed any more; None for none.
        tries: Executions of the body in earlier steps of this call.
        place: The place in its rate that the call waited for; None for none.
        asked: What a person was asked before this call; None when nobody had to be.
        shared: Whether the limits are shared with other runs of a family.
        handed_key: The idempotency key that the body gets; empty for the call's own.
        cleared: Whether it is known that an effect in doubt did not happen.
        meter: What its executions take.
        noted: What guardrails took out of the arguments.
    """

    call: Call
    scope: RunScope
    before: Callable[[], Ruling]
    flow: Flow
    driver: Driver
    deadline: float | None
    tries: int = 0
    place: float | None = None
    asked: Asked | None = None
    shared: bool = False
    handed_key: str = ""
    cleared: bool = False
    meter: Meter = field(default_factory=Meter)
    noted: tuple[Check, ...] = ()

    @property
    def undoing(self) -> bool:
        """Whether the call undoes another one: limits that ended the run do not stop that."""
        return self.deadline is None

    def left_s(self, now: float) -> float:
        """Return the seconds until the deadline, at most a day; negative when it is past.

        Args:
            now: Seconds since 1970, UTC.
        """
        return LEFT_S_MAX if self.deadline is None else min(self.deadline - now, LEFT_S_MAX)


Next: TypeAlias = Callable[[Attempt, Services], Awaitable[tuple[Result, int]]]
"""The rest of S: returns the result and how often the body was executed."""


Before: TypeAlias = Callable[[RunScope, Call, Tally], Refused | Decision | None]
"""A pure check of a call: a refusal, a decision, or None to let the call pass."""


class Inside(Protocol):
    """A control around the driver, inside the journaled step; it returns a value, never raises."""

    async def __call__(
        self, attempt: Attempt, services: Services, inner: Next
    ) -> tuple[Result, int]:
        """Return the result, with or without asking `inner`."""
        ...
