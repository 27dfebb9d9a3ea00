"""The durable record of calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fairlead.core.calls import Call, Result, Usage
from fairlead.core.digests import Json


@dataclass(frozen=True, kw_only=True)
class CallRecord:
    """A call as it is on record.

    Attributes:
        key: The idempotency key.
        run_id: The run.
        number: Position in the run, from 1.
        kind: What was called.
        name: Name of the model, tool or collection.
        effect: read, idempotent or once.
        state: intended, done, denied, failed or unknown.
        arguments_digest: Digest of what was asked.
        result: How it came back; None while it is only intended.
        attempts: Executions of the body.
        usage: Tokens and money.
        reason: Why it was denied or failed; empty otherwise.
        leaked: Kinds of the secrets that its body got in its arguments; empty for none.
        started_at: Seconds since 1970, UTC.
        finished_at: The same; None while it is only intended.
    """

    key: str
    run_id: str
    number: int
    kind: str
    name: str
    effect: str
    state: str
    arguments_digest: str
    result: Result | None
    attempts: int
    started_at: float
    finished_at: float | None
    usage: Usage = field(default_factory=Usage)
    reason: str = ""
    leaked: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Execution:
    """When a call was executed, how often, and under which claim.

    Attributes:
        started_at: Seconds since 1970, UTC.
        finished_at: The same.
        attempts: Executions of the body.
        claim: Number of the claim under which its run was executed.
        busy_s: Seconds for which the body was executed in the last try.
        budgeted: Whether something may be reserved for it, which is settled with its outcome.
    """

    started_at: float
    finished_at: float
    attempts: int
    claim: int
    busy_s: float = 0.0
    budgeted: bool = False


@dataclass(frozen=True, kw_only=True)
class CallVerdict:
    """What was decided of a call, as the log says it.

    Attributes:
        said: `allowed`, or the code `FL-nnn` of the refusal.
        effect: What the policies said; empty when they were not asked.
        rules: Ids of the rules that decided.
        policy: Digest of the policies.
        query: What the policies were asked, as JSON, so that other policies can be tried on it;
            None when they were not asked, or when it is too large to keep.
        shadow: What the policies that are only tried say, when that is something else.
    """

    said: str = "allowed"
    effect: str = ""
    rules: tuple[str, ...] = ()
    policy: str = ""
    query: Json = None
    shadow: CallVerdict | None = None


QUERY_BYTES_MAX = 16_384
"""Largest query that is kept with a call, as JSON."""

DIFFERENCES_MAX = 100
"""Most calls of one run of which it is recorded that the policies which are only tried differ."""


class Journal(Protocol):
    """Keeps calls, each with its event, in one transaction."""

    def find(self, run_id: str, number: int) -> CallRecord | None:
        """Return a call of a run, or None.

        Raises:
            JournalForeign: What is on record is not ours.
        """
        ...

    def result(self, run_id: str, number: int, kept: str) -> Result:
        """Return the result of a call that its step only names.

        Args:
            run_id: The run.
            number: The call.
            kept: Digest of the result as JSON.

        Raises:
            JournalForeign: Another result is on record, or none.
        """
        ...

    def intend(self, call: Call, at: float) -> None:
        """Record that a call with an effect is about to be executed; once is enough."""
        ...

    def finish(
        self, call: Call, result: Result, execution: Execution, verdict: CallVerdict
    ) -> Result:
        """Record how a call ended, with its event, its effect's state, and what its family used.

        Args:
            call: The call.
            result: How it came back.
            execution: When, how often it was tried, and under which claim.
            verdict: What was decided of it.

        Returns:
            What is on record now: another execution's result, when that one was faster.

        Raises:
            LeaseLost: The run belongs to a later claim, and this execution has no value to bring.
        """
        ...

    def of_run(self, run_id: str) -> Sequence[CallRecord]:
        """Return a run's calls in order."""
        ...
