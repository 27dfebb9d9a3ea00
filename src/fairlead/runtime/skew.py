"""Whether a machine's clock is fit for what goes by the time of all, which is the database's."""

from __future__ import annotations

SKEW_S_MAX = 2.0
"""A clock that differs more from the database's is not fit for leases and rollouts."""


def is_skewed(asked: float, theirs: float, answered: float) -> bool:
    """Return whether a clock differs too much from the database's.

    Args:
        asked: This machine's time when the database was asked, in seconds since 1970.
        theirs: The database's, which was read somewhere between the asking and the answer.
        answered: This machine's time when the answer came.
    """
    return not asked - SKEW_S_MAX <= theirs <= answered + SKEW_S_MAX
