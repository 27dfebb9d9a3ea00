"""Makes an agent durable: each of its model turns and tool calls is a call of the boundary.

Built on pydantic-ai's public surface for engines. An agent that carries this capability cannot run
outside of a run: it raises, it is never silently not durable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, Self, TypeVar

from pydantic_ai import AgentRunResult, ModelRetry, RunContext
from pydantic_ai.agent import AbstractAgent
from pydantic_ai.capabilities import AbstractCapability, WrapModelRequestHandler, WrapRunHandler
from pydantic_ai.durable_exec import (
    JSON_CODEC,
    BaseDurabilityCapability,
    DurabilityEngineSpec,
    DurableOperation,
    DurableOperationBackend,
    ModelRequestParams,
    ParameterTransports,
    ToolsetCallToolParams,
    ToolsetValidateToolArgumentsId,
    durable_unit_scope,
    revalidate_function_call,
)
from pydantic_ai.durable_exec._utils import DurableModel
from pydantic_ai.exceptions import SkipModelRequest
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import (
    KnownModelName,
    Model,
    ModelRequestContext,
    ModelResolutionContext,
)
from pydantic_ai.output import OutputContext
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset
from pydantic_core import to_jsonable_python

from fairlead.adapters.pydantic_ai.failures import answer_error, driver_error
from fairlead.adapters.pydantic_ai.mediation import (
    check_bound,
    check_capability,
    check_native,
    other_model,
)
from fairlead.adapters.pydantic_ai.reask import outgoing, refusal, unfit
from fairlead.adapters.pydantic_ai.results import asks_again, result_of, wire_of
from fairlead.adapters.pydantic_ai.turn import arguments_of, usage_of
from fairlead.core.context import Context
from fairlead.core.digests import Json
from fairlead.core.errors import FairleadError, InvalidDeclaration, OutsideRun, ToolAsksAgain
from fairlead.core.errors.call import MAY_PASS
from fairlead.ports.boundary import CallBoundary, Driven, Driver, current_boundary, current_call

ParamsT = TypeVar("ParamsT")
WireT = TypeVar("WireT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, kw_only=True)
class Turns:
    """The rules of an agent's model turns.

    Attributes:
        make: Returns a model by its name.
        fallbacks: Models that are asked in this order when the one before fails and may pass.
        reasks: Times in a row that a model is asked again after what does not fit.
        complaint: Says why an output must be made again; None when nobody is asked.
    """

    make: Callable[[str], Model]
    fallbacks: Sequence[str]
    reasks: int
    complaint: Callable[[Any], str | None] | None = None


class Durability(BaseDurabilityCapability[Any]):
    """The capability that routes an agent's model turns and tools through the boundary."""

    engine_spec = DurabilityEngineSpec(
        engine_name="Fairlead",
        durable_unit_noun="call",
        durable_container_noun="run",
        codec=JSON_CODEC,
        wrapped_toolset_kinds=frozenset({"function"}),
        toolset_lifecycles={"function": "enter-never"},
        unsupported_runtime_toolset_kinds=frozenset({"mcp", "dynamic"}),
        sequential_tools_in_durable_context=True,
    )

    def __init__(
        self,
        model: str,
        *,
        name: str,
        turns: Turns,
        given: Model | None = None,
    ) -> None:
        """Prepare the capability for one agent.

        Args:
            model: `provider:model`, as policies name it.
            name: The agent's name.
            turns: The rules of its model turns.
            given: The model of that name, where the agent is not run with its own object.
        """
        super().__init__(name=name, models={model: given} if given is not None else None)
        self._model = model
        # What the library calls the one model of the agent: it has no name for an agent's own.
        self._model_id = model if given is not None else None
        self._begin(turns)

    def _begin(self, turns: Turns) -> None:
        """Set what belongs to one loop; the copies that the library makes for it share it."""
        self._turns = turns
        self._backend = _Backend(self._model_id, self._model, turns)
        self._led: set[str | None] = set()
        self._complaints = 0

    def for_agent(self, agent: AbstractAgent[Any, Any]) -> AbstractCapability[Any]:
        """Bind the capability to an agent, unless it is bound to it already."""
        return self if self.agent is agent else super().for_agent(agent)

    def begun(self, turns: Turns) -> Self:
        """Return the same binding for another loop of the agent.

        Args:
            turns: The rules of that loop's model turns.
        """
        other = copy(self)
        other._begin(turns)
        return other

    @property
    def in_durable_context(self) -> bool:
        """Whether workflow code of a run is executing, and no body of a call."""
        return current_boundary.get() is not None and current_call.get() is None

    @property
    def _agents_name(self) -> str:
        """What the app calls the agent: the capability bears the name of the task."""
        return (self.agent and self.agent.name) or self.name

    async def resolve_model_id(
        self, ctx: ModelResolutionContext[Any], *, model_id: KnownModelName | str
    ) -> Model | None:
        """Return a model by its name; a fallback is made when it is needed, not before."""
        if model_id in self._turns.fallbacks:
            return self._turns.make(model_id)
        return await super().resolve_model_id(ctx, model_id=model_id)

    async def before_model_request(
        self, ctx: RunContext[Any], request_context: ModelRequestContext
    ) -> ModelRequestContext:
        """Bound how often the model is asked again, and leave its bad text out of what goes out."""
        context = await super().before_model_request(ctx, request_context)
        asked = context.model_request_parameters
        check_native(self._agents_name, asked.native_tools)
        outputs = [tool.name for tool in asked.output_tools]
        code = refusal(context.messages, outputs, self._turns.reasks)
        if code is not None:
            raise unfit(code, context.model.model_name, self._turns.reasks)
        tools = [*(tool.name for tool in asked.function_tools), *outputs]
        return replace(context, messages=outgoing(context.messages, tools))

    async def prepare_model_request(
        self, ctx: RunContext[Any], request_context: ModelRequestContext
    ) -> ModelRequestContext:
        """Refuse a model that would be asked round the boundary: no hook comes after this one."""
        context = await super().prepare_model_request(ctx, request_context)
        if type(context.model) is not DurableModel:
            raise self._other_model()
        return context

    async def wrap_model_request(
        self,
        ctx: RunContext[Any],
        *,
        request_context: ModelRequestContext,
        handler: WrapModelRequestHandler,
    ) -> ModelResponse:
        """Refuse an answer that no model gave."""
        try:
            return await super().wrap_model_request(
                ctx, request_context=request_context, handler=handler
            )
        except SkipModelRequest as error:
            raise self._other_model() from error

    async def after_output_process(
        self,
        ctx: RunContext[Any],
        *,
        output_context: OutputContext,
        output: Any,
    ) -> Any:
        """Ask the model again for what a guardrail complains of, as often as that is allowed."""
        output = await super().after_output_process(
            ctx, output_context=output_context, output=output
        )
        if self._turns.complaint is None or self._complaints >= self._turns.reasks:
            return output
        complaint = self._turns.complaint(output)
        if complaint is not None:
            self._complaints += 1
            raise ModelRetry(complaint)
        return output

    async def before_output_process(
        self, ctx: RunContext[Any], *, output_context: OutputContext, output: Any
    ) -> Any:
        """Refuse an output function that was not there when the agent was looked at."""
        if output_context.has_function:
            raise InvalidDeclaration(
                f"agent {self._agents_name} was run with an output function: let it be a type"
            )
        return await super().before_output_process(
            ctx, output_context=output_context, output=output
        )

    def get_wrapper_toolset(self, toolset: AbstractToolset[Any]) -> AbstractToolset[Any] | None:
        """Make calls of the tools of a run, and refuse those of which none would be made.

        All of them are seen here, whoever brought them, before the first of them is listed.
        """
        bound = [wrapper.wrapped for wrapper in self._toolsets_by_id.values()]
        check_bound(self._agents_name, toolset, bound)
        return super().get_wrapper_toolset(toolset)

    def get_durable_operation_backend(self) -> DurableOperationBackend[Any]:
        """Return the backend that turns operations into calls."""
        return self._backend

    async def wrap_run(
        self, ctx: RunContext[Any], *, handler: WrapRunHandler
    ) -> AgentRunResult[Any]:
        """Refuse to run outside of a run, inside the body of a call, or round the boundary."""
        if not self.in_durable_context:
            raise OutsideRun(f"agent {self.name} was run outside of a run, where it is not durable")
        assert ctx.root_capability is not None, "a run knows its capabilities"
        check_capability(self._agents_name, ctx.root_capability, own=self)
        if ctx.model is not self._models_by_id[self._model_id or "default"]:
            raise self._other_model()
        self._led.add(ctx.run_id)
        return await super().wrap_run(ctx, handler=handler)

    def check_result(self, result: AgentRunResult[Any]) -> None:
        """Make sure of a result that it comes from a run that was led through the boundary.

        What shows only when a run begins could have answered in the place of the whole run.

        Args:
            result: What the agent's run returned.

        Raises:
            InvalidDeclaration: It is the result of something else.
        """
        if result.run_id not in self._led:
            raise self._other_model()

    def _other_model(self) -> InvalidDeclaration:
        return other_model(self.agent, self._model)


