"""A run as its workflow's body sees it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

from fairlead.authoring.tool import Tool
from fairlead.core.context import Context
from fairlead.core.errors import InvalidDeclaration, InvalidInput, ResultNotJson
from fairlead.core.grounding import Source
from fairlead.core.outcome import Outcome
from fairlead.core.request import Request
from fairlead.guardrails.shapes import shape_of
from fairlead.ports.generator import Task
from fairlead.runtime.admit import admit, request_of
from fairlead.runtime.authorize import authorize
from fairlead.runtime.pipeline import Path
from fairlead.runtime.retrieve import retrieve
from fairlead.runtime.tools import binding_of, driver_of, result_of, to_json

P = ParamSpec("P")
R = TypeVar("R")


class DurableRun:
    """Implements `fairlead.Run` on one request path and its boundary."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._answered: list[Outcome[Any]] = []

    @property
    def context(self) -> Context:
        """Who asks, under which release."""
        return self._path.boundary.scope.context

    async def answer(self, request: Any, *, question: str | None = None) -> Outcome[Any]:
        """Walk the whole request path: retrieve, generate, check, record."""
        workflow = self._path.workflow
        try:
            as_json = shape_of(workflow.input).dump(request, of=f"the caller of {workflow.name}")
        except ResultNotJson as error:
            message = f"run.answer takes the input of {workflow.name}: {error.message}"
            raise InvalidInput(message) from error
        outcome = await self._path.walk(request_of(request, as_json, question))
        self._answered.append(outcome)
        return outcome

    def evidence_of(self, value: Any) -> Outcome[Any]:
        """Return the outcome of the `answer` that made a value, else one without evidence."""
        made = [outcome for outcome in self._answered if outcome.answer is value]
        return made[-1] if made else Outcome(state="succeeded", answer=value)

    async def call(self, tool: Tool[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a tool."""
        arguments = to_json(tool, args, kwargs)
        value = await self._path.boundary.call(
            "tool", tool.name, arguments, driver_of(tool, arguments)
        )
        result: R = result_of(tool).load(value)
        return result

    async def retrieve(self, question: str) -> tuple[Source, ...]:
        """Retrieve passages as the workflow's memory declares."""
        scope = self._path.boundary.scope
        if scope.terms.recall is None:
            raise InvalidDeclaration(
                f"workflow {scope.terms.name} declares no memory", workflow=scope.terms.name
            )
        admitted = admit(Request(question=question, input=question), scope, ())
        authorized = authorize(admitted, scope.rules.authorizer)
        return (await retrieve(authorized, self._path.boundary, self._path.documents)).sources

    async def agent(self, agent: Any, prompt: str) -> Any:
        """Run a ready pydantic-ai `Agent`; each of its model turns and tools is a call."""
        terms = self._path.boundary.scope.terms
        task = Task(
            name=terms.name,
            model=agent,
            instructions="",
            message=prompt,
            output=None,
            tools=[binding_of(tool) for tool in self._path.workflow.tools],
        )
        return await self._path.generator.generate(task)

    async def sleep(self, duration: timedelta) -> None:
        """Wait durably: a restart in between does not begin the wait anew."""
        await self._path.engine.sleep(duration.total_seconds())
