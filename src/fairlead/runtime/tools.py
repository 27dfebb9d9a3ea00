"""Tools as calls: from Python arguments to JSON and back."""

from __future__ import annotations

from typing import Any

from fairlead.authoring.tool import Tool
from fairlead.core.bounds import ARGUMENTS, excess
from fairlead.core.context import Context
from fairlead.core.digests import Json
from fairlead.core.effects import Happened, NotHappened
from fairlead.core.errors import ArgumentsInvalid, InvalidDeclaration, InvalidInput
from fairlead.core.label import Label
from fairlead.core.release import ToolContract
from fairlead.guardrails.shapes import SchemaCheck, Shape, arguments_model, field_paths, shape_of
from fairlead.ports.boundary import Driven, Driver
from fairlead.ports.generator import ToolBinding
from fairlead.runtime.redacting import told
from fairlead.runtime.scope import Probe

AnyTool = Tool[..., Any]


def arguments_of(tool: AnyTool) -> Shape:
    """Return the shape of a tool's arguments."""
    return arguments_model(tool.signature, tool.name)


def result_of(tool: AnyTool) -> Shape:
    """Return the shape of a tool's result."""
    annotation = tool.signature.return_annotation
    return shape_of(Any if annotation is tool.signature.empty else annotation)


def contract_of(tool: AnyTool) -> ToolContract:
    """Return a tool's contract, as a release records it."""
    return ToolContract(
        name=tool.name,
        description=tool.description,
        effect=tool.effect,
        scope=tool.scope,
        targets=tool.targets,
        parameters=arguments_of(tool).schema,
        key=tool.key,
        compensate=tool.compensate.name if tool.compensate else "",
        reconcile=tool.reconcile is not None,
        payload=tool.payload,
        egress=tool.egress,
        labels=_checked(tool),
        secrets=tuple(secret.name for secret in tool.secrets),
    )


def _checked(tool: AnyTool) -> dict[str, Label]:
    """Return the labels of a tool's result; each names a field that the result has.

    Raises:
        InvalidDeclaration: A label names a field that is not there: what it was meant for would
            have another one.
    """
    known = field_paths(result_of(tool).schema)
    for path in tool.labels:
        if known is not None and path not in known:
            names = ", ".join(sorted(known - {""})) or "none"
            raise InvalidDeclaration(
                f"tool {tool.name}: its result has no field {path!r}; it has: {names}",
                tool=tool.name,
            )
    return dict(tool.labels)


def probe_of(tool: AnyTool) -> Probe | None:
    """Return a tool's reconcile probe, from JSON arguments to a JSON result."""
    reconcile = tool.reconcile
    if reconcile is None:
        return None

    async def probe(context: Context, arguments: dict[str, Json]) -> list[Json]:
        loaded = arguments_of(tool).load(arguments)
        named = {name: getattr(loaded, name) for name in tool.signature.parameters}
        said = await reconcile(context, **named)
        if isinstance(said, NotHappened):
            return []
        if not isinstance(said, Happened):
            raise TypeError(
                f"reconcile of tool {tool.name} returned {type(said).__name__}, not Happened(...) "
                "or NOT_HAPPENED"
            )
        return [result_of(tool).dump(said.result, of=f"reconcile of tool {tool.name}")]

    return probe


def to_json(tool: AnyTool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Json]:
    """Return the arguments of a Python call as JSON, defaults filled in.

    Raises:
        ArgumentsInvalid: They do not fit the tool's signature.
    """
    try:
        bound = tool.signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ArgumentsInvalid(told(f"tool {tool.name}: {error}"), tool=tool.name) from error
    bound.apply_defaults()
    if excess(bound.arguments, ARGUMENTS) is not None:
        # The boundary refuses them, and records that it did.
        return bound.arguments
    shape = arguments_of(tool)
    try:
        value = shape.load(bound.arguments)
    except InvalidInput as error:
        raise ArgumentsInvalid(f"tool {tool.name}: {error.message}", tool=tool.name) from error
    arguments: dict[str, Json] = shape.dump(value, of=f"the caller of {tool.name}")
    return arguments


async def execute(tool: AnyTool, context: Context, arguments: dict[str, Json]) -> Json:
    """Execute a tool's body from JSON to JSON; only ever inside a call."""
    loaded = arguments_of(tool).load(arguments)
    named = {name: getattr(loaded, name) for name in tool.signature.parameters}
    value = await tool.function(context, **named)
    return result_of(tool).dump(value, of=f"tool {tool.name}")


def driver_of(tool: AnyTool, arguments: dict[str, Json]) -> Driver:
    """Return the body of one call of a tool."""

    async def drive(context: Context) -> Driven:
        return Driven(value=await execute(tool, context, arguments))

    return drive


def binding_of(tool: AnyTool) -> ToolBinding:
    """Return a tool as an agent loop offers it to a model."""

    async def body(context: Context, arguments: dict[str, Json]) -> Json:
        return await execute(tool, context, arguments)

    schema = arguments_of(tool).schema
    return ToolBinding(
        name=tool.name,
        description=tool.description,
        parameters=schema,
        body=body,
        finding=SchemaCheck(schema, quoting=False).finding,
    )
