"""Which release is active, and in whose name it became that."""

from __future__ import annotations

from fairlead.bootstrap import Platform
from fairlead.core.release import Release
from fairlead.operations.identity import allow, operator
from fairlead.operations.rollouts import roll_back_rollout
from fairlead.ports.runs import Order


def activate_release(platform: Platform, id: str, *, override: str | None = None) -> Release:
    """Let new runs start on a release whose gate has passed.

    Args:
        platform: The open platform.
        id: Its digest or a prefix.
        override: Why, when it has no passed gate: only an admin may; None demands one.

    Raises:
        RoleMissing: The principal's roles do not allow it.
        GateRefused: It has no passed gate, or it is marked bad, and there is no override.
        ReasonMissing: The override says nothing.
    """
    allow(platform, "release activate" if override is None else "release activate --override")
    return platform.releases.activate(id, by=operator(platform), override=override)


def roll_back_release(platform: Platform, *, reason: str) -> tuple[str, Release | None]:
    """Put the previous good release back, and mark the active one bad.

    While a rollout goes on, it is the candidate that is given up: see `roll_back_rollout`.

    Args:
        platform: The open platform.
        reason: Why.

    Returns:
        The digest of the release that is bad, and the release on which new runs start now; None
        when a first release was given up.

    Raises:
        RoleMissing: The principal's roles do not allow it.
        NoPreviousRelease: No earlier release is good.
    """
    allow(platform, "rollback")
    rollout = platform.rollout_store.open(platform.settings.environment)
    if rollout is not None:
        order = Order(by=operator(platform), reason=reason)
        given_up = roll_back_rollout(platform, order)
        before = given_up.baseline
        return given_up.candidate, platform.release_store.get(before) if before else None
    return platform.releases.rollback(by=operator(platform), reason=reason)
