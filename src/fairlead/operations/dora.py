"""How well releases come to users: the delivery metrics, and whether a rollback would work."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from fairlead.bootstrap import Platform
from fairlead.core.event import Event
from fairlead.delivery.deployed import DELIVERY_TYPES, RUN_TYPES, Log
from fairlead.delivery.dora import Delivery, Rollback, Scope, fold, readiness_of
from fairlead.operations.identity import allow

DAY_S = 86_400.0
DAYS = 30
"""Days that are looked at when nobody says."""


def measure_delivery(
    platform: Platform, days: float = DAYS, *, environment: str = "", app: str = ""
) -> Delivery:
    """Return the delivery metrics, which are folded from the event log and nothing else.

    Args:
        platform: The open platform.
        days: How many of the last days are looked at.
        environment: Deployments to this one only; empty for all.
        app: Deployments of this one only; empty for all.

    Raises:
        RoleMissing: The principal's roles do not allow it.
        LogTooLong: There were more runs in that time than one fold takes.
    """
    allow(platform, "dora")
    now = platform.clock.now()
    since = now - days * DAY_S
    scope = Scope(since=since, until=now, environment=environment, app=app)
    return fold(_events(platform, since), scope)


def rollback_readiness(platform: Platform, release: str | None = None) -> Rollback:
    """Return whether a release could be rolled back in the environment.

    Args:
        platform: The open platform.
        release: Digest of a release; one that is not the current one would be rolled back to the
            current one. None for the current one.

    Raises:
        RoleMissing: The principal's roles do not allow it.
    """
    allow(platform, "release show")
    log = Log.of(platform.events.of_types(DELIVERY_TYPES))
    place = platform.settings.environment
    now = platform.clock.now()
    current, _ = log.standing(place, now)
    chosen = release or current
    # As a rollback itself decides it, by what is accepted now.
    pair = chosen, platform.releases.previous(chosen)
    return readiness_of(log, place, now, pair)


def _events(platform: Platform, since: float) -> Iterator[Event]:
    return chain(
        platform.events.of_types(DELIVERY_TYPES), platform.events.of_types(RUN_TYPES, since=since)
    )
