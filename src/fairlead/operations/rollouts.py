"""Rolling a release out, watching it, and giving it up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from fairlead.bootstrap import Platform
from fairlead.core.access import permit_role
from fairlead.core.analysis import AnalysisVerdict, Expected, Invariant, expected, verdict
from fairlead.core.digests import Json
from fairlead.core.errors import FeedbackUnfit, InvalidRollout
from fairlead.core.outcome import FINAL_STATES
from fairlead.core.rollout import Rollout, RolloutTerms
from fairlead.delivery.outcomes import BREACH, unheard
from fairlead.delivery.rollout_file import ROLLOUT_FILE, read_rollout, usual_rollout
from fairlead.operations.identity import allow, operator, ordered, reached_run
from fairlead.ports.rollouts import Deployment, Feedback, Heard
from fairlead.ports.runs import Order

FILE_BYTES_MAX = 1_000_000
"""Largest file that says how a release is rolled out."""

RATE_S_MIN = 5.0
"""Fewest seconds from which a rate of runs is told."""

_NAME_CHARS_MAX = 100


@dataclass(frozen=True, kw_only=True)
class RolloutStatus:
    """Where a rollout stands, and what is to be expected.

    Attributes:
        rollout: The rollout.
        verdict: What its analysis says.
        expected: How long until a verdict; None when it has ended.
        runs_per_hour: Runs of both sides that start in an hour, on average since it has traffic.
        in_flight: Runs of the candidate that have not ended.
    """

    rollout: Rollout
    verdict: AnalysisVerdict
    expected: Expected | None
    runs_per_hour: float
    in_flight: int


def read_rollout_terms(platform: Platform, release: str, path: Path | None = None) -> RolloutTerms:
    """Return how a release would be rolled out.

    Args:
        platform: The open platform.
        release: Its digest or a prefix.
        path: A file that says it; None for `rollout.yaml` in the app's folder, or what is usual
            when there is none.

    Raises:
        InvalidRollout: The file is not there, is not understood, or could prove nothing.
    """
    manifest = platform.release_store.get(release).manifest
    chosen = platform.settings.folder / ROLLOUT_FILE if path is None else path
    if path is None and not chosen.exists():
        return usual_rollout(manifest)
    try:
        if chosen.stat().st_size > FILE_BYTES_MAX:
            raise InvalidRollout(f"{chosen} is larger than {FILE_BYTES_MAX} bytes")
        text = chosen.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRollout(f"{chosen} cannot be read: {error}", file=str(chosen)) from error
    return read_rollout(text, chosen.name, manifest)


def start_rollout(
    platform: Platform,
    release: str,
    *,
    terms: RolloutTerms | None = None,
    override: str | None = None,
) -> Rollout:
    """Begin to roll a release out; any worker, and `fairlead up`, carries it on.

    Args:
        platform: The open platform.
        release: Its digest or a prefix.
        terms: How; None for what `read_rollout_terms` returns.
        override: Why, when it has no passed gate: only an admin may; None demands one.

    Raises:
        RoleMissing: The principal's roles do not allow it.
        GateRefused: It has no passed gate, or it is marked bad, and there is no override.
        RolloutOpen: Another rollout goes on.
        ReleaseActive: It is the active one.
    """
    allow(platform, "rollout start" if override is None else "rollout start --override")
    how = terms or read_rollout_terms(platform, release)
    return platform.rollouts.start(release, how, by=operator(platform), override=override)


def rollout_status(platform: Platform, rollout_id: str | None = None) -> RolloutStatus:
    """Return where a rollout stands.

    Args:
        platform: The open platform.
        rollout_id: Its id or a prefix; None for the one that goes on, or else the newest.

    Raises:
        UnknownRollout: There is none.
        RoleMissing: The principal's roles do not allow it.
    """
    allow(platform, "rollout status")
    rollout = _chosen(platform, rollout_id)
    in_flight = len(platform.rollout_store.in_flight(rollout, 10_000))
    return status_of(rollout, platform.clock.now(), in_flight)


def status_of(rollout: Rollout, now: float, in_flight: int) -> RolloutStatus:
    """Return where a rollout stands, from what is on record.

    Args:
        rollout: The rollout.
        now: Seconds since 1970.
        in_flight: Runs of its candidate that have not ended.
    """
    elapsed_s = rollout.analysed_s(rollout.ended_at or now)
    analysis, terms = rollout.analysis, rollout.terms.analysis
    per_hour = (analysis.canary + analysis.baseline) * 3600.0 / max(elapsed_s, RATE_S_MIN)
    ahead = None
    if not rollout.final and math.isfinite(per_hour):
        # A first release gets all runs: there is none beside it.
        weight = rollout.weight if rollout.baseline else float(rollout.weight > 0.0)
        ahead = expected(terms, analysis, runs_per_hour=per_hour, weight=weight)
    return RolloutStatus(
        rollout=rollout,
        verdict=verdict(terms, analysis, elapsed_s=elapsed_s, heeded=rollout.heeded),
        expected=ahead,
        runs_per_hour=per_hour,
        in_flight=in_flight,
    )


def _chosen(platform: Platform, rollout_id: str | None) -> Rollout:
    if rollout_id is not None:
        return platform.rollout_store.get(rollout_id)
    newest = platform.rollout_store.list(platform.settings.environment, 1)
    return newest[0] if newest else platform.rollouts.current()


def list_rollouts(platform: Platform, limit: int = 20) -> Sequence[Rollout]:
    """Return the environment's rollouts, newest first.

    Args:
        platform: The open platform.
        limit: Most of them.
    """
    allow(platform, "rollout list")
    return platform.rollout_store.list(platform.settings.environment, limit)


def list_deployments(platform: Platform) -> Sequence[Deployment]:
    """Return where the environment's releases stand."""
    allow(platform, "release list")
    return platform.deployments.list(platform.settings.environment)


