"""Workflows: durable async functions with their operating terms."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

from fairlead.authoring.guardrail import Guardrail
from fairlead.authoring.mcp import McpTool
from fairlead.authoring.memory import Memory
from fairlead.authoring.run import Run
from fairlead.authoring.tool import Tool
from fairlead.core.errors import InvalidDeclaration, OutsideRun
from fairlead.core.limits import SLO, Limits

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True, kw_only=True)
class Workflow(Generic[In, Out]):
    """A workflow as declared; the release's manifest holds its resolved terms.

    Attributes:
        name: The function's name.
        intent: What it is for, in one line.
        owner: Who answers for it.
        input: Type of its input.
        output: Type of its output.
        slo: Its objective.
        model: `provider:model`, a ready pydantic-ai `Agent`, or None for no model.
        prompt: Name of a file in `prompts/`; None for no prompt.
        tools: What it may call.
        guardrails: Its checks, in order.
        memory: What it may recall.
        limits: Its bounds.
        body: The function itself.
        fallbacks: Models that are asked in this order when the one before fails and may pass.
        queue: Which workers take its runs.
    """

    name: str
    intent: str
    owner: str
    input: type[In]
    output: type[Out]
    slo: SLO
    model: Any
    prompt: str | None
    tools: tuple[Tool[..., Any] | McpTool, ...]
    guardrails: tuple[Guardrail[Out], ...]
    memory: Memory
    limits: Limits
    body: Callable[[Run[Out], In], Awaitable[Out]]
    fallbacks: tuple[str, ...] = ()
    queue: str = "default"

    @property
    def callable_tools(self) -> tuple[Tool[..., Any], ...]:
        """Its own tools, with those that undo one of them; a model is offered only `tools`."""
        found = [tool for tool in self.tools if isinstance(tool, Tool)]
        for tool in found:
            if tool.compensate is not None and tool.compensate not in found:
                found.append(tool.compensate)
        return tuple(found)

    @property
    def mcp_tools(self) -> tuple[McpTool, ...]:
        """Its tools of MCP servers."""
        return tuple(tool for tool in self.tools if isinstance(tool, McpTool))

    def __call__(self, *_: object, **__: object) -> NoReturn:
        """Refuse: called like this, nothing would be durable.

        Raises:
            OutsideRun: Always.
        """
        raise OutsideRun(f"workflow {self.name} was called like a function", workflow=self.name)


def workflow(  # noqa: PLR0913 - the operating terms are the point; all are keyword-only
    *,
    intent: str,
    owner: str,
    input: type[In],
    output: type[Out],
    slo: SLO,
    model: Any = None,
    fallbacks: Sequence[str] = (),
    prompt: str | None = None,
    tools: Sequence[Tool[..., Any] | McpTool] = (),
    guardrails: Sequence[Guardrail[Out]] = (),
    memory: Memory | None = None,
    limits: Limits | None = None,
    queue: str = "default",
) -> Callable[[Callable[[Run[Out], In], Awaitable[Out]]], Workflow[In, Out]]:
    """Declare a workflow with its operating terms.

    Model, fallbacks, prompt, limits, slo and the memory's values are defaults; `fairlead.toml` may
    override them. Owner, intent and slo have no default.

    Args:
        intent: What it is for, in one line.
        owner: Who answers for it, such as `group:default/support`.
        input: Type of its input: str, a dataclass or a pydantic model.
        output: Type of its output.
        slo: Its objective.
        model: `provider:model`, a ready pydantic-ai `Agent`, or None for no model.
        fallbacks: Names of models that are asked in this order when the one before has failed in a
            way that may pass, after its tries.
        prompt: Name of a file in `prompts/`; None for no prompt.
        tools: What it may call.
        guardrails: Its checks, in order.
        memory: What it may recall; None for nothing.
        limits: Its bounds; None for the defaults of `Limits`.
        queue: Which workers take its runs: those that name this queue.

    Returns:
        A decorator that turns an async function into a `Workflow`.

    Raises:
        InvalidDeclaration: The function is not async, does not take a run and a request, or intent
            or owner is empty.
    """

    def declare(body: Callable[[Run[Out], In], Awaitable[Out]]) -> Workflow[In, Out]:
        name = body.__name__
        if not inspect.iscoroutinefunction(body):
            raise InvalidDeclaration(f"workflow {name} must be an async function", workflow=name)
        if len(inspect.signature(body).parameters) != 2:
            raise InvalidDeclaration(
                f"workflow {name} must take a run and a request", workflow=name
            )
        if not intent.strip() or not owner.strip():
            raise InvalidDeclaration(f"workflow {name} needs an intent and an owner", workflow=name)
        return Workflow(
            name=name,
            intent=intent,
            owner=owner,
            input=input,
            output=output,
            slo=slo,
            model=model,
            prompt=prompt,
            tools=tuple(tools),
            guardrails=tuple(guardrails),
            memory=memory or Memory(),
            limits=limits or Limits(),
            body=body,
            fallbacks=tuple(fallbacks),
            queue=queue,
        )

    return declare
