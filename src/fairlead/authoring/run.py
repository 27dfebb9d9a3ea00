"""What a workflow's body may do: each awaitable is durable."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol

from fairlead.authoring.tool import Tool
from fairlead.core.context import Context
from fairlead.core.grounding import Source
from fairlead.core.outcome import Outcome

if TYPE_CHECKING:
    # Only the checkers know a default for a type variable before Python 3.13: `Run` alone then
    # means `Run[Any]`.
    from typing_extensions import TypeVar

    Out = TypeVar("Out", default=Any)
else:
    from typing import TypeVar

    Out = TypeVar("Out")

P = ParamSpec("P")
R = TypeVar("R")


class Run(Protocol[Out]):
    """One execution of a workflow, pinned to one release.

    A workflow's own code runs again on recovery: keep it deterministic, and put time, chance and
    I/O into calls. Calls of one run are made one at a time, in the order in which they were asked.
    """

    @property
    def context(self) -> Context:
        """Who asks, under which release."""
        ...

    async def answer(self, request: Any, *, question: str | None = None) -> Outcome[Out]:
        """Walk the whole request path: retrieve, generate, check, record.

        Args:
            request: The workflow's input.
            question: What to retrieve for; None takes the input itself when it is text, else its
                field `question`, else all of it.

        Returns:
            How it ended, with answer, checks and grounded sources; it does not raise.
        """
        ...

    async def call(self, tool: Tool[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a tool.

        Raises:
            Denied: Contract, schema, policy or a limit does not allow it.
            CallFailed: The tool failed, after the retries that its effect allows.
            EffectUnknown: A `once` tool may or may not have happened.
        """
        ...

    async def retrieve(self, question: str) -> tuple[Source, ...]:
        """Retrieve passages as the workflow's memory declares.

        Raises:
            Denied: The policy does not let this principal read the collection.
        """
        ...

    async def agent(self, agent: Any, prompt: str) -> Any:
        """Run a ready pydantic-ai `Agent`; each of its model turns and tools is a call.

        Args:
            agent: The agent, with a name. Its tools need contracts under the same names.
            prompt: The user's message.

        Returns:
            The agent's output.
        """
        ...

    async def sleep(self, duration: timedelta) -> None:
        """Wait durably: a restart in between does not begin the wait anew."""
        ...
