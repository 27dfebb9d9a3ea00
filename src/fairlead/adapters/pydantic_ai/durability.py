"""Makes an agent durable: each of its model turns and tool calls is a call of the boundary.

Built on pydantic-ai's public surface for engines. An agent that carries this capability cannot run
outside of a run: it raises, it is never silently not durable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from pydantic_ai import AgentRunResult, RunContext
from pydantic_ai.capabilities import WrapRunHandler
from pydantic_ai.durable_exec import (
    JSON_CODEC,
    BaseDurabilityCapability,
    DurabilityEngineSpec,
    DurableOperation,
    DurableOperationBackend,
    ModelRequestParams,
    ToolsetCallToolParams,
    ToolsetValidateToolArgumentsId,
    durable_unit_scope,
)
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse
from pydantic_ai.models import Model
from pydantic_core import to_jsonable_python

from fairlead.adapters.pydantic_ai.failures import driver_error
from fairlead.core.calls import CallKind, Usage
from fairlead.core.context import Context
from fairlead.core.digests import Json
from fairlead.core.errors import InvalidDeclaration, OutsideRun
from fairlead.ports.boundary import Driven, current_boundary, current_call

ParamsT = TypeVar("ParamsT")
WireT = TypeVar("WireT")
ResultT = TypeVar("ResultT")

_VARYING = frozenset(("timestamp", "run_id", "conversation_id"))
"""Fields of messages that are made anew on replay; they are no part of what is asked."""


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

    def __init__(self, model: str, *, name: str, models: Mapping[str, Model] | None = None) -> None:
        """Prepare the capability for one agent.

        Args:
            model: `provider:model`, as policies name it.
            name: The agent's name.
            models: Models beside the agent's own that it may be run with, by name.
        """
        super().__init__(name=name, models=models)
        self._backend = _Backend(model)

    @property
    def in_durable_context(self) -> bool:
        """Whether workflow code of a run is executing, and no body of a call."""
        return current_boundary.get() is not None and current_call.get() is None

    def get_durable_operation_backend(self) -> DurableOperationBackend[Any]:
        """Return the backend that turns operations into calls."""
        return self._backend

    async def wrap_run(
        self, ctx: RunContext[Any], *, handler: WrapRunHandler
    ) -> AgentRunResult[Any]:
        """Refuse to run outside of a run, or inside the body of a call."""
        if not self.in_durable_context:
            raise OutsideRun(f"agent {self.name} was run outside of a run, where it is not durable")
        return await super().wrap_run(ctx, handler=handler)


class _Backend(DurableOperationBackend[None]):
    def __init__(self, model: str) -> None:
        self._model = model

    def bind(
        self, operation: DurableOperation[ParamsT, WireT, ResultT]
    ) -> _Operation[ParamsT, WireT, ResultT]:
        return _Operation(operation=operation, model=self._model)

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
    model: str

    async def __call__(self, params: ParamsT, *, config: object | None = None) -> ResultT:  # noqa: ARG002
        operation = self.operation
        if isinstance(operation.operation_id, ToolsetValidateToolArgumentsId):
            return await operation.handler(params)
        boundary = current_boundary.get()
        if boundary is None:
            raise OutsideRun("an agent's operation was asked for outside of a run")
        kind, name, arguments = self._asked(params)

        async def drive(_: Context) -> Driven:
            try:
                with durable_unit_scope():
                    result = await operation.handler(params)
            except Exception as error:
                known = driver_error(error) if kind == "model" else None
                if known is None:
                    raise
                raise known from error
            return Driven(value=operation.result_codec.dump(result), usage=_usage(result))

        return operation.result_codec.load(await boundary.call(kind, name, arguments, drive))

    def _asked(self, params: ParamsT) -> tuple[CallKind, str, Json]:
        """Return kind, name and arguments of the call that an operation stands for."""
        if isinstance(params, ModelRequestParams):
            request = params.model_request_parameters
            tools = sorted(tool.name for tool in request.function_tools)
            arguments = {
                "messages": _plain(params.messages),
                "settings": to_jsonable_python(params.model_settings or {}),
                "tools": tools,
            }
            return "model", self.model, arguments
        if isinstance(params, ToolsetCallToolParams):
            return "tool", params.name, to_jsonable_python(params.tool_args)
        what = type(self.operation.operation_id).__name__
        raise InvalidDeclaration(f"an agent inside a run may not use {what}")


def _plain(messages: list[ModelMessage]) -> Json:
    """Return messages as JSON without what differs between two replays."""
    dumped: list[dict[str, Json]] = ModelMessagesTypeAdapter.dump_python(messages, mode="json")
    for message in dumped:
        for part in [message, *message["parts"]]:
            for name in _VARYING:
                part.pop(name, None)
    return dumped


def _usage(result: object) -> Usage:
    if not isinstance(result, ModelResponse):
        return Usage()
    try:
        cost_usd = float(result.cost().total_price)
    except (LookupError, ValueError, AssertionError):
        # No price is known for this model: its tokens still count.
        cost_usd = 0.0
    usage = result.usage
    return Usage(
        input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, cost_usd=cost_usd
    )
