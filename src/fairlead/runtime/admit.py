"""Request -> Admitted: the request is bound to its run, and its input is judged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fairlead.authoring.guardrail import Guardrail
from fairlead.core.errors import FairleadError
from fairlead.core.guarding import Check
from fairlead.core.request import Admitted, Request
from fairlead.guardrails.shapes import Shape
from fairlead.runtime.check import ask, blocking, enforce, redacted_once
from fairlead.runtime.scope import RunScope


def request_of(input: Any, as_json: Any, question: str | None) -> Request:
    """Return the request that an input stands for.

    Args:
        input: The workflow's input.
        as_json: The same as JSON.
        question: What to retrieve for; None takes the input when it is text, else its field
            `question`, else all of it as JSON.
    """
    if question is None:
        found = input if isinstance(input, str) else getattr(input, "question", None)
        question = found if isinstance(found, str) else str(as_json)
    return Request(question=question, input=as_json)


def admit(
    request: Request,
    scope: RunScope,
    guardrails: Iterable[Guardrail[Any]],
    *,
    shape: Shape | None = None,
) -> Admitted:
    """Check the request and bind it to the run.

    Args:
        request: What is asked.
        scope: The run.
        guardrails: The workflow's guardrails; those of the input stage are asked.
        shape: The input's type, for what is taken out of it; None takes nothing out.

    Raises:
        GuardrailBlocked: A check failed that blocks or escalates.
    """
    checks: list[Check] = []
    for rail in guardrails:
        if rail.stage != "input":
            continue
        said = ask(rail, scope.context, request)
        if not said.passed and rail.on_fail == "redact":
            left = None if shape is None else _left(rail, request, shape)
            if left is None or not ask(rail, scope.context, left).passed:
                said = blocking(said)
            else:
                request = left
        checks.append(said)
    enforce(tuple(checks))
    return Admitted(request=request, context=scope.context, terms=scope.terms, checks=tuple(checks))


def _left(rail: Guardrail[Any], request: Request, shape: Shape) -> Request | None:
    left = redacted_once(rail, [request.question, request.input])
    if left is None:
        return None
    try:
        question, input = left[0]
        shape.load(input)
    except (FairleadError, TypeError, ValueError):
        # Without what was taken out it is no input of this workflow any more.
        return None
    return Request(question=str(question), input=input)
