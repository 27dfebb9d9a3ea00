"""Complete mediation: refuses of an agent what would lead round the boundary.

Between a model's choice of a tool and the decision about it, no code of an app may run. No model
may answer but the one that the policies are asked about. The rule is closed: only what is known
here to keep it may stay, so that what the library adds later, and what an app derives from the
library, is refused until somebody has looked at it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Annotated, Any, get_args, get_origin

from pydantic_ai import Agent, NativeOutput, PromptedOutput, TextOutput, ToolOutput
from pydantic_ai.agent import AbstractAgent, _AgentFunctionToolset
from pydantic_ai.capabilities import (
    AbstractCapability,
    CombinedCapability,
    Hooks,
    IncludeToolReturnSchemas,
    Instrumentation,
    PrefixTools,
    SetToolMetadata,
    ToolSearch,
    UseThreadExecutor,
    WrapperCapability,
)
from pydantic_ai.capabilities._deferred_capability_loader import DeferredCapabilityLoader
from pydantic_ai.capabilities._dynamic import ResolvedDynamicCapability
from pydantic_ai.models import Model
from pydantic_ai.models.concurrency import ConcurrencyLimitedModel
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.native_tools import AbstractNativeTool
from pydantic_ai.native_tools._tool_search import ToolSearchTool
from pydantic_ai.output import _ChoicesActions
from pydantic_ai.toolsets import (
    AbstractToolset,
    CombinedToolset,
    DeferredLoadingToolset,
    FilteredToolset,
    FunctionToolset,
    IncludeReturnSchemasToolset,
    PrefixedToolset,
    PreparedToolset,
    RenamedToolset,
    SetMetadataToolset,
    WrapperToolset,
)
from pydantic_ai.toolsets._capability_owned import CapabilityOwnedToolset

from fairlead.core.errors import InvalidDeclaration


class LentToolset(FunctionToolset[None]):
    """The workflow's tools that an agent gets for one run; each body makes its call itself."""


_WRAPPERS = frozenset(
    (
        CapabilityOwnedToolset,
        DeferredLoadingToolset,
        FilteredToolset,
        IncludeReturnSchemasToolset,
        PrefixedToolset,
        PreparedToolset,
        RenamedToolset,
        SetMetadataToolset,
        WrapperToolset,
    )
)
"""Toolsets that change what a model is offered, and hand a call on as it is.

`ApprovalRequiredToolset` is none of them: it asks the app about arguments before they are decided.
"""

_BODIES = frozenset((FunctionToolset, _AgentFunctionToolset, LentToolset))
"""Toolsets whose bodies are calls. No class that is derived from them: it may call otherwise."""

_AROUND = (
    "get_wrapper_toolset",
    "before_tool_validate",
    "wrap_tool_validate",
    "after_tool_validate",
    "on_tool_validate_error",
    "before_tool_execute",
    "wrap_tool_execute",
    "handle_deferred_tool_calls",
)
"""Hooks of a capability that see a tool's arguments, or run its body, before the decision."""

_INSTEAD = (
    "get_model",
    "resolve_model_id",
    "get_wrapper_model",
    "prepare_model_request",
    "wrap_model_request",
    "on_model_request_error",
    "wrap_node_run",
    "on_node_run_error",
    "wrap_run",
    "on_run_error",
)
"""Hooks of a capability that choose the model, or answer in its place."""

_MODELS = frozenset((WrapperModel, ConcurrencyLimitedModel))
"""Models that ask the one that they hold, and no other."""

_WRAPPING = frozenset((PrefixTools, ResolvedDynamicCapability, WrapperCapability))
"""Capabilities that pass every hook on to the one that they hold."""

_KNOWN = frozenset(
    (
        DeferredCapabilityLoader,
        IncludeToolReturnSchemas,
        Instrumentation,
        SetToolMetadata,
        UseThreadExecutor,
    )
)
"""Capabilities of the library that stand around tools or models, and execute nothing of an app."""


