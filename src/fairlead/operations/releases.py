"""Which release is active, and in whose name it became that."""

from __future__ import annotations

from fairlead.bootstrap import Platform
from fairlead.core.errors import InvalidInput, OtherRollout, RolledBackAlready
from fairlead.core.release import Release
from fairlead.core.rollout import Rollout
from fairlead.operations.identity import allow, operator
from fairlead.operations.rollouts import roll_back_rollout
from fairlead.ports.runs import Order

_AGAIN_S = 600.0
"""For how long a second rollback, which names no release, is taken for the first one's echo."""


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


def roll_back_release(
    platform: Platform, *, reason: str, release: str | None = None, rollout_id: str | None = None
) -> tuple[str, Release | None]:
    """Put the previous good release back, and mark the one that harms bad.

    While a rollout goes on, it is the candidate that is given up: see `roll_back_rollout`. Two
    people at the same moment, or one behind a rollback by evidence, do not take a good release
    away: within ten minutes of a rollback a further one must name what it is meant for.

    Args:
        platform: The open platform.
        reason: Why.
        release: Digest of the one that harms, or how it begins; None for the candidate of the
            rollout that goes on, and the active release where none does.
        rollout_id: The rollout whose candidate harms, by its id or a prefix: nothing is done when
            it is not the one that goes on. Name it or the release.

    Returns:
        The digest of the release that is bad, and the release on which new runs start now; None
        when a first release was given up.

    Raises:
        RoleMissing: The principal's roles do not allow it.
        InvalidInput: A release and a rollout are named at the same time.
        NoPreviousRelease: No earlier release is good.
        OtherRollout: Another rollout goes on than was named, or none does.
        RolledBackAlready: The release gets no new runs any more; or none is named, and the last
            rollback was a moment ago.
    """
    allow(platform, "rollback")
    if release is not None and rollout_id is not None:
        raise InvalidInput("name the rollout that harms, or the release, and not both")
    rollout = _in_question(platform)
    if rollout is None and rollout_id is not None:
        # One that is aborted while another release became active is no more what goes on.
        raise OtherRollout(
            f"rollout {rollout_id!r} does not go on in {platform.settings.environment}; "
            f"release {_active(platform)[:12]} is active",
            rollout=rollout_id,
        )
    if rollout is not None and (release is None or _named(rollout.candidate, release)):
        order = Order(by=operator(platform), reason=reason)
        # By its id: what ends at this moment, and what begins, is another one.
        meant = rollout.id if rollout_id is None else rollout_id
        given_up = roll_back_rollout(platform, order, rollout_id=meant)
        before = given_up.baseline
        return given_up.candidate, platform.release_store.get(before) if before else None
    if release is None:
        _refuse_echo(platform)
    elif not _named(active := _active(platform), release):
        raise RolledBackAlready(
            f"release {release} gets no new runs in {platform.settings.environment}; "
            f"{active[:12] or 'no release'} is active",
            release=release,
        )
    return platform.releases.rollback(by=operator(platform), reason=reason)


def _named(digest: str, release: str) -> bool:
    """Compare by the digest alone: a release that is rolled back may be damaged."""
    return bool(release) and digest.startswith(release)


def _active(platform: Platform) -> str:
    history = platform.release_store.history(platform.settings.environment)
    return history[-1].release if history else ""


def _in_question(platform: Platform) -> Rollout | None:
    """Return the rollout that a rollback is meant for; None when it is the active release.

    One that is being aborted may wait for its runs for days. Once another release became active
    behind it, that one is what harms.
    """
    rollout = platform.rollout_store.open(platform.settings.environment)
    if rollout is None or rollout.phase != "aborting" or rollout.baseline == _active(platform):
        return rollout
    return None


def _refuse_echo(platform: Platform) -> None:
    """Refuse a rollback that follows on another one, whoever or whatever that was.

    Raises:
        RolledBackAlready: The last rollback was a moment ago, and nothing came behind it.
    """
    environment = platform.settings.environment
    history = platform.release_store.history(environment)
    if not history:
        return
    last, found = history[-1], [(0.0, "", "")]
    if last.kind == "rollback" and len(history) > 1:
        found.append((last.time, history[-2].release, last.reason))
    for rollout in platform.rollout_store.list(environment, limit=1):
        if rollout.bad and rollout.decided_at is not None and rollout.decided_at >= last.time:
            found.append((rollout.decided_at, rollout.candidate, rollout.reason))
    at, bad, reason = max(found)
    ago_s = platform.clock.now() - at
    if ago_s < _AGAIN_S:
        raise RolledBackAlready(
            f"release {bad[:12]} was rolled back in {environment} {max(ago_s, 0.0):.0f} s ago "
            f"({reason}); {last.release[:12]} is active",
            release=bad,
        )
