"""The event log: FL-7xx."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError


class ChainBroken(FairleadError):
    """The event log was changed after it was written."""

    code = "FL-700"
    hint = "Keep the database as evidence, and compare it with your latest backup."
