"""Tools: functions that act on the outside, with a contract."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Concatenate, Generic, ParamSpec, TypeAlias, TypeVar, overload

from fairlead.core.calls import Effect
from fairlead.core.context import Context
from fairlead.core.effects import Happened, NotHappened
from fairlead.core.errors import InvalidDeclaration
from fairlead.core.label import READER_WORDS, UNDECLARED, Labels
from fairlead.core.rates import Rate
from fairlead.core.secrets import Secret

P = ParamSpec("P")
R = TypeVar("R")

Reconcile: TypeAlias = Callable[Concatenate[Context, P], Awaitable[Happened[R] | NotHappened]]
"""Finds out, for the same arguments and key, whether an effect happened."""


@dataclass(frozen=True, kw_only=True)
class Tool(Generic[P, R]):
    """A tool with its contract; a run calls it with `run.call(tool, ...)`.

    Attributes:
        name: The function's name.
        description: The function's docstring, as a model reads it.
        effect: read, idempotent or once.
        scope: The right that a caller needs.
        targets: Arguments that name what is acted on.
        rate: How often all runs together may call it; None for the default rate.
        function: The body; it gets the call's `Context` and then the arguments.
        key: Arguments that name the effect; empty for the call's place in its run.
        reconcile: Finds out whether it happened; None when nobody can.
        compensate: The tool that undoes it; None when nothing does.
        payload: Arguments that carry content to what is acted on.
        egress: Whether what it is given leaves the tenant.
        labels: Labels of its result by field.
        secrets: What its body may read with `ctx.secret`.
    """

    name: str
    description: str
    effect: Effect
    scope: str
    targets: tuple[str, ...]
    function: Callable[Concatenate[Context, P], Awaitable[R]]
    key: tuple[str, ...] = ()
    reconcile: Callable[..., Awaitable[Happened[R] | NotHappened]] | None = None
    compensate: Tool[..., Any] | None = None
    rate: Rate | None = None
    payload: tuple[str, ...] = ()
    egress: bool = False
    labels: Labels = field(default_factory=dict)
    secrets: tuple[Secret, ...] = ()

    @cached_property
    def signature(self) -> inspect.Signature:
        """The arguments, without the context."""
        signature = inspect.signature(self.function, eval_str=True)
        return signature.replace(parameters=list(signature.parameters.values())[1:])


@overload
def tool(
    *,
    effect: Effect,
    scope: str,
    targets: Sequence[str] = (),
    key: Sequence[str] = (),
    compensate: Tool[..., Any] | None = None,
    rate: Rate | None = None,
    payload: Sequence[str] = (),
    egress: bool = False,
    labels: Labels | None = None,
    secrets: Sequence[Secret] = (),
) -> Callable[[Callable[Concatenate[Context, P], Awaitable[R]]], Tool[P, R]]: ...


@overload
def tool(
    *,
    effect: Effect,
    scope: str,
    targets: Sequence[str] = (),
    key: Sequence[str] = (),
    reconcile: Reconcile[P, R],
    compensate: Tool[..., Any] | None = None,
    rate: Rate | None = None,
    payload: Sequence[str] = (),
    egress: bool = False,
    labels: Labels | None = None,
    secrets: Sequence[Secret] = (),
) -> Callable[[Callable[Concatenate[Context, P], Awaitable[R]]], Tool[P, R]]: ...


def tool(  # noqa: PLR0913 - the contract is the point; all are keyword-only
    *,
    effect: Effect,
    scope: str,
    targets: Sequence[str] = (),
    key: Sequence[str] = (),
    reconcile: Callable[..., Any] | None = None,
    compensate: Tool[..., Any] | None = None,
    rate: Rate | None = None,
    payload: Sequence[str] = (),
    egress: bool = False,
    labels: Labels | None = None,
    secrets: Sequence[Secret] = (),
) -> Callable[[Callable[Concatenate[Context, P], Awaitable[R]]], Tool[P, R]]:
    """Declare what a tool may do.

    Args:
        effect: `read` may be repeated freely, `idempotent` may be repeated under its key, `once`
            is never repeated blind.
        scope: The right that a caller needs, such as `refunds:write`.
        targets: Names of the arguments that say what is acted on.
        key: Names of the arguments that name the effect: under equal ones it happens once for a
            tenant, in whichever run. Without them the key is the call's place in its run.
        reconcile: An async function with the tool's own arguments that finds out whether the
            effect happened: `Happened(result)`, `NOT_HAPPENED`, or an error when it cannot tell.
        compensate: The tool that undoes the effect when the run fails after it. It takes those of
            the tool's arguments that it names, and `result` for what the tool returned.
        rate: How often all runs together may call it; `fairlead.toml` may override it. None for
            the default rate.
        payload: Names of the arguments that carry content to what is acted on.
        egress: Whether what it is given leaves the tenant, such as by mail.
        labels: What is known of its result, by field: `{"": Label(...), "body": Label(...)}`; the
            empty path means all the rest, and places in lists do not count. Its readers are
            `tenant` or `user`. None: the result is untrusted, and its tenant may read it.
        secrets: Handles of what its body may read with `ctx.secret`, and no other code can.

    Returns:
        A decorator that turns an async function into a `Tool`.

    Raises:
        InvalidDeclaration: The function is not async, has no docstring, takes no context, takes
            `*args` or `**kwargs`, or something names an argument that it has not.
    """

    def declare(function: Callable[Concatenate[Context, P], Awaitable[R]]) -> Tool[P, R]:
        names = _arguments(function, effect)
        name = function.__name__
        for argument in (*targets, *key, *payload):
            if argument not in names:
                raise InvalidDeclaration(f"tool {name} has no argument {argument!r}", tool=name)
        both = sorted(set(targets) & set(payload))
        if both:
            raise InvalidDeclaration(
                f"tool {name}: {both[0]!r} says what is acted on, so it is no payload", tool=name
            )
        if effect == "read" and (key or reconcile or compensate):
            raise InvalidDeclaration(
                f"tool {name} reads: it has no effect to name, to find out about or to undo",
                tool=name,
            )
        if reconcile is not None and not inspect.iscoroutinefunction(reconcile):
            raise InvalidDeclaration(f"tool {name}: reconcile must be async", tool=name)
        if compensate is not None:
            known = names | {"result"}
            for taken in compensate.signature.parameters.values():
                if taken.name not in known and taken.default is taken.empty:
                    raise InvalidDeclaration(
                        f"tool {name}: {compensate.name} takes {taken.name!r}, which is neither "
                        "an argument of it nor its result",
                        tool=name,
                    )
        return Tool(
            name=name,
            description=inspect.getdoc(function) or "",
            effect=effect,
            scope=scope,
            targets=tuple(targets),
            function=function,
            key=tuple(key),
            reconcile=reconcile,
            compensate=compensate,
            rate=rate,
            payload=tuple(payload),
            egress=egress,
            labels=_labels(name, labels),
            secrets=tuple(secrets),
        )

    return declare


def _labels(name: str, labels: Labels | None) -> Labels:
    """Check a result's labels; what they leave open has the label of what nobody speaks of."""
    for path, label in (labels or {}).items():
        unknown = sorted(set(label.readers or ()) - READER_WORDS)
        if unknown:
            raise InvalidDeclaration(
                f"tool {name}: {unknown[0]!r} is no reader of a field; readers are tenant or user",
                tool=name,
            )
        if label.origins:
            raise InvalidDeclaration(
                f"tool {name}: the label of {path or 'its result'!r} names origins, which the run "
                "knows itself",
                tool=name,
            )
    return {"": UNDECLARED, **labels} if labels else {}


def _arguments(function: Callable[..., Any], effect: str) -> set[str]:
    """Check a tool's function, and return the names of its arguments without the context."""
    name = function.__name__
    if effect not in ("read", "idempotent", "once"):
        raise InvalidDeclaration(f"tool {name}: unknown effect {effect!r}", tool=name)
    if not inspect.iscoroutinefunction(function):
        raise InvalidDeclaration(f"tool {name} must be an async function", tool=name)
    if not inspect.getdoc(function):
        raise InvalidDeclaration(f"tool {name} needs a docstring: models read it", tool=name)
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters:
        raise InvalidDeclaration(f"tool {name} must take a context first", tool=name)
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        raise InvalidDeclaration(f"tool {name} may not take *args or **kwargs", tool=name)
    return {p.name for p in parameters[1:]}
