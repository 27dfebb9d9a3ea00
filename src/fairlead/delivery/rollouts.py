"""Rollouts: the verbs of one environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from fairlead.core.analysis import begin, verdict
from fairlead.core.environments import GATES
from fairlead.core.errors import (
    FairleadError,
    NoPreviousRelease,
    OtherRollout,
    PromotionRefused,
    ReasonMissing,
    ReleaseActive,
    RolloutEnded,
    UnknownRollout,
)
from fairlead.core.rollout import NO_VERDICT, Rollout, RolloutTerms, abort, go_on, pause, promote
from fairlead.delivery.protection import FREEZE
from fairlead.delivery.release import Releases, said_of
from fairlead.ports.clock import Clock
from fairlead.ports.rollouts import RolloutStore
from fairlead.ports.runs import Order


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

    def current(self, named: str | None = None) -> Rollout:
        """Return the rollout that goes on.

        Args:
            named: The one that it must be, by its id or a prefix; None for any.

        Raises:
            UnknownRollout: None does.
            OtherRollout: It is not the one that was named.
        """
        rollout = self.store.open(self.environment)
        if named is not None and not (named and rollout and rollout.id.startswith(named)):
            now = "no rollout does"
            if rollout is not None:
                now = f"rollout {rollout.id} of release {rollout.candidate[:12]} does"
            message = f"rollout {named!r} does not go on in environment {self.environment!r}; {now}"
            raise OtherRollout(message, rollout=named)
        if rollout is None:
            raise UnknownRollout(f"no rollout goes on in environment {self.environment!r}")
        return rollout

    def promote(
        self,
        order: Order,
        *,
        override: bool = False,
        permit: Callable[[str], None] = lambda _: None,
        named: str | None = None,
    ) -> Rollout:
        """Let the rollout that waits for a person go on; with an override, promote it at once.

        Args:
            order: Who and why.
            override: Whether what was not shown is left unshown: the candidate becomes the current
                release now. It needs a reason.
            permit: Refuses whoever has not the role that an approval asks.
            named: The rollout that is meant; None for whichever goes on.

        Raises:
            UnknownRollout: None goes on.
            OtherRollout: Another one goes on than was named.
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
                _refuse_undecided(rollout, now)
            return go_on(rollout, now)

        return self.store.change(self.current(named).id, change, order, "promote")

    def pause(self, order: Order, *, named: str | None = None) -> Rollout:
        """Hold the rollout where it is; harm still rolls it back.

        Args:
            order: Who and why.
            named: The rollout that is meant; None for whichever goes on.

        Raises:
            UnknownRollout: None goes on.
            OtherRollout: Another one goes on than was named.
            RolloutEnded: It is being aborted, or it is promoted already.
        """

        def change(rollout: Rollout, now: float) -> Rollout:
            del now
            _refuse_aborting(rollout)
            if rollout.promoted_at is not None:
                raise RolloutEnded(f"rollout {rollout.id} is promoted", rollout=rollout.id)
            return pause(rollout, order.reason)

        return self.store.change(self.current(named).id, change, order, "pause")

    def abort(self, order: Order, *, bad: bool, named: str | None = None) -> Rollout:
        """Give all new runs back to the release before; it wins over everything else.

        Args:
            order: Who and why.
            bad: Whether the candidate has harmed, and is marked bad: a rollback.
            named: The rollout that is meant; None for whichever goes on.

        Raises:
            UnknownRollout: None goes on.
            OtherRollout: Another one goes on than was named.
            NoPreviousRelease: There is no release before, and it is to be rolled back.
        """

        def change(rollout: Rollout, now: float) -> Rollout:
            if not rollout.baseline and rollout.promoted_at is not None:
                raise NoPreviousRelease(f"nothing was active before {rollout.candidate[:12]}")
            reason = order.reason or ("rolled back" if bad else "aborted")
            return abort(rollout, now, reason, bad=bad)

        verb = "rollback" if bad else "abort"
        return self.store.change(self.current(named).id, change, order, verb)

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


def _refuse_undecided(rollout: Rollout, now: float) -> None:
    """Refuse what has no verdict still: words that came since may have brought one."""
    said = verdict(
        rollout.terms.analysis,
        rollout.analysis,
        elapsed_s=rollout.analysed_s(now),
        heeded=rollout.heeded,
    )
    if said.status in NO_VERDICT:
        why = said.reasons[0] if said.reasons else rollout.reason
        message = f"rollout {rollout.id} came to no verdict: {said.status}, {why}"
        raise PromotionRefused(message, rollout=rollout.id)
