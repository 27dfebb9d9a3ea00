"""Guardrails: checks on what goes into the request path and on what comes out of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, overload

from fairlead.core.context import Context
from fairlead.core.errors import InvalidDeclaration
from fairlead.core.guarding import OnFail, Sample, Stage, Verdict
from fairlead.core.request import Draft, Request

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


@dataclass(frozen=True, kw_only=True)
class Guardrail(Generic[T_contra]):
    """A check with its stage and what its failure does.

    Attributes:
        name: The function's name.
        stage: `input` sees the request, `output` sees the draft.
        on_fail: `block` denies the run, `escalate` hands it to a person, `warn` is only recorded.
        function: The check; pure, so that CI, the gate and runs agree.
        samples: Examples that the gate tries: at least one that passes and one that fails.
    """

    name: str
    stage: Stage
    on_fail: OnFail
    function: Callable[..., Verdict]
    samples: tuple[Sample, ...]


@overload
def guardrail(
    *, stage: Literal["output"], on_fail: OnFail, samples: Sequence[Sample] = ()
) -> Callable[[Callable[[Context, Draft[T]], Verdict]], Guardrail[T]]: ...


@overload
def guardrail(
    *, stage: Literal["input"], on_fail: OnFail, samples: Sequence[Sample] = ()
) -> Callable[[Callable[[Context, Request], Verdict]], Guardrail[object]]: ...


def guardrail(
    *, stage: Stage, on_fail: OnFail, samples: Sequence[Sample] = ()
) -> Callable[[Callable[..., Verdict]], Guardrail[Any]]:
    """Declare a check.

    Args:
        stage: `input` checks the request before anything is retrieved, `output` checks the draft.
        on_fail: What a failed check does: block, escalate or warn.
        samples: Examples with the verdict that is expected; the gate refuses a guardrail without
            one that passes and one that fails.

    Returns:
        A decorator that turns a function into a `Guardrail`.

    Raises:
        InvalidDeclaration: Stage or on_fail is unknown, or the function is async.
    """

    def declare(function: Callable[..., Verdict]) -> Guardrail[Any]:
        name = function.__name__
        if stage not in ("input", "output"):
            raise InvalidDeclaration(f"guardrail {name}: unknown stage {stage!r}", guardrail=name)
        if on_fail not in ("block", "escalate", "warn"):
            raise InvalidDeclaration(
                f"guardrail {name}: unknown on_fail {on_fail!r}", guardrail=name
            )
        if inspect.iscoroutinefunction(function):
            raise InvalidDeclaration(f"guardrail {name} must be a plain function", guardrail=name)
        return Guardrail(
            name=name, stage=stage, on_fail=on_fail, function=function, samples=tuple(samples)
        )

    return declare
