"""W2: a person is asked about exactly one call, and the run waits durably for the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeAlias

from fairlead.core.calls import Ask
from fairlead.core.digests import Json, digest
from fairlead.core.label import label_to_json
from fairlead.core.policy import Obligations
from fairlead.ports.approvals import ApprovalRecord
from fairlead.ports.waits import Wait
from fairlead.runtime.interceptors.attempt import Asked, Attempt
from fairlead.runtime.scope import Services
from fairlead.runtime.waiting import Awaited

Waiting: TypeAlias = Callable[[Awaited], Awaitable[Wait]]
"""Waits durably for a run."""


def by_workflow(attempt: Attempt, within: timedelta) -> Ask:
    """Return the question that a workflow's own code asks; a rule may want more, and never less.

    Args:
        attempt: The call.
        within: How long the workflow lets the question stand.
    """
    decision = attempt.before().decision
    if decision is None or decision.effect != "ask":
        return Ask(reason="", role=Obligations.role, within_s=within.total_seconds())
    wanted = decision.obligations
    within_s = min(within.total_seconds(), wanted.within_s)
    return Ask(reason=", ".join(wanted.asked_by), role=wanted.role, within_s=within_s)


def subject_of(attempt: Attempt, wanted: Ask) -> Json:
    """Return what a person agrees to: a call with another subject is another call."""
    call, scope = attempt.call, attempt.scope
    labels = attempt.flow.labels_of(call.actual)
    return {
        "tool": call.name,
        "arguments": call.arguments,
        "labels": {name: label_to_json(label) for name, label in labels.items()},
        "policies": scope.rules.bundle.digest,
        "release": scope.context.release,
        "workflow": scope.terms.name,
        "user": scope.context.principal.user,
        "role": wanted.role,
        "rules": wanted.reason,
    }


async def ask_person(attempt: Attempt, wanted: Ask, services: Services, *, wait: Waiting) -> Asked:
    """Ask a person about a call, and return what they said.

    Args:
        attempt: The call.
        wanted: Who is asked, why, and for how long the question stands.
        services: Where approvals are kept.
        wait: Waits for the run.
    """
    call, scope = attempt.call, attempt.scope
    subject, within_s = subject_of(attempt, wanted), wanted.within_s
    key = f"a{call.number}"

    def ask() -> Wait:
        question = ApprovalRecord(
            id=services.clock.id(),
            run_id=call.run_id,
            number=call.number,
            wait_key=key,
            tenant=scope.context.principal.tenant,
            tool=call.name,
            release=scope.context.release,
            subject=subject,
            subject_digest=digest(subject),
            state="pending",
            asked_at=0.0,
            expires_at=0.0,
        )
        return services.approvals.ask(question, within_s)

    ended = await wait(
        Awaited(
            run_id=call.run_id,
            key=key,
            kind="approval",
            topic="",
            within_s=within_s,
            label=call.name,
            open=ask,
        )
    )
    said = ended.answer or {}
    return Asked(
        wait_key=key,
        subject_digest=digest(subject),
        answered=ended.answered,
        approved=bool(said.get("approved")),
        by=str(said.get("by", "")),
        reason=str(said.get("reason", "")),
    )
