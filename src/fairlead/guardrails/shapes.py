"""Shapes: types of inputs, outputs, arguments and results, as JSON schema and as values.

pydantic is imported when the first shape is made, so that importing Fairlead stays cheap.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from copy import deepcopy
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from fairlead.core.digests import Json, canonical_json
from fairlead.core.errors import FairleadError, InvalidInput, ResultNotJson

_PATHS_DEPTH_MAX = 20
"""A schema that is nested deeper counts as open."""

if TYPE_CHECKING:
    import jsonschema_rs
    from pydantic import TypeAdapter


class Shape:
    """A type that can be read from JSON and written to JSON."""

    def __init__(self, type: Any) -> None:
        """Prepare a type.

        Args:
            type: Any type that pydantic knows: str, a dataclass, a model, a list of these.
        """
        from pydantic import TypeAdapter

        self._adapter: TypeAdapter[Any] = TypeAdapter(type)

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema; a copy, made once."""
        return deepcopy(self._schema)

    @cached_property
    def _schema(self) -> dict[str, Any]:
        return self._adapter.json_schema()

    def load(self, value: Json) -> Any:
        """Return the value that JSON stands for.

        Raises:
            InvalidInput: The JSON does not fit; the message names the places.
        """
        from pydantic import ValidationError

        try:
            return self._adapter.validate_python(value)
        except ValidationError as error:
            raise InvalidInput(_places(error.errors(include_url=False))) from error

    def dump(self, value: Any, *, of: str) -> Json:
        """Return a value as JSON.

        Args:
            value: What a tool or a workflow returned.
            of: What returned it, for the message.

        Raises:
            ResultNotJson: The value cannot be written as JSON.
        """
        from pydantic_core import PydanticSerializationError

        try:
            dumped = self._adapter.dump_python(value, mode="json", warnings="error")
            canonical_json(dumped)
        except (PydanticSerializationError, ValueError, TypeError, RecursionError) as error:
            raise ResultNotJson(_misfit(value, of)) from error
        return dumped


def shape_of(type: Any) -> Shape:
    """Return the shape of a type, made once."""
    return _shape_of(type)


@lru_cache(maxsize=512)
def _shape_of(type: Any) -> Shape:
    return Shape(type)


@lru_cache(maxsize=512)
def arguments_model(signature: inspect.Signature, name: str) -> Shape:
    """Return the shape of a function's arguments; unknown arguments do not fit.

    Args:
        signature: The function's signature, without its context.
        name: The function's name.
    """
    from pydantic import ConfigDict, create_model

    fields: dict[str, Any] = {
        parameter.name: (
            Any if parameter.annotation is parameter.empty else parameter.annotation,
            ... if parameter.default is parameter.empty else parameter.default,
        )
        for parameter in signature.parameters.values()
    }
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=False)
    return Shape(create_model(name, __config__=config, **fields))


class SchemaCheck:
    """Checks JSON values against one JSON schema, fast."""

    def __init__(self, schema: Mapping[str, Any], *, quoting: bool = True) -> None:
        """Compile a schema.

        Args:
            schema: The JSON schema.
            quoting: Whether a finding may quote the value that does not fit.
        """
        import jsonschema_rs

        self._validator: jsonschema_rs.Validator = jsonschema_rs.validator_for(
            dict(schema), mask=None if quoting else "the value"
        )

    def finding(self, value: Json) -> str | None:
        """Return what does not fit, in words, or None."""
        for error in self._validator.iter_errors(value):
            path = ".".join(str(part) for part in error.instance_path)
            return f"{path}: {error.message}" if path else str(error.message)
        return None


def require(schema: Mapping[str, Any], value: Json, error: type[FairleadError], what: str) -> None:
    """Raise an error unless a value fits a schema.

    Args:
        schema: The JSON schema.
        value: The value.
        error: What to raise.
        what: What the value is, for the message.
    """
    finding = SchemaCheck(schema).finding(value)
    if finding is not None:
        raise error(f"{what} does not fit its schema: {finding}")


def _misfit(value: Any, of: str) -> str:
    if inspect.iscoroutine(value):
        value.close()
        return f"what {of} returned was never awaited: is an `await` missing?"
    return f"what {of} returned is not what it declares, or not JSON: a {type(value).__name__}"


def _places(errors: list[Any]) -> str:
    parts = [
        f"{'.'.join(str(part) for part in error['loc']) or 'value'}: {error['msg']}"
        for error in errors[:5]
    ]
    return "; ".join(parts)


def field_paths(schema: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the paths of a schema's fields, such as `items.body`; places in lists do not count.

    Args:
        schema: A JSON schema.

    Returns:
        The paths, with the empty one for the value itself; None when it does not say what its
        fields are.
    """
    found = {""}
    closed = _gather(schema, schema.get("$defs", {}), found)
    return frozenset(found) if closed else None


def _gather(
    schema: Mapping[str, Any],
    defs: Mapping[str, Any],
    found: set[str],
    *,
    path: str = "",
    depth: int = 0,
) -> bool:
    """Gather a schema's fields; False when it is open, so that any field may be there."""
    if depth > _PATHS_DEPTH_MAX:
        return False
    if "$ref" in schema:
        schema = defs.get(str(schema["$ref"]).rpartition("/")[2], {})
    inside = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
    kind = schema.get("type")
    if not inside and kind == "array":
        inside = [*schema.get("prefixItems", ())]
        if isinstance(schema.get("items"), Mapping):
            inside.append(schema["items"])
        if not inside:
            return False
    if inside:
        return all(_gather(part, defs, found, path=path, depth=depth + 1) for part in inside)
    if kind != "object":
        return kind is not None or "enum" in schema or "const" in schema
    closed = "properties" in schema and not schema.get("additionalProperties")
    for name, inner in schema.get("properties", {}).items():
        place = f"{path}.{name}" if path else str(name)
        found.add(place)
        closed = _gather(inner, defs, found, path=place, depth=depth + 1) and closed
    return closed
