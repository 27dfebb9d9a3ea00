"""Who carries rollouts on: looks at them again and again, and does what they decided."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from fairlead.core.errors import ClockSkewed, FairleadError
from fairlead.core.rollout import Rollout
from fairlead.delivery.observing import observe_rollout
from fairlead.delivery.rollouts import Rollouts
from fairlead.ports.rollouts import DeploymentStore
from fairlead.ports.runs import Order
from fairlead.runtime.control import Control
from fairlead.runtime.skew import SKEW_S_MAX, is_skewed

IN_FLIGHT_MAX = 100
"""Runs of a candidate that are moved or stopped at one look."""

IN_FLIGHT_SEEN = 10_000
"""Runs of a candidate that are looked at for that; those behind them have their turn later."""

LOOKS_MAX = 50
"""Looks in a row while each finds as much as one can count."""

BREAK_S = 10.0
"""After so many seconds without a look, nobody has watched what happened between two looks."""

_log = logging.getLogger("fairlead.rollout")


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often a controller looks, and how long it bears something.

    Attributes:
        tick_s: Seconds between two looks at a rollout.
        sweep_s: Seconds between two looks at what is drained or stranded.
        lease_s: Seconds without a heartbeat after which a worker counts as dead.
        stranded_after_s: Seconds for which a run may wait for a worker of its code.
        retire_after_s: Seconds after which no worker is kept for a drained release.
    """

    tick_s: float = 0.25
    sweep_s: float = 5.0
    lease_s: float = 2.0
    stranded_after_s: float = 30.0
    retire_after_s: float = 30 * 86_400.0


@dataclass(kw_only=True)
class Controller:
    """Carries rollouts on: any number of processes may do it, and one at a time does.

    All that it knows is on record, so it may die at any moment, and whoever is next goes on.

    Attributes:
        rollouts: The verbs, with the store.
        deployments: Where releases stand.
        control: Moves and stops runs.
        pace: How often.
        by: This process, for the record.
        others_time: Tells the time of all, the database's; None where this process's own is that.
    """

    rollouts: Rollouts
    deployments: DeploymentStore
    control: Control
    pace: Pace
    by: str
    others_time: Callable[[], float] | None = None
    _thread: threading.Thread | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)
    _said: str = ""
    _swept_at: float = float("-inf")
    _stay: dict[str, set[str]] = field(default_factory=dict)
    _watching_since: float = 0.0
    _looked_at: float = float("-inf")

    def start(self) -> None:
        """Begin to look, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="fairlead-rollout", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self.pace.tick_s):
            try:
                self.tick()
                self._said = ""
            except Exception as error:  # noqa: BLE001 - the next look may succeed; runs go on
                if str(error) != self._said:
                    self._said = str(error)
                    _log.warning("no rollout was looked at: %s", error)

    def tick(self) -> None:
        """Look once: count what became known, take steps, and carry out what was decided.

        Raises:
            ClockSkewed: This machine's clock is wrong: an hour's pause would end when it likes.
                Nothing was looked at, so whoever has the right time takes the rollouts over.
            Exception: One rollout could not be looked at; all others were.
        """
        failed: Exception | None = None
        found = self.rollouts.store.to_look_at(self.rollouts.environment, self.by)
        if found:
            self._refuse_skew()
        self._stay = {one: self._stay[one] for one in found if one in self._stay}
        for rollout_id in found:
            try:
                self.carry_on(rollout_id)
            except Exception as error:  # noqa: BLE001 - it is raised when the others had their turn
                failed = error
        now = self.rollouts.clock.monotonic()
        if now - self._swept_at >= self.pace.sweep_s:
            self._swept_at = now
            pace = self.pace
            self.deployments.sweep(self.rollouts.environment, pace.retire_after_s)
            self.deployments.strand(pace.lease_s, pace.stranded_after_s)
        if failed is not None:
            raise failed

    def _refuse_skew(self) -> None:
        if self.others_time is None:
            return
        clock = self.rollouts.clock
        if is_skewed(clock.now(), self.others_time(), clock.now()):
            message = f"{self.by}: the clock differs by more than {SKEW_S_MAX:g} s from the others'"
            raise ClockSkewed(message)

    def _watched_s(self) -> float:
        """Note that this process looks; return for how long it has done so without a break."""
        now = self.rollouts.clock.monotonic()
        if now - self._looked_at > BREAK_S:
            self._watching_since = now
        self._looked_at = now
        return now - self._watching_since

    def carry_on(self, rollout_id: str) -> Rollout:
        """Look at one rollout until nothing more is to be counted.

        Args:
            rollout_id: The rollout.
        """
        store = self.rollouts.store
        rollout = store.get(rollout_id)
        watched_s = self._watched_s()
        decide = partial(observe_rollout, held=self.rollouts.held, watched_s=watched_s)
        for _ in range(LOOKS_MAX):
            before = rollout
            rollout = store.look(rollout_id, decide, by=self.by, lease_s=self.pace.lease_s)
            if rollout == before or rollout.final:
                break
        if rollout.phase == "aborting":
            self._in_flight(rollout)
        return rollout

    def _in_flight(self, rollout: Rollout) -> None:
        """Do with the candidate's runs what the rollout says: new traffic is safe by now."""
        policy = rollout.terms.in_flight
        if policy == "pinned":
            return
        pair = None
        if policy == "move" and rollout.baseline:
            releases = self.rollouts.releases.store
            pair = (releases.get(rollout.candidate), releases.get(rollout.baseline))
        why = f"release {rollout.candidate[:12]} was given up by rollout {rollout.id}"
        order = Order(by=self.by, reason=why)
        found = self.rollouts.store.in_flight(rollout, IN_FLIGHT_SEEN)
        # Of this rollout alone: several are aborted at the same time, each with runs of its own.
        stay = self._stay[rollout.id] = self._stay.get(rollout.id, set()) & set(found)
        for run_id in [one for one in found if one not in stay][:IN_FLIGHT_MAX]:
            try:
                if pair is not None:
                    self.control.move(run_id, pair, order)
                elif policy == "stop":
                    self.control.cancel(run_id, order)
            except FairleadError as error:
                # What has ended meanwhile is done; what may not be moved ends where it is.
                stay.add(run_id)
                _log.info("run %s stays where it is: %s", run_id, error)