class _Transports(ParameterTransports):
    async def prepare_function_call(
        self, toolset: FunctionToolset[Any], params: ToolsetCallToolParams
    ) -> ToolsetCallToolParams:
        # What passed the boundary is JSON, and a guardrail may have taken something out of it.
        return await revalidate_function_call(toolset, params, engine_spec=Durability.engine_spec)


class _Backend(DurableOperationBackend[None]):
    parameter_transports = _Transports()

    def __init__(self, model_id: str | None, model: str, turns: Turns) -> None:
        self._model_id = model_id
        self._model = model
        self._turns = turns

    def bind(
        self, operation: DurableOperation[ParamsT, WireT, ResultT]
    ) -> _Operation[ParamsT, WireT, ResultT]:
        return _Operation(
            operation=operation, model_id=self._model_id, model=self._model, turns=self._turns
        )

    def config_for_tool(
        self,
        operation: DurableOperation[ParamsT, WireT, ResultT],  # noqa: ARG002 - the base's signature
        *,
        tool: object | None,  # noqa: ARG002
        tool_name: str,  # noqa: ARG002
    ) -> Literal[False] | None:
        return None

    def registrations(self) -> Sequence[Callable[..., object]]:
        return ()


@dataclass(frozen=True, kw_only=True)
class _Operation(Generic[ParamsT, WireT, ResultT]):
    """One kind of operation of one agent, as calls."""

    operation: DurableOperation[ParamsT, WireT, ResultT]
    model_id: str | None
    model: str
    turns: Turns

    async def __call__(self, params: ParamsT, *, config: object | None = None) -> ResultT:  # noqa: ARG002
        operation = self.operation
        if isinstance(operation.operation_id, ToolsetValidateToolArgumentsId):
            return await operation.handler(params)
        boundary = current_boundary.get()
        if boundary is None:
            raise OutsideRun("an agent's operation was asked for outside of a run")
        if isinstance(params, ModelRequestParams):
            wire = await self._turn(boundary, params)
        elif isinstance(params, ToolsetCallToolParams):
            wire = await self._own_tool(boundary, params)
        else:
            what = type(operation.operation_id).__name__
            raise InvalidDeclaration(f"an agent inside a run may not use {what}")
        return operation.result_codec.load(wire)

    async def _own_tool(self, boundary: CallBoundary, params: ToolsetCallToolParams) -> Any:
        """Call a tool of the agent's own: the library has read the arguments by its types."""

        def driver(given: Json) -> Driver:
            asked: Any = replace(params, tool_args=given)

            async def drive(_: Context) -> Driven:
                with durable_unit_scope():
                    result = await self.operation.handler(asked)
                return Driven(value=result_of(self.operation.result_codec.dump(result)))

            return drive

        arguments = to_jsonable_python(params.tool_args)
        try:
            value = await boundary.call(
                "tool", params.name, arguments, driver(arguments), rebind=driver
            )
        except ToolAsksAgain as error:
            return asks_again(error)
        return wire_of(value)

    async def _turn(self, boundary: CallBoundary, params: ModelRequestParams) -> Any:
        """Ask the model, and a fallback where the one before failed in a way that may pass.

        Each of them is a call of its own, under its own name.
        """
        if params.model_id != self.model_id:
            # The library asks a model by this name, whatever the call is named.
            raise other_model(params.run_context.agent, self.model)
        arguments = arguments_of(params)
        models = [self.model, *self.turns.fallbacks]
        for place, model in enumerate(models):
            turn = params if place == 0 else replace(params, model_id=model)
            try:
                return await boundary.call("model", model, arguments, self._model(turn))
            except FairleadError as error:
                if error.code not in MAY_PASS or model == models[-1]:
                    raise
        raise AssertionError("a turn has at least one model")

    def _model(self, params: Any) -> Driver:
        """Return the body of one model turn; no answer leaves it that is not whole."""

        async def drive(_: Context) -> Driven:
            try:
                with durable_unit_scope():
                    result = await self.operation.handler(params)
            except Exception as error:
                known = driver_error(error)
                if known is None:
                    raise
                raise known from error
            unusable = answer_error(result) if isinstance(result, ModelResponse) else None
            if unusable is not None:
                raise unusable
            return Driven(
                value=self.operation.result_codec.dump(result),
                usage=usage_of(result),
                served_by=getattr(result, "model_name", None) or "",
            )

        return drive
