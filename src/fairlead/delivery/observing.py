"""What runs of a rollout say about its releases: each unit once for each metric.

The order in which outcomes become known may follow from how runs end, and from time, but never
from the arm: all that is known at a look is counted, in the order in which runs were admitted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import cast

from fairlead.core.analysis import (
    Analysis,
    Assigned,
    MetricTerms,
    Observation,
    Result,
    action_for,
    admit,
    breach,
    came_late,
    is_open,
    learn,
    overdue,
    unmeasured,
    unread,
    verdict,
)
from fairlead.core.analysis import Counted as CountedAs
from fairlead.core.analysis.terms import RUNS_MAX
from fairlead.core.rollout import Finding, Rollout, advance
from fairlead.core.routing import Arm
from fairlead.delivery.outcomes import BREACH, results_of, unmeasured_by, unread_words
from fairlead.ports.rollouts import Counted, Look, Sample, Tally

VOID = "void"
"""Stands for a unit of which nothing is known but a run that a person stopped."""

ASIDE = "aside"
"""Stands for a unit that is good elsewhere, and whose place on this side is left out."""

WAIT_LOOK_S = 30.0
"""A run that waits for an answer is looked at no more often than this for what is overdue."""


def observe_rollout(
    rollout: Rollout,
    look: Look,
    held: Callable[[Rollout], str] = lambda _: "",
    watched_s: float = math.inf,
) -> Tally:
    """Count what became known of a rollout's runs, and say where it stands then.

    Args:
        rollout: Where it stood.
        look: What is known.
        held: Says why its environment allows no step now, in words; empty if it does. It is asked
            only before a step that gives the candidate more.
        watched_s: Seconds for which whoever looks has looked without a break.
    """
    count = _Count(rollout, look)
    for sample in look.samples:
        count.take(sample)
    analysis = count.analysis
    elapsed_s = rollout.analysed_s(look.now)
    said = verdict(rollout.terms.analysis, analysis, elapsed_s=elapsed_s, heeded=rollout.heeded)
    finding = Finding(
        now=look.now,
        status=said.status,
        reason="; ".join(said.reasons[:3]),
        pause=said.pause,
        served=look.served,
        in_flight=look.in_flight,
        watched_s=watched_s,
    )
    if analysis is not rollout.analysis:
        rollout = replace(rollout, analysis=analysis)
    after = advance(rollout, finding)
    more = after.weight > rollout.weight or after.promoted_at != rollout.promoted_at
    if more and (why := held(rollout)):
        after = advance(rollout, replace(finding, held=why))
    return Tally(
        rollout=after,
        places=count.places,
        due=count.due,
        ended=tuple(count.ended),
        counted=tuple(count.counted.values()),
        said=tuple(count.said),
    )


class _Count:
    """One look's counting."""

    def __init__(self, rollout: Rollout, look: Look) -> None:
        self.analysis: Analysis = rollout.analysis
        self.places: dict[int, int] = {}
        self.due: dict[int, float | None] = {}
        self.ended: list[int] = []
        self.said: list[int] = []
        self.counted: dict[tuple[str, str], Counted] = {}
        self._terms = rollout.terms.analysis
        self._look = look

    def take(self, sample: Sample) -> None:
        """Count what is new of one run."""
        assigned = self._assigned(sample)
        self._breaches(sample)
        self.said += [word.number for word in sample.said]
        if sample.ended is not None and not sample.was_counted:
            self.ended.append(sample.number)
        for metric in self._terms.metrics:
            self._unmeasured(metric, sample)
            for result in results_of(metric, sample):
                self._count(metric, sample, assigned, result)
        self._stopped(sample)
        self._overdue(sample, assigned)

    def _assigned(self, sample: Sample) -> Assigned:
        """Return how a run was assigned, and admit its unit when it is new on its side."""
        known, place = self._known("", sample.unit), sample.place
        void = known is not None and known.counted == VOID
        if place is None and known is not None and known.arm == sample.arm and not void:
            place = self.places[sample.number] = known.place
        if place is None:
            # Where a unit goes when the weight changes follows from where it was: it says nothing
            # of the router.
            certain = 1.0 if sample.arm == "canary" else 0.0
            drawn = sample.probability if known is None else certain
            self.analysis, fresh = admit(self.analysis, sample.arm, drawn)
            place = self.places[sample.number] = -1 if fresh.place is None else fresh.place
            if sample.unit != sample.run_id:
                self._note("", sample, "good", place)
            if void:
                self._void(sample, place)
        return Assigned(
            arm=sample.arm,
            probability=sample.probability,
            place=None if sample.arm == "baseline" else place,
        )

    def _stopped(self, sample: Sample) -> None:
        """Let a unit count by its next run when a person stopped the only one that it had."""
        known, ended = self._known("", sample.unit), sample.ended
        if known is None or ended is None or ended.state != "cancelled" or sample.was_counted:
            return
        found = [self._known(metric.name, sample.unit) for metric in self._terms.metrics]
        if all(one is None or one.counted == "excluded" for one in found):
            self._note("", sample, VOID, known.place, arm=known.arm)

    def _void(self, sample: Sample, place: int) -> None:
        for metric in self._terms.metrics:
            known = self._known(metric.name, sample.unit)
            if known is not None and known.counted == "excluded":
                self._note(metric.name, sample, VOID, place)

    def _breaches(self, sample: Sample) -> None:
        if sample.arm != "canary":
            return
        said = {w.name.removeprefix(BREACH) for w in sample.said if w.name.startswith(BREACH)}
        for one in self._terms.invariants:
            if one in said or one in sample.breaches:
                self.analysis = breach(self.analysis, one, sample.run_id)

    def _count(
        self,
        metric: MetricTerms,
        sample: Sample,
        assigned: Assigned,
        result: Result,
        *,
        measured: bool = True,
    ) -> None:
        if self._is_past(metric, sample):
            return
        known = self._told(metric, sample)
        place = -1 if assigned.place is None else assigned.place
        moved = known is not None and (known.arm, known.place) != (sample.arm, place)
        if known is not None and (moved or known.counted == ASIDE):
            self._count_moved(metric, sample, assigned, (known, result))
            return
        before = None if known is None else cast(CountedAs, known.counted)
        action = action_for(metric, before, result)
        if action in ("harm", "late"):
            self._left_out(metric, sample, assigned, result)
            return
        if action == "skip":
            return
        corrects = action == "correct"
        self._learn(metric, assigned, result, corrects=corrects, measured=measured)
        self._note(metric.name, sample, result if isinstance(result, str) else "number", place)

    def _is_past(self, metric: MetricTerms, sample: Sample) -> bool:
        """Whether a person stopped a run, and its unit counts by the next one by now."""
        if sample.ended is None or sample.ended.state != "cancelled" or not sample.was_counted:
            return False
        known = self._known(metric.name, sample.unit)
        return known is not None and known.counted == VOID

    def _left_out(
        self, metric: MetricTerms, sample: Sample, assigned: Assigned, result: Result
    ) -> None:
        """Note what comes of a unit that was left out: it is harm at most, behind all places."""
        if sample.ended is not None and sample.ended.state == "cancelled":
            return
        self.analysis = came_late(self._terms, self.analysis, metric.name)
        if action_for(metric, "excluded", result) != "harm":
            return
        canary = assigned.place is not None
        behind = replace(assigned, place=RUNS_MAX) if canary else assigned
        self._learn(metric, behind, result, corrects=False)
        counted = result if isinstance(result, str) else "number"
        self._note(metric.name, sample, counted, -1 if assigned.place is None else assigned.place)

    def _count_moved(
        self,
        metric: MetricTerms,
        sample: Sample,
        assigned: Assigned,
        said: tuple[Counted, Result],
    ) -> None:
        """Count a run whose unit was counted on the other side: its first failure counts here.

        With the arm and the probability of the run that failed: by them it was drawn.
        """
        known, result = said
        place = -1 if assigned.place is None else assigned.place
        opened = self._open(metric, assigned.place)
        so_far_good = known.counted in ("good", ASIDE)
        if so_far_good and result == "bad":
            counted_here = assigned.place is not None and not opened
            if counted_here and known.counted == ASIDE:
                # What was left out cannot be corrected: it is harm, and stands behind all places.
                assigned, counted_here = replace(assigned, place=RUNS_MAX), False
            self._learn(metric, assigned, result, corrects=counted_here)
            self._note(metric.name, sample, "bad", place)
        elif opened:
            # Its place must not stay open: that would count as a failure.
            good = so_far_good and result == "good"
            self._learn(metric, assigned, "good" if good else "excluded", corrects=False)
            if so_far_good and not good:
                self._note(metric.name, sample, ASIDE, place)
        if known.counted == "excluded" and result != "excluded":
            self._left_out(metric, sample, assigned, result)

    def _unmeasured(self, metric: MetricTerms, sample: Sample) -> None:
        """Note that a metric's source says nothing of a run, though it should."""
        for said in unread_words(metric, sample):
            self.analysis = unread(self._terms, self.analysis, metric.name, said)
        if sample.ended is None or sample.was_counted:
            return
        if why := unmeasured_by(metric, sample.ended):
            said = f"run {sample.run_id}: {why}"
            self.analysis = unmeasured(self._terms, self.analysis, metric.name, said)

    def _learn(
        self,
        metric: MetricTerms,
        assigned: Assigned,
        result: Result,
        *,
        corrects: bool,
        measured: bool = True,
    ) -> None:
        one = Observation(assigned=assigned, result=result, corrects=corrects, measured=measured)
        self.analysis = learn(self._terms, self.analysis, metric.name, [one])

    def _open(self, metric: MetricTerms, place: int | None) -> bool:
        """Whether a place of the canary has no outcome by now."""
        if place is None or place >= RUNS_MAX:
            return False
        return is_open(self.analysis.metrics[metric.name], place)

    def _overdue(self, sample: Sample, assigned: Assigned) -> None:
        """Count outcomes that never came, and say when the next one would be overdue."""
        now, waiting = self._look.now, []
        for metric in self._terms.metrics:
            counted = self._told(metric, sample) is not None
            if counted and not self._open(metric, assigned.place):
                continue
            # While a run waits for people it is not the release that takes the time.
            waited_s = 0.0 if metric.bears_waits else sample.waited_s
            late = overdue(metric, now - sample.admitted_at - waited_s)
            if late is None:
                due_at = sample.admitted_at + metric.deadline_s + waited_s
                if sample.waits and not metric.bears_waits:
                    due_at = max(due_at, now + WAIT_LOOK_S)
                waiting.append(due_at)
            else:
                self._count(metric, sample, assigned, late, measured=False)
        self.due[sample.number] = min(waiting, default=None)

    def _told(self, metric: MetricTerms, sample: Sample) -> Counted | None:
        known = self._known(metric.name, sample.unit)
        return None if known is None or known.counted == VOID else known

    def _known(self, metric: str, unit: str) -> Counted | None:
        return self.counted.get((metric, unit)) or self._look.counted.get((metric, unit))

    def _note(
        self, metric: str, sample: Sample, counted: str, place: int, *, arm: Arm | None = None
    ) -> None:
        self.counted[metric, sample.unit] = Counted(
            metric=metric, unit=sample.unit, counted=counted, arm=arm or sample.arm, place=place
        )
