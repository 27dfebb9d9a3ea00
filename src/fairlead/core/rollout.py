"""A rollout: a release takes over traffic step by step, and gives it back when it harms.

All rules are here, as functions of what is known to the next state. They read no clock, and
nothing happens in them, so a rollout goes on wherever its state is read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from fairlead.core.analysis import Analysis, Status, outcomes_since
from fairlead.core.rollout_terms import STEPS_MAX
from fairlead.core.rollout_terms import RolloutTerms as RolloutTerms
from fairlead.core.rollout_terms import Step as Step
from fairlead.core.routing import Routes

Phase: TypeAlias = Literal[
    "progressing", "paused", "observing", "aborting", "healthy", "aborted", "rolled_back"
]
FINAL_PHASES: tuple[Phase, ...] = ("healthy", "aborted", "rolled_back")

Wait: TypeAlias = Literal[
    "", "workers", "operator", "step", "approval", "analysis", "signal", "gates"
]
"""What a rollout waits for: workers of the candidate; a person, and why; or its environment."""

NO_VERDICT: tuple[Status, ...] = ("Inconclusive", "NoData", "Error")
"""What an analysis says when only a person can say how it goes on."""


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """A rollout as it is on record.

    Attributes:
        id: Its id.
        environment: Where.
        app: The app's name.
        candidate: Digest of the release that is rolled out.
        baseline: Digest of the release before it; empty for a first release.
        terms: How.
        by: Who started it.
        began_at: Seconds since 1970.
        phase: Where it stands.
        waits: What it waits for; empty for nothing.
        step: Place of the step that is at work, from 0.
        step_began_at: Since when it is.
        weight: Share of new runs that start on the candidate.
        canary_before: Runs of the candidate when the step began.
        analysis: What is known by now.
        promoted_at: When the candidate became the current release; None while it is not.
        bad: Whether the candidate is marked bad when it ends.
        heeded: Whether a person has let it go on though a signal has fired.
        reason: Why it waits, or why it ended; empty for no reason.
        decided_at: When it was decided to abort it.
        traffic_safe_at: When the last run began on the candidate, or its share became none.
        ended_at: When all was done: no run of a candidate that was rolled back is in flight.
        unserved_at: Since when the candidate has had no worker; None while it has one.
        idle_since: Since when nothing can be shown, for it has no traffic yet or its environment
            holds it; None while something can.
        idle_s: Seconds for which it was so before.
        asker: Whom a token named as the one who started it; empty when none did.
        overridden: Gates of the environment that an override stands in place of.
    """

    id: str
    environment: str
    app: str
    candidate: str
    baseline: str
    terms: RolloutTerms
    by: str
    began_at: float
    analysis: Analysis
    phase: Phase = "progressing"
    waits: Wait = "workers"
    step: int = 0
    step_began_at: float = 0.0
    weight: float = 0.0
    canary_before: int = 0
    promoted_at: float | None = None
    bad: bool = False
    heeded: bool = False
    reason: str = ""
    decided_at: float | None = None
    traffic_safe_at: float | None = None
    ended_at: float | None = None
    unserved_at: float | None = None
    idle_since: float | None = None
    idle_s: float = 0.0
    asker: str = ""
    overridden: tuple[str, ...] = ()

    @property
    def final(self) -> bool:
        """Whether it has ended."""
        return self.phase in FINAL_PHASES

    def analysed_s(self, now: float) -> float:
        """Return for how many seconds its analysis has been at work.

        Args:
            now: Seconds since 1970.
        """
        idle_s = self.idle_s + (0.0 if self.idle_since is None else max(now - self.idle_since, 0.0))
        return max(now - self.began_at - idle_s, 0.0)

    @property
    def current_step(self) -> Step | None:
        """The step that is at work; None behind the last."""
        return self.terms.steps[self.step] if self.step < len(self.terms.steps) else None

    @property
    def routes(self) -> Routes:
        """Where new runs start while it goes on."""
        return Routes(
            environment=self.environment,
            baseline=self.baseline,
            candidate=self.candidate,
            weight=self.weight,
            rollout=self.id,
            sticky=self.terms.sticky,
        )


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is known at one look.

    Attributes:
        now: Seconds since 1970.
        status: What the analysis says.
        reason: Why, in words.
        pause: Whether a signal has fired: no step is taken then.
        served: Whether a worker of the candidate's code lives.
        in_flight: Runs of the candidate that have not ended.
        held: Why the environment allows no step that gives the candidate more; empty if it does.
        watched_s: Seconds for which whoever looks has looked without a break. What was missing
            while nobody looked, such as all workers of a machine that was off, is no harm.
    """

    now: float
    status: Status = "Running"
    reason: str = ""
    pause: bool = False
    served: bool = True
    in_flight: int = 0
    held: str = ""
    watched_s: float = math.inf


