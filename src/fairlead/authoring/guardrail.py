"""Guardrails: checks on what goes into the request path and on what comes out of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeAlias, TypeVar, overload

from fairlead.core.context import Context
from fairlead.core.digests import Json
from fairlead.core.errors import InvalidDeclaration
from fairlead.core.guarding import OnFail, Sample, Stage, ToolCall, Verdict
from fairlead.core.request import Draft, Request

T = TypeVar("T")

Redact: TypeAlias = Callable[[Json], Json]
"""Takes out of a JSON value what failed; pure."""
_OWN_MODULES = ("fairlead.authoring.grounded", "fairlead.checks")
T_contra = TypeVar("T_contra", contravariant=True)


@dataclass(frozen=True, kw_only=True)
class Guardrail(Generic[T_contra]):
    """A check with its stage and what its failure does.

    Attributes:
        name: The function's name.
        stage: `input` sees the request, `tool` each tool call before and after, `output` the
            draft.
        on_fail: `block` denies the run or the call, `escalate` hands it to a person, `warn` is only
            recorded, `redact` takes out what failed, `retry` asks the model again.
        function: The check; pure, so that CI, the gate and runs agree.
        samples: Examples that the gate tries: at least one that passes and one that fails.
        redact: Takes out what failed; None unless `on_fail` is `redact`.
        kinds: Kinds of content that it takes out, as `fairlead.checks` knows them.
    """

    name: str
    stage: Stage
    on_fail: OnFail
    function: Callable[..., Verdict]
    samples: tuple[Sample, ...]
    redact: Redact | None = None
    kinds: tuple[str, ...] = ()


@overload
def guardrail(
    *,
    stage: Literal["output"],
    on_fail: OnFail,
    samples: Sequence[Sample] = (),
    redact: Redact | None = None,
) -> Callable[[Callable[[Context, Draft[T]], Verdict]], Guardrail[T]]: ...


@overload
def guardrail(
    *,
    stage: Literal["input"],
    on_fail: OnFail,
    samples: Sequence[Sample] = (),
    redact: Redact | None = None,
) -> Callable[[Callable[[Context, Request], Verdict]], Guardrail[object]]: ...


@overload
def guardrail(
    *,
    stage: Literal["tool"],
    on_fail: OnFail,
    samples: Sequence[Sample] = (),
    redact: Redact | None = None,
) -> Callable[[Callable[[Context, ToolCall], Verdict]], Guardrail[object]]: ...


def guardrail(
    *,
    stage: Stage,
    on_fail: OnFail,
    samples: Sequence[Sample] = (),
    redact: Redact | None = None,
) -> Callable[[Callable[..., Verdict]], Guardrail[Any]]:
    """Declare a check.

    Args:
        stage: `input` checks the request before anything is retrieved, `tool` checks the arguments
            of each tool call before it is executed and its result after, `output` checks the draft.
        on_fail: What a failed check does: block, escalate, warn, redact, or at the output retry.
        samples: Examples with the verdict that is expected; the gate refuses a guardrail without
            one that passes and one that fails.
        redact: With `on_fail="redact"`: takes out what failed, from the question and the input,
            from arguments and results, or from the output, as JSON. The check is made again on
            what is left; when it still fails, that blocks.

    Returns:
        A decorator that turns a function into a `Guardrail`.

    Raises:
        InvalidDeclaration: Stage or on_fail is unknown or they do not go together, or the function
            is async.
    """

    def declare(function: Callable[..., Verdict]) -> Guardrail[Any]:
        name = function.__name__
        if stage not in ("input", "tool", "output"):
            raise InvalidDeclaration(f"guardrail {name}: unknown stage {stage!r}", guardrail=name)
        if on_fail not in ("block", "escalate", "warn", "redact", "retry"):
            raise InvalidDeclaration(
                f"guardrail {name}: unknown on_fail {on_fail!r}", guardrail=name
            )
        if on_fail == "retry" and stage != "output":
            raise InvalidDeclaration(
                f"guardrail {name}: a model is asked again about its output only", guardrail=name
            )
        if (on_fail == "redact") != (redact is not None):
            raise InvalidDeclaration(
                f"guardrail {name}: on_fail='redact' and redact=... go together", guardrail=name
            )
        if inspect.iscoroutinefunction(function):
            raise InvalidDeclaration(f"guardrail {name} must be a plain function", guardrail=name)
        return Guardrail(
            name=name,
            stage=stage,
            on_fail=on_fail,
            function=function,
            samples=tuple(samples),
            redact=redact,
        )

    return declare


def enforced(guardrails: Sequence[Guardrail[Any]]) -> tuple[str, ...]:
    """Return the names of Fairlead's own guardrails, of those whose failure stops something.

    An app may give a check of its own any name. So a check is told by the module that its code was
    written in, and by the name that it was given there.

    Args:
        guardrails: A workflow's guardrails.
    """
    return tuple(rail.name for rail in guardrails if rail.on_fail != "warn" and _is_own(rail))


def _is_own(rail: Guardrail[Any]) -> bool:
    # Not `__module__`, which a decorator copies from what it wraps.
    written_in = getattr(rail.function, "__globals__", {}).get("__name__")
    return written_in in _OWN_MODULES and rail.function.__name__ == rail.name


def redacts(guardrails: Sequence[Guardrail[Any]]) -> tuple[str, ...]:
    """Return the kinds that guardrails of the input stage take out before a run is recorded."""
    kinds = {
        kind
        for rail in guardrails
        if rail.stage == "input" and rail.redact is not None
        for kind in rail.kinds
    }
    return tuple(sorted(kinds))
