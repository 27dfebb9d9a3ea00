"""Releases, the evidence of their gates, and which one is active."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fairlead.core.archive import Archive
from fairlead.core.digests import Json
from fairlead.core.errors import ReleaseDamaged
from fairlead.core.release import Release


@dataclass(frozen=True, kw_only=True)
class Activation:
    """One move of the pointer that new runs follow.

    Attributes:
        release: Digest of the release that became active.
        kind: `activate`, `override` (no passed gate) or `rollback`.
        reason: Why; required for an override.
        by: Who did it.
        time: Seconds since 1970, UTC.
    """

    release: str
    kind: str
    reason: str
    by: str
    time: float


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A gate's conclusion on a release.

    Attributes:
        release: Digest of the release.
        conclusion: success, failure, neutral, skipped, timed_out or action_required.
        checks: Every check, as JSON.
        time: Seconds since 1970, UTC.
        gate: Name of the gate.
        environment: Where it holds; empty for every environment.
        by: Who let the gate run, or approved.
        verified: Whether a token says so.
    """

    release: str
    conclusion: str
    checks: Json
    time: float
    gate: str = "check"
    environment: str = ""
    by: str = ""
    verified: bool = False


class ReleaseStore(Protocol):
    """Keeps releases for ever, and the pointer's history."""

    def put(self, release: Release, archive: Archive | None = None) -> bool:
        """Store a release with its files; return False when it is there already.

        One that is there gets what it lacks: its archive, where it comes from, or who made it.
        """
        ...

    def archive(self, name: str) -> Archive | None:
        """Return an archive by its digest, as it is on record; None when it is not there."""
        ...

    def get(self, name: str) -> Release:
        """Return a release by its digest or a prefix that only one has.

        Raises:
            UnknownRelease: There is none, or more than one.
            ReleaseDamaged: Its manifest does not match its digest.
        """
        ...

    def list(self) -> Sequence[Release]:
        """Return all sound releases, newest first."""
        ...

    def damaged(self) -> Sequence[ReleaseDamaged]:
        """Return the error of each release that does not match its digest."""
        ...

    def record_gate(self, evidence: Evidence) -> str:
        """Store a gate's conclusion, with its event; return the digest that names it."""
        ...

    def gate(self, release: str) -> Evidence | None:
        """Return a release's latest evidence of `fairlead check`, or None."""
        ...

    def evidence_of(
        self,
        release: str,
        gate: str,
        environment: str = "",
        *,
        limit: int = 1,
        of_each: bool = False,
    ) -> Sequence[Evidence]:
        """Return a gate's evidence on a release, the newest first.

        Args:
            release: Digest of the release.
            gate: Name of the gate.
            environment: Where; what holds everywhere is found there too.
            limit: Most of it.
            of_each: Only the newest of each person, and what is no success first: however much
                others write, nobody's last word is behind the limit.

        Raises:
            StoreCorrupt: One piece is not as it was stored.
        """
        ...

    def evidence_on(self, release: str, limit: int = 100) -> Sequence[Evidence]:
        """Return a release's evidence of all gates everywhere, the newest first."""
        ...

    def activate(
        self,
        environment: str,
        activation: Activation,
        permit: Callable[[], None] = lambda: None,
        *,
        instead_of: str | None = None,
    ) -> None:
        """Move the pointer, with its event; a rollback marks the release that was active as bad.

        Args:
            environment: Where.
            activation: The move.
            permit: Refuses it by what is on record while nobody else can change that.
            instead_of: Digest of the release that must be active now; None for any.

        Raises:
            RolloutOpen: A rollout goes on there: it moves the pointer.
            RouteClosed: Another release is active by now.
        """
        ...

    def active(self) -> dict[str, str]:
        """Return the digest of the release that is active in each environment, by its name."""
        ...

    def on_trial(self, environment: str, release: str) -> bool:
        """Say whether a release was never activated, and another one is the environment's."""
        ...

    def history(self, environment: str) -> Sequence[Activation]:
        """Return the pointer's moves, oldest first; the last one is in force."""
        ...
