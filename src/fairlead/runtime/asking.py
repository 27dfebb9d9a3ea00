"""W2: a person is asked about exactly one call, and the run waits durably for the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeAlias

from fairlead.core.calls import Call
from fairlead.core.digests import Json, digest
from fairlead.ports.approvals import ApprovalRecord
from fairlead.ports.waits import Wait
from fairlead.runtime.interceptors.attempt import Asked
from fairlead.runtime.scope import RunScope, Services
from fairlead.runtime.waiting import Awaited

Waiting: TypeAlias = Callable[[Awaited], Awaitable[Wait]]
"""Waits durably for a run."""


def subject_of(call: Call, scope: RunScope) -> Json:
    """Return what a person agrees to: a call with another subject is another call."""
    return {
        "tool": call.name,
        "arguments": call.arguments,
        "labels": {},
        "policies": scope.rules.policies,
        "release": scope.context.release,
    }


async def ask_person(
    call: Call, within: timedelta, scope: RunScope, services: Services, *, wait: Waiting
) -> Asked:
    """Ask a person about a call, and return what they said.

    Args:
        call: The call.
        within: How long the question stands.
        scope: The run.
        services: Where approvals are kept.
        wait: Waits for the run.
    """
    subject, within_s = subject_of(call, scope), within.total_seconds()
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
