"""One deployment: how it went, from the runs that it was given and from what was done about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from fairlead.core.event import Event

Caught: TypeAlias = Literal["canary", "after_promote"]
End: TypeAlias = Literal["", "failed", "withdrawn"]


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A release that came to users.

    Attributes:
        id: The rollout's id; or environment and place of the activation.
        environment: Where.
        app: The app's name; empty when the log does not say.
        release: Digest of the release.
        before: Digest of the one that was current; empty for a first release.
        began_at: When it began, in seconds since 1970; so are all times.
        full_at: When it became the current release; None while it is not.
        runs: Runs of users that began on it.
        harmed: Those of them that an analysis counts as bad; see `Run.harmed`.
        first_harm_at: When the first of them ended.
        end: failed (given up because it harmed), withdrawn (given up before it did), or empty.
        caught: Where a failed one was caught; empty for none.
        decided_at: When it was given up.
        traffic_safe_at: From when on no new run began on it; None for not yet.
        all_safe_at: When the last of its runs had ended; None for not yet.
        marked: Whether whoever deployed it said that it is a fix.
    """

    id: str
    environment: str
    app: str
    release: str
    before: str
    began_at: float
    full_at: float | None = None
    runs: int = 0
    harmed: int = 0
    first_harm_at: float | None = None
    end: End = ""
    caught: Caught | None = None
    decided_at: float | None = None
    traffic_safe_at: float | None = None
    all_safe_at: float | None = None
    marked: bool = False


@dataclass(slots=True)
class Run:
    """What is kept of a run.

    Attributes:
        release: Digest of the release that it began on.
        rollout: Id of the rollout in which it did; empty for none.
        environment: Where, as far as its own event says.
        admitted_at: When.
        counts: Whether a user asked for it, and no other run.
        anew: Whether it goes on with what another run began.
        ended_at: When it ended; None while it goes on.
        state: How.
        said: The last word on its outcome; empty for none.
        breached: Whether it broke what must never be broken, by a word or by the record.
    """

    release: str = ""
    rollout: str = ""
    environment: str = ""
    admitted_at: float = 0.0
    counts: bool = False
    anew: bool = False
    ended_at: float | None = None
    state: str = ""
    said: str = ""
    breached: bool = False

    @property
    def harmed(self) -> bool:
        """Whether it is bad by the outcome metric of an analysis, which a good word mends nowhere.

        That is what did not succeed, unless a person stopped it, and what was said to be bad; the
        last word counts.
        """
        unsuccessful = self.state not in ("", "succeeded", "cancelled")
        return self.breached or unsuccessful or self.said == "bad"


def began_on(run: Run, deployments: Sequence[Deployment], place: str) -> list[Deployment]:
    """Return the deployments of a run's release that it began on: one for each environment.

    Where the log does not say in which environment it began and several have its release, it counts
    in each of them.
    """
    latest: dict[str, Deployment] = {}
    for one in deployments:
        if one.id == run.rollout:
            return [one]
        elsewhere = place not in ("", one.environment)
        if one.began_at <= run.admitted_at and not elsewhere:
            latest[one.environment] = one
    return list(latest.values())


def with_runs(one: Deployment, runs: Sequence[Run]) -> Deployment:
    """Return a deployment with its runs, and with what follows of them."""
    fresh = [run for run in runs if not run.anew]
    bad = [run.ended_at for run in runs if run.harmed and run.ended_at is not None]
    one = replace(one, runs=len(fresh), harmed=len(bad), first_harm_at=min(bad, default=None))
    if one.end == "withdrawn":
        one = replace(one, end="failed") if bad else replace(one, caught=None)
    if one.decided_at is None:
        return one
    if one.traffic_safe_at is None:
        last = max((run.admitted_at for run in fresh), default=0.0)
        one = replace(one, traffic_safe_at=max(one.decided_at, last))
    if one.all_safe_at is None and all(run.ended_at is not None for run in runs):
        ended = max((run.ended_at or 0.0 for run in runs), default=0.0)
        one = replace(one, all_safe_at=max(one.traffic_safe_at or 0.0, ended))
    return one


def give_up(found: dict[str, Deployment], place: tuple[str, str], event: Event) -> None:
    """Note that the latest deployment of a release was taken back after it was the current one."""
    mine = [one for one in found.values() if (one.environment, one.release) == place]
    mine = [one for one in mine if one.began_at <= event.time]
    if mine:
        last = max(mine, key=lambda one: one.began_at)
        if not last.end:
            found[last.id] = replace(
                last, end="failed", caught="after_promote", decided_at=event.time
            )


def hotfixed(found: Sequence[Deployment]) -> list[Deployment]:
    """Count what was mended by a fix as failed: users had it until the fix was everywhere."""
    done = list(found)
    for place, fix in enumerate(done):
        mended = [n for n in range(place) if done[n].full_at is not None]
        if fix.marked and mended and not done[mended[-1]].end:
            at = mended[-1]
            done[at] = replace(
                done[at],
                end="failed",
                caught="after_promote",
                # While the fix is on its way, nobody is safe yet.
                decided_at=None if fix.full_at is None else fix.began_at,
                traffic_safe_at=fix.full_at,
            )
    return done