def check_agent(agent: Agent[Any, Any]) -> None:
    """Make sure of a ready agent that every body which its model may choose is a call.

    Args:
        agent: The agent, before it is run.

    Raises:
        InvalidDeclaration: Something of it is not known to be led through the boundary.
    """
    name = str(agent.name)
    if type(agent) is not Agent:
        raise InvalidDeclaration(
            f"agent {name} is of the class {type(agent).__name__}, which may run it otherwise: "
            "declare it as a plain Agent"
        )
    check_output(name, agent.output_type)
    check_capability(name, agent.root_capability)
    check_native(name, agent.root_capability.get_native_tools())
    for toolset in agent.toolsets:
        for body in check_toolset(name, toolset):
            for tool in body.tools.values():
                if tool.args_validator is not None:
                    raise InvalidDeclaration(
                        f"tool {tool.name} of agent {name} has an args_validator, which would see "
                        "arguments before they are decided: check them in the tool, or in a "
                        "guardrail with the stage tool"
                    )


def check_model(name: str, model: Any) -> Model:
    """Make sure that an agent's model asks the one that it names, and return it.

    Args:
        name: The agent's name.
        model: The agent's model, with all that wraps it.

    Raises:
        InvalidDeclaration: It may ask another one, or there is none.
    """
    inner = model
    while isinstance(inner, WrapperModel):
        if type(inner) not in _MODELS:
            raise InvalidDeclaration(
                f"agent {name} has a model in a wrapper of the class {type(inner).__name__}, which "
                "may ask another one under its name: give the agent the model itself"
            )
        inner = inner.wrapped
    if isinstance(inner, FallbackModel):
        raise InvalidDeclaration(
            f"agent {name} falls back by itself, where no policy sees it: declare fallbacks"
        )
    if not isinstance(model, Model):
        raise InvalidDeclaration(f"agent {name} has no model")
    return model


def other_model(agent: AbstractAgent[Any, Any] | None, model: str) -> InvalidDeclaration:
    """Return the error of an agent that another model would answer.

    Args:
        agent: The agent.
        model: The one model that it may ask, as policies name it.
    """
    return InvalidDeclaration(
        f"agent {agent and agent.name} would be answered by another model than {model}, and only "
        "about that one policies are asked: name the model where the agent is made, or in the "
        "workflow's table"
    )


def check_output(name: str, output: Any) -> None:
    """Make sure that an output is a type: a function would be executed with what a model chose.

    Args:
        name: The agent's name.
        output: What its output is declared to be.

    Raises:
        InvalidDeclaration: A function is among it.
    """
    for function in _functions(output):
        what = getattr(function, "__name__", None) or type(function).__name__
        raise InvalidDeclaration(
            f"agent {name} has the output function {what}, which would be executed without a "
            "contract, a rule or a record: let the output be a type, and make the call in the "
            "workflow"
        )


def check_toolset(name: str, toolset: AbstractToolset[Any]) -> Iterator[FunctionToolset[Any]]:
    """Yield the toolsets of functions of which a toolset is made.

    Args:
        name: The agent's name.
        toolset: The toolset, with all that wraps it.

    Raises:
        InvalidDeclaration: A part of it is not known to lead its tools through the boundary.
    """
    kind = type(toolset)
    if isinstance(toolset, CombinedToolset) and kind is CombinedToolset:
        for one in toolset.toolsets:
            yield from check_toolset(name, one)
    elif isinstance(toolset, WrapperToolset) and kind in _WRAPPERS:
        yield from check_toolset(name, toolset.wrapped)
    elif isinstance(toolset, FunctionToolset) and kind in _BODIES:
        yield toolset
    else:
        raise InvalidDeclaration(
            f"agent {name} has a toolset of the class {kind.__name__}, whose tools would be "
            "executed without a contract, a rule or a record: give them to the agent as "
            "functions, or declare them as tools of the workflow"
        )


