"""Agent loops on pydantic-ai."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from pydantic_ai import Agent, ModelRetry, RunContext, Tool
from pydantic_ai.capabilities import AbstractCapability, ReinjectSystemPrompt
from pydantic_ai.exceptions import AgentRunError, UnexpectedModelBehavior, UserError
from pydantic_ai.models import Model, infer_model
from pydantic_ai.settings import ModelSettings
from pydantic_ai.toolsets import FunctionToolset
from pydantic_ai.usage import UsageLimits
from pydantic_core import SchemaValidator, core_schema

from fairlead.adapters.pydantic_ai.durability import Durability, Turns
from fairlead.adapters.pydantic_ai.extractive import ExtractiveModel
from fairlead.adapters.pydantic_ai.failures import model_error
from fairlead.adapters.pydantic_ai.history import messages_of, uses_of
from fairlead.adapters.pydantic_ai.mediation import (
    LentToolset,
    check_agent,
    check_model,
    check_output,
)
from fairlead.adapters.pydantic_ai.reask import MISFIT
from fairlead.core.context import Context
from fairlead.core.digests import Json
from fairlead.core.errors import AnswerUnfit, CallFailed, InvalidDeclaration, OutsideRun
from fairlead.ports.boundary import Driven, Driver, current_boundary
from fairlead.ports.generator import Generated, Task, ToolBinding

EXTRACTIVE = "fairlead:extractive"
BINDINGS_MAX = 64
"""Agents of one process that are kept bound; an app has a few."""
_OBJECT = SchemaValidator(core_schema.dict_schema(keys_schema=core_schema.str_schema()))


def make_model(name: str) -> Model:
    """Return a model by its name.

    Args:
        name: `provider:model`; `fairlead:extractive` is the embedded one.

    Raises:
        ModelUnknown: No such provider or model, or its extra is not installed.
        ModelKeyMissing: The provider's key is not set.
    """
    if name == EXTRACTIVE:
        return ExtractiveModel()
    try:
        return _without_own_retries(infer_model(name))
    except Exception as error:
        raise model_error(name, error) from error


def _without_own_retries(model: Model) -> Model:
    """Switch the provider's own retries off: two layers of retries multiply."""
    inner: Any = model
    while inner is not None:
        client = getattr(inner, "client", None)
        if client is not None and hasattr(client, "max_retries"):
            client.max_retries = 0
        inner = getattr(inner, "wrapped", None)
    return model


class Binding:
    """A ready agent with what makes it durable: binding is a fifteenth of what a short loop costs.

    It holds its agent, so that no other one can come to the same place in memory.
    """

    def __init__(self, agent: Agent[Any, Any], durability: Durability) -> None:
        """Bind an agent.

        Args:
            agent: The agent, as it is now.
            durability: The capability; of use when no other one has to stand around it.
        """
        bound = durability.for_agent(agent)
        self.durability = bound if isinstance(bound, Durability) else durability
        self._agent = agent
        self._bound = _parts(agent)

    def fits(self, agent: Agent[Any, Any]) -> bool:
        """Whether it is the same agent, with the same model and toolsets as when it was bound."""
        parts = _parts(agent)
        return (
            agent is self._agent
            and len(parts) == len(self._bound)
            and all(one is other for one, other in zip(parts, self._bound, strict=True))
        )


def _parts(agent: Agent[Any, Any]) -> list[object]:
    return [agent.model, agent.root_capability, *agent.toolsets]