def promote_rollout(
    platform: Platform, order: Order, *, override: bool = False, rollout_id: str | None = None
) -> Rollout:
    """Let the rollout that waits for a person go on; with an override, promote it at once.

    Args:
        platform: The open platform.
        order: Who and why.
        override: Whether what was not shown is left unshown: only an admin may.
        rollout_id: The rollout that is meant, by its id or a prefix; None for whichever goes on.

    Raises:
        PromotionRefused: It does not wait for a person, or its analysis came to no verdict.
        RolloutEnded: It is being aborted: that wins.
        UnknownRollout: None goes on.
        OtherRollout: Another one goes on than was named.
        ReasonMissing: The override says nothing.
        RoleMissing: The principal's roles do not allow it.
    """
    order = ordered(
        platform, "rollout promote --override" if override else "rollout promote", order
    )

    def permit(role: str) -> None:
        permit_role(platform.principal, role, what="this step of the rollout")

    return platform.rollouts.promote(order, override=override, permit=permit, named=rollout_id)


def pause_rollout(platform: Platform, order: Order, *, rollout_id: str | None = None) -> Rollout:
    """Hold the rollout where it is; harm still rolls it back.

    Args:
        platform: The open platform.
        order: Who and why.
        rollout_id: The rollout that is meant, by its id or a prefix; None for whichever goes on.

    Raises:
        UnknownRollout: None goes on.
        OtherRollout: Another one goes on than was named.
        RolloutEnded: It is being aborted, or it is promoted.
        RoleMissing: The principal's roles do not allow it.
    """
    order = ordered(platform, "rollout pause", order)
    return platform.rollouts.pause(order, named=rollout_id)


def abort_rollout(platform: Platform, order: Order, *, rollout_id: str | None = None) -> Rollout:
    """Give all new runs back to the release before, without a mark on the candidate.

    Args:
        platform: The open platform.
        order: Who and why.
        rollout_id: The rollout that is meant, by its id or a prefix; None for whichever goes on.

    Raises:
        UnknownRollout: None goes on.
        OtherRollout: Another one goes on than was named.
        RoleMissing: The principal's roles do not allow it.
    """
    order = ordered(platform, "rollout abort", order)
    return _settled(platform, platform.rollouts.abort(order, bad=False, named=rollout_id))


