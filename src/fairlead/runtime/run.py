"""A run as its workflow's body sees it."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ParamSpec, TypeVar, overload
from uuid import UUID, uuid4

from fairlead.authoring.mcp import McpTool
from fairlead.authoring.run import ANSWER_WITHIN, Child, Startable
from fairlead.authoring.tool import Tool
from fairlead.core.bounds import ARGUMENTS, excess
from fairlead.core.context import Context
from fairlead.core.digests import Json
from fairlead.core.errors import (
    InboxFull,
    InvalidDeclaration,
    InvalidInput,
    KillSwitchPulled,
    ResultNotJson,
    RunFinished,
    UnknownRun,
    WaitExpired,
    error_from_json,
)
from fairlead.core.flags import FlagDetails
from fairlead.core.grounding import Source
from fairlead.core.history import History
from fairlead.core.label import UNDECLARED
from fairlead.core.outcome import Outcome
from fairlead.core.request import Request
from fairlead.guardrails.shapes import shape_of
from fairlead.ports.boundary import Driven
from fairlead.ports.generator import Task
from fairlead.ports.waits import Signal
from fairlead.runtime.admit import admit, request_of
from fairlead.runtime.authorize import authorize
from fairlead.runtime.children import Children
from fairlead.runtime.flags import Flags
from fairlead.runtime.interceptors.kill_switch import stopping_now
from fairlead.runtime.memory import DurableMemory
from fairlead.runtime.persist import persist
from fairlead.runtime.pipeline import Path
from fairlead.runtime.retrieve import retrieve
from fairlead.runtime.waiting import Awaited

P = ParamSpec("P")
R = TypeVar("R")
In = TypeVar("In")

SLEEP_S_MAX = 366 * 86_400.0
"""Longest durable wait that a workflow may ask for."""


class DurableRun:
    """Implements `fairlead.Run` on one request path and its boundary."""

    def __init__(self, path: Path, children: Children, flags: Flags) -> None:
        self._path = path
        self._boundary = path.boundary
        self._children = children
        self._flags = flags
        self._streamed: Counter[str] = Counter()

    @property
    def context(self) -> Context:
        """Who asks, under which release."""
        return self._boundary.scope.context

    @property
    def history(self) -> History:
        """What was said before in the run's conversation; empty without one."""
        return self._path.thread.history

    async def answer(self, request: Any, *, question: str | None = None) -> Outcome[Any]:
        """Walk the whole request path: retrieve, generate, check, record."""
        workflow = self._path.workflow
        try:
            as_json = shape_of(workflow.input).dump(request, of=f"the caller of {workflow.name}")
        except ResultNotJson as error:
            message = f"run.answer takes the input of {workflow.name}: {error.message}"
            raise InvalidInput(message) from error
        return await self._path.walk(request_of(request, as_json, question))

    @overload
    async def call(self, tool: Tool[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...

    @overload
    async def call(self, tool: McpTool, /, **arguments: Any) -> Any: ...

    async def call(self, tool: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a tool."""
        return await self._tool(tool, args, kwargs, None)

    @overload
    async def approve(self, tool: Tool[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...

    @overload
    async def approve(self, tool: McpTool, /, **arguments: Any) -> Any: ...

    async def approve(self, tool: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a tool once a person has agreed to this very call."""
        return await self._tool(tool, args, kwargs, ANSWER_WITHIN)

    async def _tool(
        self,
        tool: Tool[..., Any] | McpTool,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        within: timedelta | None,
    ) -> Any:
        toolbox = self._boundary.toolbox
        arguments = toolbox.arguments(tool, args, kwargs)
        driver = toolbox.driver(tool, arguments)
        value = await self._boundary.call(
            "tool",
            tool.name,
            arguments,
            driver,
            approve_within=within,
            rebind=partial(toolbox.driver, tool),
        )
        return toolbox.result(tool, value)

    async def step(
        self, function: Callable[P, R | Awaitable[R]], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Execute a function of the workflow's own code once, and remember what it returned."""
        name = getattr(function, "__name__", type(function).__name__)
        given: Json = [args, kwargs]
        if excess(given, ARGUMENTS) is None:
            given = shape_of(Any).dump(given, of=f"the caller of step {name}")
        returned = inspect.signature(function, eval_str=True).return_annotation
        shape = shape_of(Any if returned is inspect.Signature.empty else returned)

        async def drive(_: Context) -> Driven:
            if inspect.iscoroutinefunction(function):
                value = await function(*args, **kwargs)
            else:
                value = await asyncio.to_thread(function, *args, **kwargs)
            return Driven(value=shape.dump(value, of=f"step {name}"))

        result: R = shape.load(await self._boundary.call("step", name, given, drive))
        return result

    async def retrieve(self, question: str) -> tuple[Source, ...]:
        """Retrieve passages as the workflow's memory declares."""
        scope = self._boundary.scope
        if scope.terms.recall is None:
            raise InvalidDeclaration(
                f"workflow {scope.terms.name} declares no memory", workflow=scope.terms.name
            )
        admitted = admit(Request(question=question, input=question), scope, ())
        authorized = authorize(admitted, scope.rules.bundle)
        return (await retrieve(authorized, self._boundary, self._path.documents)).sources

    @property
    def memory(self) -> DurableMemory:
        """What is kept beyond this run, as the workflow's `memory=` declares it."""
        return self._path.memory

    async def agent(self, agent: Any, prompt: str, *, history: bool = True) -> Any:
        """Run a ready pydantic-ai `Agent`; each of its model turns and tools is a call."""
        terms, thread = self._boundary.scope.terms, self._path.thread
        task = Task(
            name=terms.name,
            model=agent,
            instructions="",
            message=prompt,
            output=None,
            tools=self._boundary.toolbox.bindings(self._path.workflow.tools),
            fallbacks=terms.fallbacks,
            reasks=terms.limits.reasks,
            history=thread.history.turns if history else (),
        )
        made = await self._path.generator.generate(task)
        thread.uses.extend(made.uses)
        return made.output

    async def sleep(self, duration: timedelta) -> None:
        """Wait durably: a restart in between does not begin the wait anew."""
        within_s = min(max(duration.total_seconds(), 0.0), SLEEP_S_MAX)
        async with self._boundary.turn("a sleep") as number:
            await self._boundary.wait(
                Awaited(
                    run_id=self.context.run_id,
                    key=f"w{number}",
                    kind="timer",
                    topic="",
                    within_s=within_s,
                )
            )

    async def signal(self, name: str, type: type[R], *, within: timedelta = ANSWER_WITHIN) -> R:
        """Wait durably for a signal, and return its payload."""
        async with self._boundary.turn(f"signal {name}") as number:
            ended = await self._boundary.wait(
                Awaited(
                    run_id=self.context.run_id,
                    key=f"w{number}",
                    kind="signal",
                    topic=name,
                    within_s=within.total_seconds(),
                )
            )
        if not ended.answered:
            raise WaitExpired(f"no signal {name!r} came within {within}", run=self.context.run_id)
        # Nobody says how far the sender may be trusted.
        sent = UNDECLARED.resolved(self.context.principal, f"signal:{name}")
        self._boundary.received(ended.answer["payload"], {"": sent})
        payload: R = shape_of(type).load(ended.answer["payload"])
        return payload

    async def send(self, run_id: str, name: str, payload: Any) -> None:
        """Send a signal to another run, once."""
        value = shape_of(Any).dump(payload, of=f"the sender of signal {name}")
        services, context = self._boundary.services, self.context

        async def send(number: int) -> None:
            signal = Signal(
                run_id=run_id,
                name=name,
                payload=value,
                by=f"run:{context.run_id}",
                dedup_key=f"{context.run_id}:{number}",
                tenant=context.principal.tenant,
            )
            await persist(services.clock, services.waits.send, signal)

        await self._let_out(f"send {name}", send)

    def child(self, workflow: Startable[In, R], input: In) -> Child[R]:
        """Return a child run; await it for its output, or hand it to `gather`."""

        async def start(child: Child[R]) -> R:
            (output,) = await self._children.all([child])
            result: R = output
            return result

        return Child(workflow=workflow, input=input, _start=start)

    async def gather(self, *children: Child[Any]) -> tuple[Any, ...]:
        """Execute children side by side, wait for all, and return their outputs in order."""
        return tuple(await self._children.all(children))

    async def stream(self, item: Any, *, name: str = "default") -> None:
        """Append an item to a stream of this run, once."""
        value = shape_of(Any).dump(item, of=f"the writer of stream {name}")
        offset, self._streamed[name] = self._streamed[name], self._streamed[name] + 1
        services, run_id = self._boundary.services, self.context.run_id

        async def write(_: int) -> None:
            await persist(services.clock, services.streams.write, run_id, name, offset, value)

        await self._let_out(f"stream {name}", write)

    async def flag(self, key: str, default: R, *, attributes: Mapping[str, Any] | None = None) -> R:
        """Return a flag's value: evaluated once per run, the same on every replay."""
        return (await self.flag_details(key, default, attributes=attributes)).value

    async def flag_details(
        self, key: str, default: R, *, attributes: Mapping[str, Any] | None = None
    ) -> FlagDetails[R]:
        """Return a flag's value with its variant, its reason and its error."""
        return await self._flags.details(key, default, attributes)

    async def now(self) -> datetime:
        """Return the time, the same on every replay."""

        async def step(_: int) -> Json:
            return self._boundary.services.clock.now()

        return datetime.fromtimestamp(await self._recorded("now", step), tz=UTC)

    async def random(self) -> float:
        """Return a number from 0.0 up to 1.0, the same on every replay."""

        async def step(_: int) -> Json:
            return self._boundary.services.clock.chance()

        return float(await self._recorded("random", step))

    async def uuid(self) -> UUID:
        """Return a random UUID, the same on every replay."""

        async def step(_: int) -> Json:
            return str(uuid4())

        return UUID(await self._recorded("uuid", step))

    async def _let_out(self, name: str, send: Callable[[int], Awaitable[None]]) -> None:
        """Hand something to somebody outside of the run, once, unless an operator stopped it."""
        scope, services = self._boundary.scope, self._boundary.services

        async def step(number: int) -> Json:
            try:
                kill = await stopping_now(scope, services)
                if kill is not None:
                    raise KillSwitchPulled(kill.text)
                await send(number)
            except (UnknownRun, RunFinished, InboxFull, KillSwitchPulled) as error:
                return error.to_json()
            return None

        refused = await self._recorded(name, step)
        if refused is not None:
            raise error_from_json(refused)

    async def _recorded(self, name: str, step: Callable[[int], Awaitable[Json]]) -> Json:
        """Execute something that is no call as one journaled step, in the run's turn."""
        async with self._boundary.turn(name) as number:

            async def body() -> Json:
                return await step(number)

            return await self._boundary.engine.step(name, body)
