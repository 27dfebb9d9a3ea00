"""Draft -> Checked: every output guardrail gives its verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from fairlead.authoring.guardrail import Guardrail
from fairlead.core.calls import uncut
from fairlead.core.context import Context
from fairlead.core.digests import Json
from fairlead.core.errors import FairleadError, GuardrailBlocked, GuardrailEscalated
from fairlead.core.guarding import Check, fail
from fairlead.core.request import Admitted, Checked, Draft
from fairlead.guardrails.shapes import Shape
from fairlead.runtime.redacting import told

_BLOCKING = ("block", "retry")
"""A model that was asked again as often as it may be leaves a block."""


def enforce(checks: tuple[Check, ...]) -> None:
    """Raise for the first failed check that blocks, else for the first that escalates."""
    failed = [check for check in checks if not check.passed]
    for on_fails, error in ((_BLOCKING, GuardrailBlocked), (("escalate",), GuardrailEscalated)):
        for check in failed:
            if check.on_fail in on_fails:
                stopped = error(f"{check.name}: {check.reason}", guardrail=check.name)
                stopped.checks = checks
                raise stopped


def check(
    draft: Draft[Any],
    admitted: Admitted,
    guardrails: Iterable[Guardrail[Any]],
    *,
    shape: Shape | None = None,
) -> Checked[Any]:
    """Ask every output guardrail; what their failures do is decided when the outcome is made.

    Args:
        draft: What the model made.
        admitted: The request, with the verdicts of the input stage.
        guardrails: The workflow's guardrails; those of the output stage are asked.
        shape: The output's type, for what is taken out of it; None takes nothing out.
    """
    checks = []
    for rail in guardrails:
        if rail.stage != "output":
            continue
        said = ask(rail, admitted.context, draft)
        if not said.passed and rail.on_fail == "redact":
            left = None if shape is None else _left(rail, draft, shape)
            if left is None or not ask(rail, admitted.context, left).passed:
                said = blocking(said)
            else:
                draft = left
        checks.append(said)
    return Checked(draft=draft, checks=admitted.checks + tuple(checks))


def redacted_once(rail: Guardrail[Any], value: Json) -> tuple[Json] | None:
    """Let a guardrail take out of a value what failed; None when it cannot."""
    try:
        return None if rail.redact is None else (rail.redact(value),)
    except Exception:  # noqa: BLE001 - whatever it raises, nothing was taken out
        return None


def blocking(check: Check) -> Check:
    """Return the verdict of a redaction that did not help: it blocks."""
    return replace(check, on_fail="block", reason=told(f"redaction did not help: {check.reason}"))


def _left(rail: Guardrail[Any], draft: Draft[Any], shape: Shape) -> Draft[Any] | None:
    try:
        left = redacted_once(rail, shape.dump(draft.output, of="the model"))
        return None if left is None else replace(draft, output=shape.load(left[0]))
    except FairleadError:
        # Without what was taken out it is no output of this workflow any more.
        return None


def ask(guardrail: Guardrail[Any], context: Context, subject: object) -> Check:
    """Ask one guardrail; one that cannot decide does not pass.

    Args:
        guardrail: The guardrail.
        context: The run.
        subject: The request or the draft, as its stage demands.
    """
    try:
        verdict = guardrail.function(context, subject)
    except Exception as error:  # noqa: BLE001 - whatever a check raises, it has not passed
        verdict = fail(f"it could not decide: {type(error).__name__}: {error}")
    return Check(
        name=guardrail.name,
        stage=guardrail.stage,
        passed=verdict.passed,
        reason=_told(guardrail, verdict.reason),
        on_fail=guardrail.on_fail,
    )


def _told(guardrail: Guardrail[Any], reason: str) -> str:
    """What a guardrail says of a call is cut where its secrets are known by value as well."""
    return uncut(reason) if guardrail.stage == "tool" else told(reason)
