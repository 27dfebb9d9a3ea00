"""Approvals: a person's yes or no to exactly one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from fairlead.core.digests import Json
from fairlead.core.identity import Role
from fairlead.core.policy import Obligations
from fairlead.ports.runs import Order
from fairlead.ports.waits import Wait

ApprovalState: TypeAlias = Literal["pending", "approved", "denied", "expired", "consumed"]


@dataclass(frozen=True, kw_only=True)
class ApprovalRecord:
    """What a person is asked.

    Attributes:
        id: The approval.
        run_id: The run that waits.
        number: The call that it is about.
        wait_key: The run's wait.
        tenant: The run's tenant.
        tool: The tool.
        release: The release that the run is pinned to.
        subject: What is to be agreed to: resolved arguments, labels, policies and release, with
            who asks and who may answer.
        subject_digest: Its digest; only a call with the same one may be made.
        state: pending, approved, denied, expired, or consumed by the call.
        asked_at: Seconds since 1970, UTC.
        expires_at: The same, by the database's clock.
        answered_at: The same; None while it is pending.
        by: Who answered; empty while nobody did.
        reason: What they said.
        roles: The roles of whoever answered, when a token says so.
    """

    id: str
    run_id: str
    number: int
    wait_key: str
    tenant: str
    tool: str
    release: str
    subject: Json
    subject_digest: str
    state: ApprovalState
    asked_at: float
    expires_at: float
    answered_at: float | None = None
    by: str = ""
    reason: str = ""
    roles: tuple[Role, ...] = ()

    @property
    def role(self) -> str:
        """Who may answer."""
        return str(self.subject.get("role", Obligations.role))

    @property
    def rules(self) -> str:
        """The rules that want a person to agree; empty when the workflow's own code does."""
        return str(self.subject.get("rules", ""))


class ApprovalStore(Protocol):
    """Keeps approvals, each change with its event."""

    def ask(self, approval: ApprovalRecord, within_s: float) -> Wait:
        """Record the question and the run's wait for its answer, in one transaction.

        Args:
            approval: The question; asking it again changes nothing.
            within_s: Seconds after which it expires.
        """
        ...

    def answer(self, approval_id: str, approved: bool, order: Order) -> ApprovalRecord:
        """Record a person's answer and wake the run, in one transaction.

        Raises:
            UnknownApproval: There is no such approval.
            ApprovalClosed: It was answered, has expired, or its run has ended.
        """
        ...

    def consume(self, run_id: str, number: int, subject_digest: str) -> str:
        """Use an approval up for the one call that it is for.

        Returns:
            Empty when the call may be made; else why not, in words.
        """
        ...

    def expire(self, run_id: str, wait_key: str) -> None:
        """Record that nobody answered in time."""
        ...

    def get(self, approval_id: str) -> ApprovalRecord:
        """Return an approval by its id, or by a prefix that only one approval has.

        Raises:
            UnknownApproval: There is none, or more than one.
        """
        ...

    def list(
        self, *, state: str | None = "pending", tenant: str | None = None, limit: int = 100
    ) -> Sequence[ApprovalRecord]:
        """Return approvals, oldest first, of one tenant or all; late ones count as expired."""
        ...
