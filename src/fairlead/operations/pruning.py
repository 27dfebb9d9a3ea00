"""Keeps history bounded."""

from __future__ import annotations

from fairlead.bootstrap import Platform
from fairlead.ports.pruning import Pruned
from fairlead.ports.runs import Order
from fairlead.runtime.prune import Wanted


def prune_runs(
    platform: Platform,
    order: Order,
    *,
    older_than_days: float | None = None,
    workflow: str | None = None,
    dry_run: bool = False,
    limit: int = Wanted.limit,
) -> Pruned:
    """Remove what is left of runs that ended long ago; their rows and events stay.

    Args:
        platform: The open platform.
        order: Who and why; it is kept with each run's event.
        older_than_days: Stands in place of each workflow's retention; None keeps to that.
        workflow: Only its runs, with their children; None for all.
        dry_run: Change nothing, and return what would be removed.
        limit: Most runs, in whole histories.
    """
    wanted = Wanted(
        older_than_days=older_than_days, workflow=workflow, dry_run=dry_run, limit=limit
    )
    return platform.pruning.prune(wanted, order)
