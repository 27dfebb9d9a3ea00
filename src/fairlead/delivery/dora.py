"""Delivery metrics: the five of DORA and the readiness to roll back, of the event log alone.

What is not known is None and never 0; docs/explanation/delivery-metrics.md says what counts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal, TypeAlias

from fairlead.core.event import Event
from fairlead.delivery.deployed import Drilled, Log, Origin
from fairlead.delivery.deployment import Deployment

READY_S = 30 * 86_400.0
"""For so long a passed drill shows that a rollback works."""

REWORK_S = 86_400.0
"""A deployment within so many seconds after a rollback is counted as work on its cause."""

WEEK_S = 7 * 86_400.0

Readiness: TypeAlias = Literal["ready", "stale", "failed", "never", "nothing before"]


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which deployments are looked at.

    Attributes:
        since: Those that began from here on, in seconds since 1970.
        until: And before this.
        environment: In this environment; empty for all.
        app: Of this app; empty for all.
    """

    since: float
    until: float
    environment: str = ""
    app: str = ""

    def holds(self, one: Deployment) -> bool:
        """Say whether a deployment is looked at: one without a user's run is none."""
        here = self.environment in ("", one.environment) and self.app in ("", one.app)
        return here and one.runs > 0 and self.since <= one.began_at < self.until


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How long something took.

    Attributes:
        n: How many times were measured.
        median_s: The median in seconds; None for none.
        p90_s: Nine in ten took at most so many seconds; None for none.
    """

    n: int = 0
    median_s: float | None = None
    p90_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share of deployments.

    Attributes:
        count: How many.
        of: Of how many.
    """

    count: int = 0
    of: int = 0

    @property
    def value(self) -> float | None:
        """From 0.0 to 1.0; None of none."""
        return self.count / self.of if self.of else None


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """Whether an environment could be rolled back now.

    Attributes:
        environment: Its name.
        release: Digest of its current release.
        previous: Digest of the release to which a rollback goes; empty for none.
        readiness: What the last drill says.
        drill: That drill; None for none.
    """

    environment: str
    release: str
    previous: str
    readiness: Readiness
    drill: Drilled | None = None


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """The delivery metrics.

    Attributes:
        scope: Which deployments were looked at.
        deployments: Those, the oldest first.
        per_week: Deployments in a week; None while nothing was ever deployed.
        lead: From the first commit of a change until all new runs start on it.
        lead_from: From what it was counted, `commit` or `release`, with how often.
        failed: Deployments that had to be given up, wherever it was noticed.
        escaped: Those of them that were the current release by then.
        caught: Where failed ones were caught, and how many releases no gate let through.
        harmed: Runs of users that were harmed, by where the deployment was caught.
        withdrawn: Deployments that were given up before anybody was harmed.
        traffic: From the first harm until no new run began on a failed one.
        runs: From the first harm until the last of its runs had ended.
        rework: Deployments that were work on the cause of a failure.
        readiness: Whether each environment could be rolled back now.
    """

    scope: Scope
    deployments: tuple[Deployment, ...]
    per_week: float | None
    lead: Spread
    lead_from: Mapping[str, int]
    failed: Share
    escaped: Share
    caught: Mapping[str, int]
    harmed: Mapping[str, int]
    withdrawn: int
    traffic: Spread
    runs: Spread
    rework: Share
    readiness: tuple[Rollback, ...] = field(default=())


