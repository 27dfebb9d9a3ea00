"""Runs as they are on record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fairlead.core.digests import Json
from fairlead.core.identity import Principal, Role
from fairlead.core.label import Label
from fairlead.core.outcome import RunState
from fairlead.core.routing import Assignment
from fairlead.ports.dispatch import Fence


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A run as it is on record.

    Attributes:
        id: The run.
        workflow: Its workflow.
        release: Digest of the release that it is pinned to.
        code_digest: Code digest of that release.
        principal: Who asks.
        purpose: `user` for real traffic, `gate` for a gate's evaluation.
        state: queued, running, waiting, paused or a final state.
        input: Its input as JSON.
        outcome: Its outcome as JSON; None until it ends.
        reason: Why it did not succeed; empty otherwise.
        takeovers: How often a worker died under it.
        created_at: Seconds since 1970, UTC.
        started_at: The same; None while queued.
        finished_at: The same; None until it ends.
        queue: Which workers take it.
        priority: Within its tenant higher ones go first.
        parent_id: The run that started it; None for none.
        parent_call: Number of the call that started it.
        root_id: The oldest of its family, whose limits all share; empty for the run itself.
        lineage: Root of its idempotency keys; empty for the run itself.
        start_key: The caller's key; a second start under it gives the same run.
        worker_id: Who executes it; None while nobody does.
        claims: How often a worker took it.
        held_s: Seconds for which it was paused.
        wake_at: When a waiting run is looked at again at the latest; None while it does not wait.
        pruned_at: Since when input, outcome, reason and calls are gone; None while they are kept.
        conversation: The conversation that it belongs to; None for none.
        turn: Its place there, from 1, which the store gives; None without a conversation.
        aside: True for a fork of a turn: it reads what its origin read, and is no turn itself.
        label: What is known of its input when another run gave it; None for the principal's own.
        environment: Where it was admitted, as its children, retries and moves are; None when that
            is not known: it counts in each environment.
        assignment: On which side of a rollout it is; given at its admission, and not read again.
    """

    id: str
    workflow: str
    release: str
    code_digest: str
    principal: Principal
    purpose: str
    state: RunState
    input: Json
    created_at: float
    outcome: Json = None
    reason: str = ""
    takeovers: int = 0
    started_at: float | None = None
    finished_at: float | None = None
    queue: str = "default"
    priority: int = 0
    parent_id: str | None = None
    parent_call: int | None = None
    root_id: str = ""
    lineage: str = ""
    start_key: str | None = None
    worker_id: str | None = None
    claims: int = 0
    held_s: float = 0.0
    wake_at: float | None = None
    pruned_at: float | None = None
    conversation: str | None = None
    turn: int | None = None
    aside: bool = False
    label: Label | None = None
    environment: str | None = None
    assignment: Assignment | None = None


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a run ends.

    Attributes:
        state: A final state.
        outcome: The outcome as JSON.
        reason: Why it did not succeed; empty otherwise.
        said: What it said in its conversation, as JSON; None for nothing.
    """

    state: RunState
    outcome: Json
    reason: str
    said: Json = None


@dataclass(frozen=True, kw_only=True)
class Room:
    """How much work is taken on.

    Attributes:
        backlog: With so many runs queued, no further one is taken; children are always taken.
        waiting_turns: With so many turns of a conversation behind the one that is answered, no
            further one is taken.
    """

    backlog: int = 100_000
    waiting_turns: int = 20


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a family of runs has used.

    Attributes:
        calls: Calls made.
        cost_usd: Money spent.
    """

    calls: int = 0
    cost_usd: float = 0.0


