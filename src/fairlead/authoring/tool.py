"""Tools: functions that act on the outside, with a contract."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Concatenate, Generic, ParamSpec, TypeVar

from fairlead.core.calls import Effect
from fairlead.core.context import Context
from fairlead.core.errors import InvalidDeclaration

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Tool(Generic[P, R]):
    """A tool with its contract; a run calls it with `run.call(tool, ...)`.

    Attributes:
        name: The function's name.
        description: The function's docstring, as a model reads it.
        effect: read, idempotent or once.
        scope: The right that a caller needs.
        targets: Arguments that name what is acted on.
        function: The body; it gets the call's `Context` and then the arguments.
    """

    name: str
    description: str
    effect: Effect
    scope: str
    targets: tuple[str, ...]
    function: Callable[Concatenate[Context, P], Awaitable[R]]

    @property
    def signature(self) -> inspect.Signature:
        """The arguments, without the context."""
        signature = inspect.signature(self.function, eval_str=True)
        return signature.replace(parameters=list(signature.parameters.values())[1:])


def tool(
    *, effect: Effect, scope: str, targets: Sequence[str] = ()
) -> Callable[[Callable[Concatenate[Context, P], Awaitable[R]]], Tool[P, R]]:
    """Declare what a tool may do.

    Args:
        effect: `read` may be repeated freely, `idempotent` may be repeated under its key, `once`
            is never repeated blind.
        scope: The right that a caller needs, such as `refunds:write`.
        targets: Names of the arguments that say what is acted on.

    Returns:
        A decorator that turns an async function into a `Tool`.

    Raises:
        InvalidDeclaration: The function is not async, has no docstring, takes no context, takes
            `*args` or `**kwargs`, or a target is no argument of it.
    """

    def declare(function: Callable[Concatenate[Context, P], Awaitable[R]]) -> Tool[P, R]:
        name = function.__name__
        if effect not in ("read", "idempotent", "once"):
            raise InvalidDeclaration(f"tool {name}: unknown effect {effect!r}", tool=name)
        if not inspect.iscoroutinefunction(function):
            raise InvalidDeclaration(f"tool {name} must be an async function", tool=name)
        description = inspect.getdoc(function) or ""
        if not description:
            raise InvalidDeclaration(f"tool {name} needs a docstring: models read it", tool=name)
        parameters = list(inspect.signature(function).parameters.values())
        if not parameters:
            raise InvalidDeclaration(f"tool {name} must take a context first", tool=name)
        if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
            raise InvalidDeclaration(f"tool {name} may not take *args or **kwargs", tool=name)
        names = {p.name for p in parameters[1:]}
        for target in targets:
            if target not in names:
                raise InvalidDeclaration(f"tool {name} has no argument {target!r}", tool=name)
        return Tool(
            name=name,
            description=description,
            effect=effect,
            scope=scope,
            targets=tuple(targets),
            function=function,
        )

    return declare