def advance(rollout: Rollout, seen: Finding) -> Rollout:
    """Return where a rollout stands after a look; the very same object when nothing changes.

    Args:
        rollout: Where it stood.
        seen: What is known.
    """
    if rollout.final:
        return rollout
    return _timed(_looked(rollout, seen), seen.now)


def _timed(rollout: Rollout, now: float) -> Rollout:
    """Note since when nothing can be shown: the time of the analysis stands still then."""
    idle = rollout.waits == "gates" or (rollout.weight == 0.0 and rollout.decided_at is None)
    if idle == (rollout.idle_since is not None):
        return rollout
    if idle:
        return replace(rollout, idle_since=now)
    spent_s = now - (rollout.idle_since or now)
    return replace(rollout, idle_since=None, idle_s=rollout.idle_s + max(spent_s, 0.0))


def _looked(rollout: Rollout, seen: Finding) -> Rollout:
    rollout = _served(rollout, seen)
    if rollout.phase == "aborting":
        return _aborting(rollout, seen)
    harm = _harm(rollout, seen)
    if harm:
        return abort(rollout, seen.now, harm, bad=True)
    if rollout.phase == "observing":
        done = seen.now - (rollout.promoted_at or seen.now) >= rollout.terms.observe_s
        return _healthy(rollout, seen.now) if done else rollout
    if rollout.phase == "paused":
        return rollout
    if rollout.waits == "workers":
        return _ready(rollout, seen)
    if seen.pause and not rollout.heeded:
        return _paused(rollout, "signal", seen.reason)
    for _ in range(STEPS_MAX + 1):
        before = rollout
        rollout = _step(rollout, seen)
        if rollout is before or rollout.phase != "progressing":
            break
    return rollout


def _served(rollout: Rollout, seen: Finding) -> Rollout:
    if seen.served:
        return rollout if rollout.unserved_at is None else replace(rollout, unserved_at=None)
    return rollout if rollout.unserved_at is not None else replace(rollout, unserved_at=seen.now)


def _harm(rollout: Rollout, seen: Finding) -> str:
    """Why the candidate must go, in words; empty when it need not."""
    if seen.status == "Failed":
        return seen.reason or "the analysis failed"
    gone_s = 0.0 if rollout.unserved_at is None else seen.now - rollout.unserved_at
    gone_s = min(gone_s, seen.watched_s)
    if rollout.weight > 0.0 and gone_s > rollout.terms.gone_s:
        return f"no worker of the candidate's code has lived for {gone_s:.0f} s"
    return ""


def _ready(rollout: Rollout, seen: Finding) -> Rollout:
    """Give no traffic to a candidate that nothing executes."""
    if seen.served:
        return replace(rollout, waits="", step_began_at=seen.now)
    # It may have been held, and was let go on at a later time.
    waited_s = min(seen.now - max(rollout.began_at, rollout.step_began_at), seen.watched_s)
    if waited_s <= rollout.terms.ready_s:
        return rollout
    why = (
        f"no worker of the candidate's code was ready within {rollout.terms.ready_s:g} s: it does "
        "not import, crashes or hangs"
    )
    return abort(rollout, seen.now, why, bad=False)


def _step(rollout: Rollout, seen: Finding) -> Rollout:
    """Do one step, or none."""
    step = rollout.current_step
    if step is None or step.kind == "analysis":
        return _judged(rollout, seen, step)
    if step.kind == "set_weight":
        if seen.status in NO_VERDICT:
            return _undecided(rollout, seen)
        if seen.held:
            return _held(rollout, seen.held)
        return _next(replace(rollout, weight=step.weight), seen.now)
    if step.kind == "approval":
        return _paused(rollout, "approval", f"a person with the role {step.role} must approve")
    if step.duration_s is None:
        return _paused(rollout, "step", "the rollout says to wait here")
    over = seen.now - rollout.step_began_at >= step.duration_s
    return _next(rollout, seen.now) if over else rollout


