"""The boundary as drivers see it: the one way out of a run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from fairlead.core.calls import CallKind, Usage
from fairlead.core.context import Context
from fairlead.core.digests import Json
from fairlead.core.label import Labels


@dataclass(frozen=True, kw_only=True)
class Driven:
    """What a driver's body returned.

    Attributes:
        value: The result as JSON.
        usage: Tokens and money that it used.
        served_by: Id of the model that answered, as its provider says; empty for other kinds.
        labels: Labels of what was remembered, by field; of other kinds contracts say them.
    """

    value: Json
    usage: Usage = field(default_factory=Usage)
    served_by: str = ""
    labels: Labels = field(default_factory=dict)


Driver: TypeAlias = Callable[[Context], Awaitable[Driven]]
"""The body of a call; it runs inside one journaled step, never on replay."""


class DriverError(Exception):
    """A driver's body failed in a way that the driver understands.

    Attributes:
        code: The error's code `FL-nnn`; empty for the call's own failure.
        transient: True when another try may succeed.
        retry_after_s: Seconds that the other side asks to wait; None when it does not say.
        throttled: Whether the other side says that it is asked too often.
    """

    def __init__(
        self,
        reason: str,
        *,
        transient: bool,
        retry_after_s: float | None = None,
        code: str = "",
        throttled: bool = False,
    ) -> None:
        super().__init__(reason)
        self.transient = transient
        self.retry_after_s = retry_after_s
        self.code = code
        self.throttled = throttled


class Throttled(DriverError):
    """A tool raises this when the other side says that it is asked too often, such as by a 429."""

    def __init__(self, reason: str, *, retry_after_s: float | None = None) -> None:
        """Say why.

        Args:
            reason: What the other side said.
            retry_after_s: Seconds that it asks to wait; None when it does not say.
        """
        super().__init__(reason, transient=True, retry_after_s=retry_after_s, throttled=True)


class CallBoundary(Protocol):
    """The boundary of one run."""

    async def call(
        self,
        kind: CallKind,
        name: str,
        arguments: Json,
        driver: Driver,
        *,
        rebind: Callable[[Json], Driver] | None = None,
    ) -> Json:
        """Make a call under the whole protocol and return its value.

        Args:
            kind: What is called.
            name: Name of the model, tool or collection.
            arguments: JSON arguments.
            driver: The body; not executed when the call is on record or refused.
            rebind: Makes the body for other arguments, when a guardrail takes something out of
                them; None refuses the call then.

        Raises:
            FairleadError: The call was denied, failed, or its effect is unknown.
        """
        ...


current_boundary: ContextVar[CallBoundary | None] = ContextVar("current_boundary", default=None)
"""The boundary of the run whose code is executing; None outside of a run."""

current_call: ContextVar[Context | None] = ContextVar("current_call", default=None)
"""The context of the call whose body is executing; None outside of a body."""