def check_bound(
    name: str, toolset: AbstractToolset[Any], bound: Collection[AbstractToolset[Any]]
) -> None:
    """Make sure of all the tools of one run that their bodies are calls.

    Args:
        name: The agent's name.
        toolset: Everything that the run offers, whoever brought it.
        bound: Toolsets whose bodies were made calls when the agent was bound.

    Raises:
        InvalidDeclaration: A part of it is not known to lead its tools through the boundary.
    """
    for body in check_toolset(name, toolset):
        if type(body) is not LentToolset and not any(body is one for one in bound):
            raise InvalidDeclaration(
                f"agent {name} got the toolset {body.id} after it was bound, so its tools would be "
                "executed without a contract, a rule or a record: give it to the agent where the "
                "agent is made"
            )


def check_capability(
    name: str, capability: AbstractCapability[Any], own: AbstractCapability[Any] | None = None
) -> None:
    """Make sure that no capability stands before the decision, or in the place of the model.

    Args:
        name: The agent's name.
        capability: The capability, with all that it holds.
        own: The one that makes calls of the agent's model turns and tools.

    Raises:
        InvalidDeclaration: One has a hook that sees arguments, or executes, before the decision, or
            that may have another model answer.
    """
    kind = type(capability)
    if isinstance(capability, CombinedCapability) and kind is CombinedCapability:
        for one in capability.capabilities:
            check_capability(name, one, own)
        return
    if isinstance(capability, WrapperCapability) and kind in _WRAPPING:
        check_capability(name, capability.wrapped, own)
        return
    if capability is own or kind in _KNOWN:
        return
    hooks = [hook for hook in _AROUND if _has(capability, hook)]
    if hooks:
        raise InvalidDeclaration(
            f"capability {kind.__name__} of agent {name} has the hook {hooks[0]}, which would see "
            "what the model chose before it is decided: leave it out, or make a guardrail of it"
        )
    hooks = [hook for hook in _INSTEAD if _has(capability, hook)]
    if hooks:
        raise InvalidDeclaration(
            f"capability {kind.__name__} of agent {name} has the hook {hooks[0]}, with which "
            "another model may answer than the one that policies know: leave it out, and name "
            "models and fallbacks in the workflow"
        )


def check_native(name: str, tools: Sequence[Any]) -> None:
    """Make sure that no provider executes tools by itself, where no rule sees them.

    Args:
        name: The agent's name.
        tools: The native tools that the model would be asked with, or functions that make them.

    Raises:
        InvalidDeclaration: There is one beside the search for the agent's own tools.
    """
    for tool in tools:
        if type(tool) is not ToolSearchTool:
            what = tool.kind if isinstance(tool, AbstractNativeTool) else "a function's choice"
            raise InvalidDeclaration(
                f"agent {name} has the native tool {what}, which its provider would execute "
                "without a contract, a rule or a record: declare a tool of the workflow instead"
            )


def _has(capability: AbstractCapability[Any], hook: str) -> bool:
    """Whether a capability does something at a hook."""
    if type(capability) is Hooks:
        return bool(capability._registry.get(hook))
    if type(capability) is ToolSearch:
        # What it wraps is known; only a strategy of the app's own executes what a model chose.
        return callable(capability.strategy)
    # An instance may have a hook that its class has not.
    own = getattr(getattr(capability, hook), "__func__", None)
    return own is not getattr(AbstractCapability, hook)


def _functions(output: Any) -> Iterator[Any]:
    """Yield what would be executed of a declared output."""
    if isinstance(output, TextOutput):
        yield output.output_function
    elif isinstance(output, ToolOutput):
        yield from _functions(output.output)
    elif isinstance(output, NativeOutput | PromptedOutput):
        yield from _functions(output.outputs)
    elif hasattr(output, "__value__"):
        # A name for a type, of `typing` or of its backport.
        yield from _functions(output.__value__)
    elif isinstance(output, Sequence) and not isinstance(output, str):
        for one in output:
            yield from _functions(one)
    elif get_origin(output) is not None:
        # What stands beside an annotated type belongs to its validation.
        inner = get_args(output)[:1] if get_origin(output) is Annotated else get_args(output)
        for one in inner:
            yield from _functions(one)
    elif isinstance(output, type):
        # A set of choices that stand for functions is a type, too.
        if issubclass(output, _ChoicesActions):
            yield output
    elif callable(output) and not hasattr(output, "__supertype__"):
        yield output