def _judged(rollout: Rollout, seen: Finding, step: Step | None) -> Rollout:
    """Go on, or promote behind the last step, only while the analysis says that all is well."""
    if seen.status in NO_VERDICT:
        return _undecided(rollout, seen)
    if seen.status != "Successful":
        return rollout
    if step is None:
        # What was shown at an earlier step may have been corrected since.
        return _held(rollout, seen.held) if seen.held else promote(rollout, seen.now)
    # Evidence of the weight before may be enough: then those that hang now must not go unseen.
    known = outcomes_since(rollout.terms.analysis, rollout.analysis, rollout.canary_before)
    return _next(rollout, seen.now) if known >= step.min_runs else rollout


def _held(rollout: Rollout, why: str) -> Rollout:
    """Stay, and go on by itself when the environment allows it."""
    known = rollout.waits == "gates" and rollout.reason == why
    return rollout if known else replace(rollout, waits="gates", reason=why)


def _undecided(rollout: Rollout, seen: Finding) -> Rollout:
    return _paused(rollout, "analysis", seen.reason or f"the analysis is {seen.status}")


def _next(rollout: Rollout, now: float) -> Rollout:
    return replace(
        rollout,
        step=rollout.step + 1,
        step_began_at=now,
        canary_before=rollout.analysis.canary,
        phase="progressing",
        waits="",
        reason="",
    )


def _paused(rollout: Rollout, waits: Wait, reason: str) -> Rollout:
    return replace(rollout, phase="paused", waits=waits, reason=reason)


def _healthy(rollout: Rollout, now: float) -> Rollout:
    return replace(rollout, phase="healthy", weight=1.0, ended_at=now, waits="", reason="")


def _aborting(rollout: Rollout, seen: Finding) -> Rollout:
    if seen.in_flight:
        return rollout
    return replace(rollout, phase="rolled_back" if rollout.bad else "aborted", ended_at=seen.now)


# What a person orders. Where an order has no sense, the very same object comes back: nothing
# changes what has ended, and nothing but a worse word changes what is being aborted.


def abort(rollout: Rollout, now: float, reason: str, *, bad: bool) -> Rollout:
    """Give all new runs back to the release before; it wins over everything else.

    Args:
        rollout: The rollout.
        now: Seconds since 1970.
        reason: Why.
        bad: Whether the candidate has harmed, and is marked bad.
    """
    if rollout.final:
        return rollout
    if rollout.phase == "aborting":
        # It cannot become better by being aborted once more.
        return rollout if rollout.bad or not bad else replace(rollout, bad=True, reason=reason)
    return replace(
        rollout,
        phase="aborting",
        waits="",
        weight=0.0,
        bad=bad,
        reason=reason,
        decided_at=now,
        traffic_safe_at=now,
    )


def pause(rollout: Rollout, reason: str) -> Rollout:
    """Hold a rollout where it is; its share of traffic stays, and so does the watch over it."""
    if _settled(rollout):
        return rollout
    return _paused(rollout, "operator", reason)


def go_on(rollout: Rollout, now: float) -> Rollout:
    """Let a rollout that waits for a person go on.

    What was held goes on at its step, and so does what a signal held: it is not held again. An
    analysis that came to no verdict goes on at its step as well, and is judged anew. A step that
    waits for a person is over.
    """
    if rollout.phase != "paused":
        return rollout
    if rollout.weight == 0.0:
        # It was held before it had a worker, or traffic.
        return replace(rollout, phase="progressing", waits="workers", reason="", step_began_at=now)
    if rollout.waits in ("operator", "signal", "analysis"):
        heeded = rollout.heeded or rollout.waits == "signal"
        return replace(rollout, phase="progressing", waits="", reason="", heeded=heeded)
    return _next(rollout, now)


def promote(rollout: Rollout, now: float) -> Rollout:
    """Make the candidate the current release; a small share stays behind while it is observed."""
    if _settled(rollout):
        return rollout
    promoted = replace(rollout, promoted_at=now, step=len(rollout.terms.steps), waits="", reason="")
    if rollout.terms.observe_s == 0.0 or not rollout.baseline:
        return _healthy(promoted, now)
    return replace(promoted, phase="observing", weight=1.0 - rollout.terms.holdback)


def _settled(rollout: Rollout) -> bool:
    """Whether it is decided already which release new runs get."""
    return rollout.final or rollout.phase in ("aborting", "observing")
