"""Control of runs: cancel, pause, resume, retry, fork. Each leaves an event with who and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fairlead.core.errors import InvalidInput, RunFinished, RunPinned, RunPruned
from fairlead.core.outcome import FINAL_STATES
from fairlead.core.release import Release
from fairlead.ports.clock import Clock
from fairlead.ports.engine import RunQueue
from fairlead.ports.journal import CallRecord, Journal
from fairlead.ports.runs import Order, RunControl, RunRecord, RunStore
from fairlead.runtime.admission import moved


@dataclass(frozen=True, kw_only=True)
class Control:
    """Stops, holds and repeats runs.

    Attributes:
        runs: Where runs are kept.
        control: Where their state is changed.
        journal: Their calls.
        queue: The engine's side.
        clock: Time and ids.
    """

    runs: RunStore
    control: RunControl
    journal: Journal
    queue: RunQueue
    clock: Clock

    def cancel(self, run_id: str, order: Order) -> Sequence[str]:
        """Cancel a run with its children: none of them makes a further call.

        Args:
            run_id: Its id or a prefix.
            order: Who and why.

        Returns:
            The runs that were cancelled, the named one first.

        Raises:
            RunFinished: It has ended already.
        """
        cancelled = self.control.cancel(self.runs.get(run_id).id, order)
        for one in cancelled:
            self.queue.cancel(one)
        return cancelled

    def pause(self, run_id: str, order: Order) -> RunRecord:
        """Hold a run: the call that it makes is let end, and no further one begins.

        Args:
            run_id: Its id or a prefix.
            order: Who and why.

        Raises:
            RunFinished: It has ended already.
        """
        paused = self.control.pause(self.runs.get(run_id).id, order)
        self.queue.cancel(paused.id)
        return paused

    def resume(self, run_id: str, order: Order) -> RunRecord:
        """Let a paused run go on from its record.

        Args:
            run_id: Its id or a prefix.
            order: Who and why.

        Raises:
            RunFinished: It is not paused.
        """
        return self.control.resume(self.runs.get(run_id).id, order)

    def retry(self, run_id: str, order: Order) -> RunRecord:
        """Start a run that did not succeed again from its first call that was not done.

        What was done keeps its keys: no effect happens a second time. A turn of a conversation
        gets the place behind all others there.

        Args:
            run_id: Its id or a prefix.
            order: Who and why.

        Raises:
            RunFinished: It succeeded, has not ended, or was moved and goes on as another run.
            RetriedAlready: It was retried, and the retry has not failed.
            RunPruned: Its record is gone.
        """
        run = self.runs.get(run_id)
        if run.state not in FINAL_STATES or run.state == "succeeded":
            raise RunFinished(f"run {run.id} is {run.state}; there is nothing to retry", run=run.id)
        if (elsewhere := moved(run)) is not None:
            message = f"run {run.id} was moved, and goes on as run {elsewhere}"
            raise RunFinished(message, run=run.id)
        undone = [call.number for call in self.journal.of_run(run.id) if call.state != "done"]
        last = max((call.number for call in self.journal.of_run(run.id)), default=0)
        return self._fork(run.id, min(undone, default=last + 1), order, retry=True)

    def fork(
        self, run_id: str, before: int, order: Order, *, release: Release | None = None
    ) -> RunRecord:
        """Start a new run from another one's record, up to one of its calls.

        A fork of a conversation's turn reads what the turn read, and is no turn itself.

        Args:
            run_id: The run whose record is copied; its id or a prefix.
            before: Number of the first call that is made anew, from 1.
            order: Who and why.
            release: What the new run is pinned to; None for the same release.

        Raises:
            InvalidInput: There is no such call, or the release has other code.
            RunPruned: Its record is gone.
        """
        return self._fork(run_id, before, order, release=release)

    def move(self, run_id: str, releases: tuple[Release, Release], order: Order) -> RunRecord:
        """Let a run go on under another release, as a new run that keeps its idempotency keys.

        What a model or the release's files had no part in is kept: the calls before the first one
        that asked a model or a collection. All others are made anew. So an effect among those must
        have a business key, under which the ledger knows it whatever is asked before it.

        Args:
            run_id: Its id or a prefix.
            releases: The one that it is pinned to, and the one that it goes on under.
            order: Who and why.

        Returns:
            The new run; the old one ends as cancelled, and says where it went.

        Raises:
            RunFinished: It has ended already.
            RunPinned: It is another run's child, has children, made an effect that could happen a
                second time, or the other release has not its workflow.
        """
        run, (old, new) = self.runs.get(run_id), releases
        if run.parent_id is not None:
            message = f"run {run.id} is a child of run {run.parent_id}, and moves with it"
            raise RunPinned(message, run=run.id)
        if run.workflow not in new.manifest.workflows:
            message = (
                f"run {run.id} is of {run.workflow}, and {new.id} has no workflow of that name"
            )
            raise RunPinned(message, run=run.id)
        calls = self.journal.of_run(run.id)
        before = 1
        if run.code_digest == new.manifest.code_digest:
            before = first_of_release(calls)
        refuse_repeats(run.id, calls, before, old=old, new=new)
        claims = 1 if run.claims and before > 1 else 0
        fresh = replace(
            run,
            id=self.clock.id(),
            release=new.digest,
            code_digest=new.manifest.code_digest,
            state="queued",
            created_at=self.clock.now(),
            lineage=run.lineage or run.id,
            root_id="",
            held_s=0.0,
            claims=claims,
            worker_id=None,
            wake_at=None,
        )

        def check() -> None:
            # By now no call can begin any more: what began meanwhile is seen here.
            refuse_repeats(run.id, self.journal.of_run(run.id), before, old=old, new=new)

        def copy() -> None:
            if claims:
                self.queue.fork(run.id, fresh.id, before)

        self.control.move(run, fresh, order, before=before, copy=copy, check=check)
        self.queue.cancel(run.id)
        return self.runs.get(fresh.id)

    def _fork(
        self,
        run_id: str,
        before: int,
        order: Order,
        *,
        release: Release | None = None,
        retry: bool = False,
    ) -> RunRecord:
        origin = self.runs.get(run_id)
        if origin.pruned_at is not None:
            message = f"run {origin.id} was pruned; there is no record to go on from"
            raise RunPruned(message, run=origin.id)
        last = max((call.number for call in self.journal.of_run(origin.id)), default=0)
        if not 1 <= before <= last + 1:
            raise InvalidInput(f"run {origin.id} has calls 1 to {last}, and no call {before}")
        if release is not None and release.manifest.code_digest != origin.code_digest:
            raise InvalidInput(
                f"release {release.id} has other code than run {origin.id}; its record does not fit"
            )
        fork = replace(
            origin,
            id=self.clock.id(),
            release=release.digest if release else origin.release,
            state="queued",
            created_at=self.clock.now(),
            lineage=origin.lineage or origin.id,
            root_id="",
            parent_id=None,
            parent_call=None,
            start_key=None,
            held_s=0.0,
            aside=origin.aside or (not retry and origin.conversation is not None),
            # The engine has its record already, once it is copied.
            claims=1 if origin.claims else 0,
        )

        def copy() -> None:
            if origin.claims:
                self.queue.fork(origin.id, fork.id, before)

        self.control.fork(origin, fork, order, before=before, copy=copy, retry=retry)
        return self.runs.get(fork.id)


_OF_RELEASE = ("model", "retrieval", "memory")
"""Kinds of calls in which the files of a release have a part."""


def first_of_release(calls: Sequence[CallRecord]) -> int:
    """Return the number of the first call that another release might make otherwise."""
    made = [call.number for call in calls if call.kind in _OF_RELEASE]
    return min(made, default=max((call.number for call in calls), default=0) + 1)


def refuse_repeats(
    run_id: str, calls: Sequence[CallRecord], before: int, *, old: Release, new: Release
) -> None:
    """Refuse to make calls anew of which one could happen a second time.

    Raises:
        RunPinned: One of them is an effect without a business key, or a child.
    """
    for call in calls:
        if call.number < before:
            continue
        if call.kind == "child":
            message = f"run {run_id} has children, and call {call.number} would start another one"
            raise RunPinned(message, run=run_id)
        if call.effect == "read":
            continue
        keys = [
            one.manifest.contracts[call.name].key
            for one in (old, new)
            if call.name in one.manifest.contracts
        ]
        if len(keys) != 2 or not keys[0] or keys[0] != keys[1]:
            message = (
                f"run {run_id} has made call {call.number}, {call.name}, whose effect has no key "
                "by which both releases know it"
            )
            raise RunPinned(message, run=run_id)
