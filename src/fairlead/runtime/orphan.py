"""What becomes of a worker whose supervisor, or whose drill, was killed.

It is nobody's child then: nobody stops it when its code has no work any more. So it notices that,
and ends by itself.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from fairlead.core.errors import FairleadError
from fairlead.ports.clock import Clock
from fairlead.ports.rollouts import DeploymentStore
from fairlead.runtime.supervisor import Upkeep

LOOK_S = 0.5
"""Seconds between two looks at whether the parent lives, and whether the code has work."""

_log = logging.getLogger("fairlead.worker")


@dataclass(kw_only=True)
class Orphan:
    """Says when a worker that lost its parent ends, and ends one that cannot hear it.

    Attributes:
        parent: The process that started this one.
        bound: Whether it ends at once when its parent is gone, as in a drill; else it ends when its
            code has had no work for as long as a supervisor would have kept it.
        deployments: Tells which code has work.
        clock: Time.
        upkeep: How its supervisor keeps processes.
        code_digest: Its code, once it takes runs; empty before.
        parent_now: Returns whose child this process is now.
        end: Ends this process at once.
    """

    parent: int
    bound: bool
    deployments: DeploymentStore
    clock: Clock
    upkeep: Upkeep
    code_digest: str = ""
    parent_now: Callable[[], int] = os.getppid
    end: Callable[[int], object] = os._exit
    _gone_at: float | None = None
    _idle_since: float | None = None
    _looked_at: float = float("-inf")
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look after the parent, in a thread of its own: an app's import may hang."""
        self._thread = threading.Thread(target=self._run, name="fairlead-parent", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        """Look once at whether the parent lives; without it end what is of no use to anybody.

        A worker that has not begun to take runs gets the time that its supervisor would give it.
        """
        now = self.clock.monotonic()
        if self._gone_at is None:
            # Another process may have the parent's number by now; but this one is not its child.
            if self.parent_now() == self.parent:
                return
            self._gone_at = now
            ends = "it ends" if self.bound else "it ends when its code has no work any more"
            _log.warning("process %d, which started this worker, is gone; %s", self.parent, ends)
        if self.bound:
            self.end(1)
        elif not self.code_digest and now - self._gone_at > self.upkeep.ready_s:
            _log.warning("this worker is not ready after %g s; it ends", self.upkeep.ready_s)
            self.end(1)

    def is_over(self) -> bool:
        """Return whether the worker is to stop now, in good order.

        While its code has work it stays; and while the database is away, because then nothing is
        known of its work.
        """
        now = self.clock.monotonic()
        if self._gone_at is None or now - self._looked_at < LOOK_S:
            return False
        self._looked_at = now
        upkeep = self.upkeep
        try:
            live = self.deployments.live_code(upkeep.environment, upkeep.lease_s)
        except FairleadError:
            return False
        if any(one.code_digest == self.code_digest for one in live):
            self._idle_since = None
            return False
        self._idle_since = now if self._idle_since is None else self._idle_since
        if now - self._idle_since < upkeep.keep_s:
            return False
        _log.warning("code %s has no work any more; its worker stops", self.code_digest[:12])
        return True

    def _run(self) -> None:
        self.look()
        while not self._stopping.wait(LOOK_S):
            self.look()
