"""The agent loop: makes a draft from a prompt, with model turns and tools as calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fairlead.core.context import Context
from fairlead.core.digests import Json
from fairlead.core.history import ToolUse, Turn


@dataclass(frozen=True, kw_only=True)
class ToolBinding:
    """A tool as the agent loop offers it to a model.

    Attributes:
        name: The tool's name.
        description: What it does.
        parameters: JSON schema of its arguments.
        body: Executes it inside a call, from JSON arguments to a JSON result.
        finding: Says what does not fit of JSON arguments, without quoting them; None when they do.
        settled: Returns arguments that fit as the body gets them, with defaults filled in: so they
            pass the boundary.
        remote: Whether its body stands at an MCP server, so that no ready agent has it of its own.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    body: Callable[[Context, dict[str, Json]], Awaitable[Json]]
    finding: Callable[[Json], str | None]
    settled: Callable[[dict[str, Json]], dict[str, Json]]
    remote: bool = False


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the agent loop is to do.

    Attributes:
        name: The workflow's name; names the agent.
        model: `provider:model`, or a ready agent of the library behind this port.
        override: Model of the manifest that replaces a ready agent's own; empty for none.
        instructions: The prompt file's text.
        message: The user's message, with the sources.
        output: Type of the output.
        tools: What the model may call.
        settings: The model's settings.
        fallbacks: Models that the release names, asked in this order when the one before fails and
            may pass.
        reasks: Times in a row that the model is asked again after what does not fit.
        history: What was said before in the conversation, oldest first.
        complaint: Says why an output must be made again, None when it may stand; after `reasks`
            times it stands as it is. None asks nobody.
    """

    name: str
    model: Any
    instructions: str
    message: str
    output: Any
    override: str = ""
    tools: Sequence[ToolBinding] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    fallbacks: Sequence[str] = ()
    reasks: int = 2
    history: Sequence[Turn] = ()
    complaint: Callable[[Any], str | None] | None = None


@dataclass(frozen=True, kw_only=True)
class Generated:
    """What an agent loop made.

    Attributes:
        output: Its output, of the task's type.
        uses: The task's tools that the model called, in order.
    """

    output: Any
    uses: tuple[ToolUse, ...] = ()


class Generator(Protocol):
    """Runs agent loops inside a run; every model turn and tool goes through the boundary."""

    async def generate(self, task: Task) -> Generated:
        """Return the loop's output, and what was called on the way.

        Raises:
            FairleadError: A call was denied or failed, or the model cannot do the task.
        """
        ...

    def check(self, model: Any) -> str:
        """Make sure that a model could be called, without calling it.

        Returns:
            `provider:model`, the name by which policies know it.

        Raises:
            ModelUnknown: No such provider or model, or its extra is not installed.
            ModelKeyMissing: The provider's key is not set.
        """
        ...
