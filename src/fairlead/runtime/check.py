"""Draft -> Checked: every output guardrail gives its verdict."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fairlead.authoring.guardrail import Guardrail
from fairlead.core.calls import cut
from fairlead.core.context import Context
from fairlead.core.errors import GuardrailBlocked, GuardrailEscalated
from fairlead.core.guarding import Check, fail
from fairlead.core.request import Admitted, Checked, Draft


def enforce(checks: tuple[Check, ...]) -> None:
    """Raise for the first failed check that blocks, else for the first that escalates."""
    failed = [check for check in checks if not check.passed]
    for on_fail, error in (("block", GuardrailBlocked), ("escalate", GuardrailEscalated)):
        for check in failed:
            if check.on_fail == on_fail:
                stopped = error(f"{check.name}: {check.reason}", guardrail=check.name)
                stopped.checks = checks
                raise stopped


def check(
    draft: Draft[Any], admitted: Admitted, guardrails: Iterable[Guardrail[Any]]
) -> Checked[Any]:
    """Ask every output guardrail; what their failures do is decided when the outcome is made.

    Args:
        draft: What the model made.
        admitted: The request, with the verdicts of the input stage.
        guardrails: The workflow's guardrails; those of the output stage are asked.
    """
    checks = tuple(
        ask(rail, admitted.context, draft) for rail in guardrails if rail.stage == "output"
    )
    return Checked(draft=draft, checks=admitted.checks + checks)


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
        reason=cut(verdict.reason),
        on_fail=guardrail.on_fail,
    )
