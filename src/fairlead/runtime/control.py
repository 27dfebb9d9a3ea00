"""Control of runs: cancel, pause, resume, retry, fork. Each leaves an event with who and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fairlead.core.errors import InvalidInput, RunFinished, RunPruned
from fairlead.core.outcome import FINAL_STATES
from fairlead.core.release import Release
from fairlead.ports.clock import Clock
from fairlead.ports.engine import RunQueue
from fairlead.ports.journal import Journal
from fairlead.ports.runs import Order, RunControl, RunRecord, RunStore


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
            RunFinished: It succeeded, or has not ended.
            RunPruned: Its record is gone.
        """
        run = self.runs.get(run_id)
        if run.state not in FINAL_STATES or run.state == "succeeded":
            raise RunFinished(f"run {run.id} is {run.state}; there is nothing to retry", run=run.id)
        undone = [call.number for call in self.journal.of_run(run.id) if call.state != "done"]
        last = max((call.number for call in self.journal.of_run(run.id)), default=0)
        return self._fork(run.id, min(undone, default=last + 1), order, aside=False)

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
        return self._fork(run_id, before, order, release=release, aside=True)

    def _fork(
        self, run_id: str, before: int, order: Order, *, aside: bool, release: Release | None = None
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
            aside=origin.aside or (aside and origin.conversation is not None),
            # The engine has its record already, once it is copied.
            claims=1 if origin.claims else 0,
        )

        def copy() -> None:
            if origin.claims:
                self.queue.fork(origin.id, fork.id, before)

        self.control.fork(origin, fork, order, before=before, copy=copy)
        return self.runs.get(fork.id)
