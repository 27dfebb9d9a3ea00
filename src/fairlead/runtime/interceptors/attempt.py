"""One execution of S: what the interceptors inside a step see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from fairlead.core.calls import Call, Refused, Result
from fairlead.ports.boundary import Driver
from fairlead.runtime.scope import RunScope, Services, Tally


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A call on its way through S.

    Attributes:
        call: The call.
        scope: The run.
        refusal: W1's refusal; None when nothing refused.
        driver: The body.
        tries: Executions of the body in earlier steps of this call.
    """

    call: Call
    scope: RunScope
    refusal: Refused | None
    driver: Driver
    tries: int

    @classmethod
    def first(cls, call: Call, scope: RunScope, refusal: Refused | None, driver: Driver) -> Attempt:
        """Return the first attempt of a call."""
        return cls(call=call, scope=scope, refusal=refusal, driver=driver, tries=0)


Next: TypeAlias = Callable[[Attempt, Services], Awaitable[tuple[Result, int]]]
"""The rest of S: returns the result and how often the body was executed."""


Before: TypeAlias = Callable[[RunScope, Call, Tally], Refused | None]
"""A pure check of a call, replayed on recovery: a refusal, or None to let the call pass."""


class Inside(Protocol):
    """A control around the driver, inside the journaled step; it returns a value, never raises."""

    async def __call__(
        self, attempt: Attempt, services: Services, inner: Next
    ) -> tuple[Result, int]:
        """Return the result, with or without asking `inner`."""
        ...