class PydanticGenerator:
    """Runs agent loops inside a run; every model turn and tool goes through the boundary."""

    def __init__(self) -> None:
        """Know no agent yet."""
        self._bindings: dict[tuple[int, str], Binding] = {}

    async def generate(self, task: Task) -> Generated:
        """Return the loop's output, and what was called on the way."""
        agent, durability = self._agent(task)
        try:
            result = await agent.run(
                task.message,
                model=_named(task) if _ready(task) else None,
                instructions=task.instructions if _ready(task) and task.instructions else None,
                model_settings=_settings(task) if _ready(task) else None,
                message_history=messages_of(task.history) or None,
                capabilities=_capabilities(task, durability) if _ready(task) else None,
                toolsets=_lent(task),
                # The boundary bounds the calls of a run; a second bound would only be another word.
                usage_limits=UsageLimits(request_limit=None),
                # The rules of model turns end a loop first, and say why.
                retries=task.reasks + 1,
            )
        except UnexpectedModelBehavior as error:
            raise AnswerUnfit(f"the agent of {task.name} gave up: {error}") from error
        except (AgentRunError, UserError) as error:
            raise CallFailed(f"the agent of {task.name} failed: {error}") from error
        durability.check_result(result)
        tools = [binding.name for binding in task.tools]
        return Generated(output=result.output, uses=uses_of(result.new_messages(), tools))

    def _agent(self, task: Task) -> tuple[Agent[None, Any], Durability]:
        """Return the agent of a task, and what makes it durable."""
        if _ready(task):
            return task.model, self._durability(task)
        check_output(task.name, task.output)
        durability = Durability(task.model, name=task.name, turns=_turns(task))
        agent = Agent(
            make_model(task.model),
            name=task.name,
            output_type=task.output,
            instructions=task.instructions or None,
            model_settings=_settings(task),
            capabilities=[durability],
        )
        return agent, durability

    def _durability(self, task: Task) -> Durability:
        """Return what makes a ready agent durable, for one loop."""
        if not isinstance(task.model, Agent):
            raise InvalidDeclaration(f"{task.model!r} is no pydantic-ai Agent")
        check_agent(task.model)
        if isinstance(task.model.model, Model):
            _without_own_retries(task.model.model)
        name = _named(task)
        if name:  # The manifest's model, or the agent's own by its name: made for this loop alone.
            label = task.override or label_of(task.model)
            return Durability(label, name=task.name, given=make_model(name), turns=_turns(task))
        key = (id(task.model), task.name)
        binding = self._bindings.get(key)
        if binding is None or not binding.fits(task.model):
            if len(self._bindings) >= BINDINGS_MAX:
                self._bindings.clear()
            made = Durability(label_of(task.model), name=task.name, turns=_turns(task))
            binding = self._bindings[key] = Binding(task.model, made)
        return binding.durability.begun(_turns(task))

    def check(self, model: Any) -> str:
        """Make sure that a model could be called, and return the name that policies know."""
        if isinstance(model, Agent):
            check_agent(model)
            return label_of(model)
        if not isinstance(model, str):
            raise InvalidDeclaration(f"a model is a name or an Agent, not {type(model).__name__}")
        make_model(model)
        return model


def _capabilities(task: Task, durability: Durability) -> list[AbstractCapability[Any]]:
    """Make a ready agent durable."""
    # With a history the library takes an agent's system prompt for said already.
    return [durability, ReinjectSystemPrompt()] if task.history else [durability]


def _lent(task: Task) -> list[LentToolset]:
    """Return the workflow's tools that the agent has not itself, so that it can call them."""
    own = {
        name
        for toolset in (task.model.toolsets if _ready(task) else ())
        if isinstance(toolset, FunctionToolset)
        for name in toolset.tools
    }
    lent = [_tool(binding) for binding in task.tools if binding.name not in own]
    return [LentToolset(lent, id="workflow")] if lent else []


def _named(task: Task) -> str | None:
    """Return the name of the model that a ready agent is run with; None for its own object.

    An agent's own name for its model is resolved here too, so that no model comes with retries.
    """
    return task.override or (task.model.model if isinstance(task.model.model, str) else None)


def _turns(task: Task) -> Turns:
    return Turns(
        make=make_model,
        fallbacks=tuple(task.fallbacks),
        reasks=task.reasks,
        complaint=task.complaint,
    )


def _settings(task: Task) -> ModelSettings | None:
    return cast(ModelSettings, dict(task.settings)) if task.settings else None


def _ready(task: Task) -> bool:
    return not isinstance(task.model, str)


def label_of(agent: Agent[Any, Any]) -> str:
    """Return `provider:model` of a ready agent."""
    if isinstance(agent.model, str):
        return agent.model
    model = check_model(str(agent.name), agent.model)
    return f"{model.system}:{model.model_name}"


def _body(binding: ToolBinding) -> Callable[..., Awaitable[Any]]:
    """Return a tool's body that makes the call itself: what an agent gets for one run only is not
    among the toolsets that its capability wraps, and so is no value of the library's."""

    async def body(**arguments: Any) -> Any:
        def driver(given: Json) -> Driver:
            async def drive(context: Context) -> Driven:
                return Driven(value=await binding.body(context, given))

            return drive

        boundary = current_boundary.get()
        if boundary is None:
            raise OutsideRun(f"tool {binding.name} was called outside of a run")
        given = binding.settled(arguments)
        return await boundary.call("tool", binding.name, given, driver(given), rebind=driver)

    return body


def _tool(binding: ToolBinding) -> Tool[None]:
    async def fits(_: RunContext[None], /, **arguments: Any) -> None:
        finding = binding.finding(arguments)
        if finding is not None:
            raise ModelRetry(MISFIT + finding)

    tool: Tool[None] = Tool.from_schema(
        _body(binding),
        name=binding.name,
        description=binding.description,
        json_schema=binding.parameters,
        takes_ctx=False,
        args_validator=fits,
    )
    # The library takes any JSON here, and a list of arguments ends its loop with a TypeError.
    tool.function_schema.validator = _OBJECT
    return tool
