"""Rollouts: the verbs of one environment, and who carries them on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from fairlead.core.analysis import begin
from fairlead.core.environments import GATES
from fairlead.core.errors import (
    ClockSkewed,
    FairleadError,
    NoPreviousRelease,
    PromotionRefused,
    ReasonMissing,
    ReleaseActive,
    RolloutEnded,
    UnknownRollout,
)
from fairlead.core.rollout import Rollout, RolloutTerms, abort, go_on, pause, promote
from fairlead.delivery.observing import observe_rollout
from fairlead.delivery.protection import FREEZE
from fairlead.delivery.release import Releases, said_of
from fairlead.ports.clock import Clock
from fairlead.ports.rollouts import DeploymentStore, RolloutStore
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
class Rollouts:
    """The verbs of one environment's rollouts.

    Attributes:
        store: Where they are kept.
        releases: The verbs of the environment's releases.
        clock: Time and ids.
        environment: The environment.
    """

    store: RolloutStore
    releases: Releases
    clock: Clock
    environment: str

    def start(
        self, name: str, terms: RolloutTerms, *, by: str, override: str | None = None
    ) -> Rollout:
        """Begin to roll a release out, beside the one that is active.

        Args:
            name: Its digest or a prefix.
            terms: How.
            by: Who does it.
            override: Why, when something stands in its way; None demands all that the environment
                asks. It counts for what stands in its way now, at each step.

        Raises:
            GateRefused: A gate that the environment requires has not passed, or it is marked bad,
                and there is no override.
            EnvironmentFrozen: No release gets traffic now, and there is no override.
            ReleaseActive: It is the active one.
            RolloutOpen: Another rollout goes on.
            RouteClosed: Another release became active at this moment.
        """
        release = self.releases.cleared(name, override)
        active = self.releases.store.history(self.environment)
        baseline = active[-1].release if active else ""
        if baseline == release.digest:
            raise ReleaseActive(
                f"release {release.id} is active in {self.environment} already",
                release=release.digest,
            )
        if not baseline:
            # Nothing runs beside a first release: what has a bound is held against that.
            terms = replace(terms, analysis=terms.analysis.without_baseline())
        now = self.clock.now()
        rollout = Rollout(
            id=f"ro-{self.clock.id()}",
            environment=self.environment,
            app=release.manifest.app,
            candidate=release.digest,
            baseline=baseline,
            terms=terms,
            by=by,
            began_at=now,
            idle_since=now,
            analysis=begin(terms.analysis),
            asker=self.releases.asker,
        )
        if override is not None:
            rollout = replace(rollout, overridden=self._overridden(rollout))
        self.store.start(rollout)
        return rollout

    def current(self) -> Rollout:
        """Return the rollout that goes on.

        Raises:
            UnknownRollout: None does.
        """
        rollout = self.store.open(self.environment)
        if rollout is None:
            raise UnknownRollout(f"no rollout goes on in environment {self.environment!r}")
        return rollout

    def promote(
        self,
        order: Order,
        *,
        override: bool = False,
        permit: Callable[[str], None] = lambda _: None,
    ) -> Rollout:
        """Let the rollout that waits for a person go on; with an override, promote it at once.

        Args:
            order: Who and why.
            override: Whether what was not shown is left unshown: the candidate becomes the current
                release now. It needs a reason.
            permit: Refuses whoever has not the role that an approval asks.

        Raises:
            UnknownRollout: None goes on.
            RolloutEnded: It is being aborted: that wins.
            GateRefused: A gate that the environment requires has not passed.
            EnvironmentFrozen: No release gets traffic now.
            PromotionRefused: It does not wait for a person, or its analysis came to no verdict.
            ReasonMissing: The override says nothing.
        """
        if override and not order.reason.strip():
            raise ReasonMissing("an override needs a written reason")

        def change(rollout: Rollout, now: float) -> Rollout:
            _refuse_aborting(rollout)
            if rollout.phase == "observing":
                raise PromotionRefused(
                    f"rollout {rollout.id} is promoted already, and observed", rollout=rollout.id
                )
            step = rollout.current_step
            if rollout.waits == "approval" and step is not None:
                permit(step.role)
            if override:
                names = (*rollout.overridden, *self._overridden(rollout))
                return replace(promote(rollout, now), overridden=tuple(dict.fromkeys(names)))
            release = self.releases.store.get(rollout.candidate)
            self.releases.refuse_unmet(release, rollout.asker, but=rollout.overridden)
            if rollout.phase != "paused":
                raise PromotionRefused(
                    f"rollout {rollout.id} waits for its evidence, and for nobody",
                    rollout=rollout.id,
                )
            if rollout.waits == "analysis":
                raise PromotionRefused(
                    f"rollout {rollout.id} came to no verdict: {rollout.reason}",
                    rollout=rollout.id,
                )
            return go_on(rollout, now)

        return self.store.change(self.current().id, change, order, "promote")

    def pause(self, order: Order) -> Rollout:
        """Hold the rollout where it is; harm still rolls it back.

        Raises:
            UnknownRollout: None goes on.
            RolloutEnded: It is being aborted, or it is promoted already.
        """

        def change(rollout: Rollout, now: float) -> Rollout:
            del now
            _refuse_aborting(rollout)
            if rollout.promoted_at is not None:
                raise RolloutEnded(f"rollout {rollout.id} is promoted", rollout=rollout.id)
            return pause(rollout, order.reason)

        return self.store.change(self.current().id, change, order, "pause")

    def abort(self, order: Order, *, bad: bool) -> Rollout:
        """Give all new runs back to the release before; it wins over everything else.

        Args:
            order: Who and why.
            bad: Whether the candidate has harmed, and is marked bad: a rollback.

        Raises:
            UnknownRollout: None goes on.
            NoPreviousRelease: There is no release before, and it is to be rolled back.
        """

        def change(rollout: Rollout, now: float) -> Rollout:
            if not rollout.baseline and rollout.promoted_at is not None:
                raise NoPreviousRelease(f"nothing was active before {rollout.candidate[:12]}")
            reason = order.reason or ("rolled back" if bad else "aborted")
            return abort(rollout, now, reason, bad=bad)

        verb = "rollback" if bad else "abort"
        return self.store.change(self.current().id, change, order, verb)

    def held(self, rollout: Rollout) -> str:
        """Say why the environment allows a rollout no step now, in words; empty if it does.

        It never raises: what cannot be read holds a rollout where it is, and harm is looked for
        all the same.
        """
        try:
            left = self.releases.unmet(
                self.releases.store.get(rollout.candidate), rollout.asker, but=rollout.overridden
            )
        except FairleadError as error:
            return f"it is not known whether it may go on: {error}"
        return said_of(left)

    def _overridden(self, rollout: Rollout) -> tuple[str, ...]:
        """Return the gates that an override stands in place of now."""
        try:
            release = self.releases.store.get(rollout.candidate)
            found = self.releases.unmet(release, rollout.asker)
        except FairleadError:
            # It cannot be told what was in the way: then it may have been anything.
            return (*GATES, FREEZE)
        return tuple(run.name for run in found)


def _refuse_aborting(rollout: Rollout) -> None:
    if rollout.phase == "aborting":
        message = f"rollout {rollout.id} is being aborted: {rollout.reason}"
        raise RolloutEnded(message, rollout=rollout.id)


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
    _stay: set[str] = field(default_factory=set)
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
        self._refuse_skew()
        failed: Exception | None = None
        for rollout_id in self.rollouts.store.to_look_at(self.rollouts.environment, self.by):
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
        self._stay &= set(found)
        for run_id in [one for one in found if one not in self._stay][:IN_FLIGHT_MAX]:
            try:
                if pair is not None:
                    self.control.move(run_id, pair, order)
                elif policy == "stop":
                    self.control.cancel(run_id, order)
            except FairleadError as error:
                # What has ended meanwhile is done; what may not be moved ends where it is.
                self._stay.add(run_id)
                _log.info("run %s stays where it is: %s", run_id, error)