def roll_back_rollout(
    platform: Platform, order: Order, *, rollout_id: str | None = None
) -> Rollout:
    """Give all new runs back to the release before, and mark the candidate bad.

    Args:
        platform: The open platform.
        order: Who and why.
        rollout_id: The rollout that is meant, by its id or a prefix; None for whichever goes on.

    Raises:
        UnknownRollout: None goes on.
        OtherRollout: Another one goes on than was named.
        RoleMissing: The principal's roles do not allow it.
    """
    order = ordered(platform, "rollback", order)
    return _settled(platform, platform.rollouts.abort(order, bad=True, named=rollout_id))


def _settled(platform: Platform, rollout: Rollout) -> Rollout:
    """Do at once what can be done at once, so that nobody waits for a worker to look."""
    return platform.controller.carry_on(rollout.id)


def give_feedback(
    platform: Platform,
    run_id: str,
    value: Json,
    *,
    name: str = "outcome",
    order: Order,
    id: str = "",
) -> Heard:
    """Say how good a run was, after its end; it counts in the rollout that the run is in.

    Args:
        platform: The open platform.
        run_id: The run's id or a prefix; a word on a child is one on its root.
        value: `good`, `bad`, or a number.
        name: What it is about: `outcome` corrects a run that succeeded and was wrong; any other
            name is for the metric whose source is `feedback:NAME`; `breach:policy_bypass`,
            `breach:secret_leaked` and `breach:effect_duplicated` roll a candidate back at once.
        order: Who says it, and why.
        id: Makes a second telling the same; empty for a new one.

    Returns:
        What became of it: whether it is new, which rollout counts it, and a warning when that
        one has no metric for it. It is kept all the same.

    Raises:
        FeedbackUnfit: It is neither good nor bad nor a number, nothing would count it, the run has
            not ended, or the id was given to a word on another run.
        UnknownRun: There is no such run.
        RoleMissing: The principal's roles do not allow it.
    """
    order = ordered(platform, "feedback", order)
    run = reached_run(platform, run_id)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value not in ("good", "bad") and not (number and math.isfinite(float(str(value)))):
        raise FeedbackUnfit(f"{value!r} is neither good nor bad nor a number", run=run.id)
    if not 0 < len(name) <= _NAME_CHARS_MAX or not name.isprintable():
        raise FeedbackUnfit(f"a name has from 1 to {_NAME_CHARS_MAX} printable characters")
    _refuse_unheard(run.id, name, value)
    if run.state not in FINAL_STATES:
        raise FeedbackUnfit(f"run {run.id} is {run.state}: it has not ended", run=run.id)
    told = Feedback(run_id=run.id, name=name, value=value, order=order, id=id)
    return _warned(platform, platform.rollout_store.say(told), told)


def _warned(platform: Platform, heard: Heard, told: Feedback) -> Heard:
    """Say when a rollout counts words, and this one for nothing: it may be a slip of the pen."""
    if not heard.counts:
        return heard
    terms = platform.rollout_store.get(heard.rollout).terms.analysis
    return replace(heard, warning=unheard(terms, told.name, told.value))


def _refuse_unheard(run_id: str, name: str, value: Json) -> None:
    """Refuse a word that nothing would ever count: who says it must not believe that it does."""
    what = name.removeprefix(BREACH)
    if name.startswith(BREACH) and what not in get_args(Invariant):
        known = ", ".join(f"{BREACH}{one}" for one in get_args(Invariant))
        raise FeedbackUnfit(f"there is no {name!r}; there are: {known}", run=run_id)
    if name.startswith(BREACH) and value != "bad":
        raise FeedbackUnfit(f"{name} is what must never happen: it is bad, and nothing else")
    if name == "outcome" and value not in ("good", "bad"):
        raise FeedbackUnfit(
            f"an outcome is good or bad, not {value!r}; a number needs the name of its metric",
            run=run_id,
        )
