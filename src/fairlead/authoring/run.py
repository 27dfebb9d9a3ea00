"""What a workflow's body may do: each awaitable is durable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, overload
from uuid import UUID

from fairlead.authoring.mcp import McpTool
from fairlead.authoring.memory import RunMemory
from fairlead.authoring.tool import Tool
from fairlead.core.context import Context
from fairlead.core.flags import FlagDetails
from fairlead.core.grounding import Source
from fairlead.core.history import History
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
In = TypeVar("In")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
In_co = TypeVar("In_co", covariant=True)
Out_co = TypeVar("Out_co", covariant=True)

ANSWER_WITHIN = timedelta(hours=24)
"""How long a run waits for a person or a signal when it does not say."""


class Startable(Protocol[In_co, Out_co]):
    """What a run can start as a child: a workflow."""

    @property
    def name(self) -> str:
        """The workflow's name."""
        ...

    @property
    def input(self) -> type[In_co]:
        """Type of its input."""
        ...

    @property
    def output(self) -> type[Out_co]:
        """Type of its output."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Child(Generic[R]):
    """A child run that begins when it is awaited, or handed to `run.gather`.

    Attributes:
        workflow: What it executes.
        input: The workflow's input.
    """

    workflow: Startable[Any, R]
    input: Any
    _start: Callable[[Child[R]], Awaitable[R]] = field(repr=False)

    def __await__(self) -> Generator[Any, None, R]:
        """Start it, wait for its end, and return its output."""
        return self._start(self).__await__()


class Run(Protocol[Out]):
    """One execution of a workflow, pinned to one release.

    A workflow's own code runs again on recovery: keep it deterministic, and take time, chance and
    I/O from here. Calls of one run are made one at a time, in the order in which they were asked;
    what is to happen side by side is a child each.
    """

    @property
    def context(self) -> Context:
        """Who asks, under which release."""
        ...

    @property
    def history(self) -> History:
        """What was said before in the run's conversation; empty without one.

        `answer` and `agent` hand it to the model by themselves.
        """
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

    @overload
    async def call(self, tool: Tool[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...

    @overload
    async def call(self, tool: McpTool, /, **arguments: Any) -> Any: ...

    async def call(self, tool: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a tool; one of an MCP server takes its arguments by name and returns JSON.

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

    @property
    def memory(self) -> RunMemory:
        """What is kept beyond this run, as the workflow's `memory=` declares it."""
        ...

    async def agent(self, agent: Any, prompt: str, *, history: bool = True) -> Any:
        """Run a ready pydantic-ai `Agent`; each of its model turns and tools is a call.

        Args:
            agent: The agent, with a name. Its tools need contracts under the same names.
            prompt: The user's message.
            history: Whether the agent reads what was said before in the run's conversation.

        Returns:
            The agent's output.
        """
        ...

    async def sleep(self, duration: timedelta) -> None:
        """Wait durably: a restart in between does not begin the wait anew."""
        ...

    async def step(
        self, function: Callable[P, R | Awaitable[R]], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Execute a function of the workflow's own code once, and remember what it returned.

        It may be executed again when the worker dies in it, so it has no effect outside; that is
        what tools are for.

        Args:
            function: A plain or async function; a plain one runs in a thread.
            args: Its arguments; JSON can hold them.
            kwargs: Its keyword arguments.

        Raises:
            CallFailed: It raised an error.
        """
        ...

    @overload
    async def approve(self, tool: Tool[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...

    @overload
    async def approve(self, tool: McpTool, /, **arguments: Any) -> Any: ...

    async def approve(self, tool: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a tool once a person has agreed to this very call; waits durably, up to 24 hours.

        Contract, schema and policy are checked before anybody is asked. What was agreed to holds
        for these arguments, policies and release, once.

        Raises:
            ApprovalDenied: The person said no.
            ApprovalExpired: Nobody answered in time.
            ApprovalVoid: What would be executed is not what the person was shown.
        """
        ...

    async def signal(self, name: str, type: type[R], *, within: timedelta = ANSWER_WITHIN) -> R:
        """Wait durably for a signal, and return its payload.

        Args:
            name: The signal's name; one that was sent before is taken at once.
            type: Type of its payload.
            within: Longest wait.

        Raises:
            WaitExpired: None came in time.
        """
        ...

    async def send(self, run_id: str, name: str, payload: Any) -> None:
        """Send a signal to another run, once.

        Raises:
            UnknownRun: There is no such run of the same tenant.
            RunFinished: It has ended.
        """
        ...

    def child(self, workflow: Startable[In, R], input: In) -> Child[R]:
        """Return a child run; await it for its output, or hand it to `gather`.

        It is pinned to the same release, acts for the same principal, and shares the limits.

        Raises:
            NotSucceeded: When it is awaited and did not succeed.
        """
        ...

    @overload
    async def gather(self, first: Child[A], second: Child[B], /) -> tuple[A, B]: ...

    @overload
    async def gather(
        self, first: Child[A], second: Child[B], third: Child[C], /
    ) -> tuple[A, B, C]: ...

    @overload
    async def gather(self, *children: Child[R]) -> tuple[R, ...]: ...

    async def gather(self, *children: Child[Any]) -> tuple[Any, ...]:
        """Execute children side by side, wait for all, and return their outputs in order.

        Raises:
            NotSucceeded: One of them did not succeed; the first in order.
        """
        ...

    async def stream(self, item: Any, *, name: str = "default") -> None:
        """Append an item to a stream of this run, once; readers go on from any offset.

        Args:
            item: What JSON can hold.
            name: The stream.
        """
        ...

    async def flag(self, key: str, default: R, *, attributes: Mapping[str, Any] | None = None) -> R:
        """Return a flag's value: evaluated once per run, the same on every replay.

        Args:
            key: The flag.
            default: Its value when it cannot be evaluated; its type is what the flag is asked for:
                a bool, a text, an int, a float, a dict or a list.
            attributes: What rules may look at, beside tenant, user, conversation and workflow. They
                count when the flag is first asked for.

        Raises:
            InvalidInput: A flag cannot have such a key, default or attributes.
            FlagsNotInstalled: The libraries that evaluate flags are not installed.
        """
        ...

    async def flag_details(
        self, key: str, default: R, *, attributes: Mapping[str, Any] | None = None
    ) -> FlagDetails[R]:
        """Return a flag's value as `flag` does, with its variant, its reason and its error."""
        ...

    async def now(self) -> datetime:
        """Return the time, the same on every replay."""
        ...

    async def random(self) -> float:
        """Return a number from 0.0 up to 1.0, the same on every replay."""
        ...

    async def uuid(self) -> UUID:
        """Return a random UUID, the same on every replay."""
        ...
