"""The platform's baselines: their versions, and which one is in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fairlead.core.baseline import Baseline, Standing


@dataclass(frozen=True, kw_only=True)
class Published:
    """A version as it is on record.

    Attributes:
        digest: Its digest.
        baseline: The version.
        by: Who published it.
        published_at: Seconds since 1970, UTC.
    """

    digest: str
    baseline: Baseline
    by: str
    published_at: float


class BaselineStore(Protocol):
    """Keeps baselines for ever, and the series of those that were put in force."""

    def publish(self, baseline: Baseline, by: str) -> bool:
        """Store a version, with its event; return False when it is there already.

        Raises:
            BaselineVersionTaken: The version is there with other content.
        """
        ...

    def get(self, name: str) -> Published:
        """Return a baseline by its version, or by 8 digits or more of its digest.

        Raises:
            UnknownBaseline: There is none, or more than one.
        """
        ...

    def list(self) -> Sequence[Published]:
        """Return all baselines, newest first."""
        ...

    def enforce(self, digest: str, window_s: float, by: str) -> None:
        """Put a baseline in force for all apps of the database, with its event.

        Args:
            digest: The baseline.
            window_s: Seconds for which what was accepted before is still accepted.
            by: Who orders it.
        """
        ...

    def standing(self) -> Standing:
        """Return which baselines are accepted now, by the database's clock."""
        ...
