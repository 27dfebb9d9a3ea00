"""What differs between two releases, with regard to the runs that are pinned to the older one."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.bootstrap import Platform
from fairlead.core.outcome import OPEN_STATES
from fairlead.core.release_changes import ReleaseChange
from fairlead.operations.identity import allow

PINNED_MAX = 1000
"""So many runs of one state are counted; with more, the number is a lower bound."""


def compare_releases(platform: Platform, a: str, b: str) -> Sequence[ReleaseChange]:
    """Say in words what differs between two releases; each difference has a class.

    Args:
        platform: The open platform.
        a: The older release, by its digest or a prefix.
        b: The newer one.

    Raises:
        UnknownRelease: There is no such release.
    """
    allow(platform, "release diff")
    older = platform.release_store.get(a).digest
    pinned = sum(
        len(platform.runs.list(state=state, release=older, limit=PINNED_MAX))
        for state in sorted(OPEN_STATES)
    )
    return platform.releases.explain(a, b, pinned=pinned)