def fold(events: Iterable[Event], scope: Scope) -> Delivery:
    """Return the delivery metrics that an event log tells.

    Args:
        events: Of the types in `DELIVERY_TYPES` all, of those in `RUN_TYPES` from the beginning of
            the scope; each chain in its order, the chains in any.
        scope: Which deployments are looked at.

    Raises:
        LogTooLong: There are more runs than one fold takes.
    """
    log = Log.of(events)
    every = log.deployments()
    mine = tuple(one for one in every if scope.holds(one))
    failed = [one for one in mine if one.end == "failed"]
    escaped = [one for one in failed if one.caught == "after_promote"]
    leads = [found for one in mine if (found := _lead(one, log.origins)) is not None]
    caught = {"gate": _gated(log, every, scope), "canary": 0, "after_promote": 0}
    harmed = {"canary": 0, "after_promote": 0}
    for one in failed:
        if one.caught is not None:
            caught[one.caught] += 1
            harmed[one.caught] += one.harmed
    again = sum(_is_rework(one, every) for one in mine)
    return Delivery(
        scope=scope,
        deployments=mine,
        per_week=_per_week(mine, every, scope),
        lead=spread([seconds for seconds, _ in leads]),
        lead_from=dict(sorted(Counter(basis for _, basis in leads).items())),
        failed=Share(count=len(failed), of=len(mine)),
        escaped=Share(count=len(escaped), of=len(mine)),
        caught=caught,
        harmed=harmed,
        withdrawn=sum(one.end == "withdrawn" for one in mine),
        traffic=spread([_since_harm(one, one.traffic_safe_at) for one in failed]),
        runs=spread([_since_harm(one, one.all_safe_at) for one in failed]),
        rework=Share(count=again, of=len(mine)),
        readiness=tuple(
            readiness_of(log, name, scope.until)
            for name in log.environments()
            if scope.environment in ("", name)
        ),
    )


def spread(seconds: Iterable[float | None]) -> Spread:
    """Return median and ninth decile of what is known; the decile by the nearest rank.

    Args:
        seconds: The times; None for what is not known.
    """
    known = sorted(one for one in seconds if one is not None)
    if not known:
        return Spread()
    rank = math.ceil(0.9 * len(known))
    return Spread(n=len(known), median_s=median(known), p90_s=known[rank - 1])


def readiness_of(
    log: Log, environment: str, now: float, pair: tuple[str, str] | None = None
) -> Rollback:
    """Return whether a release could be rolled back in an environment.

    Args:
        log: The log.
        environment: The environment.
        now: Seconds since 1970.
        pair: The release, and the one to which a rollback would go; None for those that stand
            there.
    """
    release, previous = pair or log.standing(environment, now)
    drills = [one for one in log.drills.values() if one.release == release and one.at <= now]
    same = [one for one in drills if one.previous == previous]
    last = max(same or drills, key=lambda one: one.at, default=None)
    found: Readiness
    if not previous:
        found, last = "nothing before", None
    elif last is None:
        found = "never"
    elif last.previous != previous or now - last.at > READY_S:
        found = "stale"
    else:
        found = "ready" if last.passed else "failed"
    return Rollback(
        environment=environment,
        release=release,
        previous=previous,
        readiness=found,
        drill=last,
    )


def _lead(one: Deployment, origins: Mapping[str, Origin]) -> tuple[float, str] | None:
    origin = origins.get(one.release)
    if one.full_at is None or origin is None:
        return None
    if origin.commit_at is not None and origin.commit_at <= one.full_at:
        return one.full_at - origin.commit_at, "commit"
    if origin.created_at is None:
        return None
    return one.full_at - origin.created_at, "release"


def _per_week(
    mine: Sequence[Deployment], every: Sequence[Deployment], scope: Scope
) -> float | None:
    """Return how often something is deployed; where nothing ever was, there is nothing to count."""
    known = [one for one in every if scope.environment in ("", one.environment) and one.runs]
    if not (mine or known):
        return None
    return len(mine) * WEEK_S / (scope.until - scope.since)


def _gated(log: Log, every: Sequence[Deployment], scope: Scope) -> int:
    """Count releases that a gate did not let through, and that came to nobody."""
    served = {one.release for one in every if one.runs}
    return sum(
        digest not in served and scope.app in ("", log.origins.get(digest, Origin()).app)
        for digest in log.refused(scope.since, scope.until)
    )


def _since_harm(one: Deployment, safe_at: float | None) -> float | None:
    """Return how long it took from the first harm, or from the decision, until it was safe."""
    known = [at for at in (one.first_harm_at, one.decided_at) if at is not None]
    if safe_at is None or not known:
        return None
    return max(safe_at - min(known), 0.0)


def _is_rework(one: Deployment, every: Sequence[Deployment]) -> bool:
    """Say whether a deployment is a fix, or followed closely on a failure."""
    return one.marked or any(
        other.environment == one.environment
        and other.end == "failed"
        and other.id != one.id
        and other.decided_at is not None
        and 0.0 <= one.began_at - other.decided_at <= REWORK_S
        for other in every
    )