class RunStore(Protocol):
    """Keeps runs, each change with its event, in one transaction."""

    def admit(self, run: RunRecord, *, room: Room) -> RunRecord:
        """Record a new run, and so queue it.

        Args:
            run: The run; one of a conversation gets the place behind all others there.
            room: How much is taken on.

        Returns:
            The run; the one that is there when its start key, or its place with its parent, has
            one already.

        Raises:
            RouteClosed: New runs do not start any more as its release was drawn.
            QueueFull: Too many runs wait.
            ConversationBusy: Too many turns of its conversation wait.
            ConversationForeign: Its conversation belongs to another user.
            StartKeyReused: The start key belongs to a run with another input, or of another
                conversation.
        """
        ...

    def begin(self, run_id: str, fence: Fence) -> RunRecord:
        """Record that a run executes; the first start counts, a recovery changes nothing."""
        ...

    def finish(self, run_id: str, ending: Ending, fence: Fence) -> RunRecord:
        """Record how a run ended, and wake its parent; what has ended already keeps its end.

        Raises:
            LeaseLost: The run belongs to another claim by now.
        """
        ...

    def spent(self, root_id: str) -> Spent:
        """Return what a family has used so far."""
        ...

    def get(self, run_id: str) -> RunRecord:
        """Return a run by its id, or by a prefix that only one run has.

        Raises:
            UnknownRun: There is none, or more than one.
        """
        ...

    def has_others(self, tenant: str) -> bool:
        """Whether another tenant than this one has runs."""
        ...

    def list(
        self,
        *,
        state: str | None = None,
        release: str | None = None,
        workflow: str | None = None,
        tenant: str | None = None,
        environment: str | None = None,
        limit: int = 50,
    ) -> Sequence[RunRecord]:
        """Return runs, newest first, without inputs and outcomes.

        Args:
            state: Only in this state; None for any, as with all that follow.
            release: Only of this release, by digest.
            workflow: Only of this workflow.
            tenant: Only of this tenant.
            environment: Only those that count in this environment.
            limit: Most runs.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Order:
    """Who orders something for a run, and why.

    Attributes:
        by: Who.
        reason: Why.
        roles: Their roles, when a token says so.
    """

    by: str
    reason: str
    roles: tuple[Role, ...] = ()

    def fact(self) -> dict[str, Json]:
        """Return what an event says of it."""
        said: dict[str, Json] = {"by": self.by, "reason": self.reason}
        return {**said, "roles": list(self.roles)} if self.roles else said


class RunControl(Protocol):
    """Stops, holds and repeats runs, each with its event."""

    def cancel(self, run_id: str, order: Order) -> Sequence[str]:
        """Cancel a run with its children; return all that were cancelled.

        Raises:
            RunFinished: It has ended already.
        """
        ...

    def pause(self, run_id: str, order: Order) -> RunRecord:
        """Hold a run: it makes no further call until it is resumed.

        Raises:
            RunFinished: It has ended already.
        """
        ...

    def resume(self, run_id: str, order: Order) -> RunRecord:
        """Queue a paused run again.

        Raises:
            RunFinished: It is not paused.
        """
        ...

    def fork(
        self,
        origin: RunRecord,
        fork: RunRecord,
        order: Order,
        *,
        before: int,
        copy: Callable[[], None],
        retry: bool = False,
    ) -> None:
        """Record a run that begins with a part of another one's record.

        Args:
            origin: The run whose record is copied.
            fork: The new run; it keeps the lineage, and so the keys of its effects. In a
                conversation it gets the place behind all others, unless it stands aside.
            before: Number of the first call that is not copied.
            order: Who and why.
            copy: Copies the engine's record; it is called before anything is recorded here.
            retry: Whether it goes on in place of the origin: only one does at a time.

        Raises:
            RunPruned: The record of the origin is gone.
            RetriedAlready: Another retry of the origin has not failed.
        """
        ...

    def move(
        self,
        origin: RunRecord,
        fresh: RunRecord,
        order: Order,
        *,
        before: int,
        copy: Callable[[], None],
        check: Callable[[], None],
    ) -> None:
        """End a run where it is, and record another one that goes on in its place.

        Args:
            origin: The run.
            fresh: The new one; it takes over the start key, and in a conversation it gets the place
                behind all others.
            order: Who and why.
            before: Number of the first call that is not copied.
            copy: Copies the engine's record; it is called before anything is recorded here.
            check: Is called when no call of the origin can begin any more; it may refuse the move.

        Raises:
            RunFinished: It has ended already.
        """
        ...
