"""Lets runs go on as new ones: under another release, or from one of their calls."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.bootstrap import Platform
from fairlead.core.errors import FairleadError, ReasonMissing
from fairlead.core.release import Release
from fairlead.operations.control import Controlled, Selection, select_runs
from fairlead.operations.identity import ordered
from fairlead.ports.runs import Order, RunRecord


def move_runs(
    platform: Platform, selection: Selection, to: str, order: Order, *, dry_run: bool = False
) -> Sequence[Controlled]:
    """Let runs go on under another release; each leaves an event with who and why.

    Args:
        platform: The open platform.
        selection: Which runs.
        to: Digest or prefix of the release under which they go on.
        order: Who and why.
        dry_run: Only return what would be concerned.

    Returns:
        A line for each run; one that cannot be moved carries its error, and the others are moved
        all the same.

    Raises:
        ReasonMissing: The order says no reason.
        InvalidInput: Nothing was selected.
        GateRefused: The environment does not let the other release in, or it is marked bad.
        EnvironmentFrozen: No release gets traffic now, and the other one was never active.
        BaselineNotAccepted: The other release's baseline is not accepted any more.
        RoleMissing: The principal's roles do not allow it.
    """
    order = ordered(platform, "runs move", order)
    if not order.reason.strip():
        raise ReasonMissing("to move runs needs a reason")
    target = platform.release_store.get(to)
    platform.releases.refuse_unfit(target)
    found = select_runs(platform, "move", selection)
    chosen = [run for run in found if run.parent_id is None and run.release != target.digest]
    if dry_run:
        return [Controlled(run=run) for run in chosen]
    done = []
    for run in chosen:
        try:
            source = platform.release_store.get(run.release)
            fresh = platform.control.move(run.id, (source, target), order)
            done.append(Controlled(run=run, also=(fresh.id,)))
        except FairleadError as error:
            done.append(Controlled(run=run, error=error))
    return done


def fork_run(
    platform: Platform,
    run_id: str,
    before: int,
    order: Order,
    *,
    release: str | None = None,
) -> RunRecord:
    """Start a new run from another one's record, up to one of its calls.

    Args:
        platform: The open platform.
        run_id: The run whose record is copied; its id or a prefix.
        before: Number of the first call that is made anew, from 1.
        order: Who and why.
        release: Digest or prefix of the release of the new run; None for the same one.

    Raises:
        ReasonMissing: The order says no reason.
        InvalidInput: There is no such call, or the release has other code.
        RoleMissing: The principal's roles do not allow it.
        GateRefused: The environment does not let that other release in, or it is marked bad.
        EnvironmentFrozen: No release gets traffic now, and that other one was never active.
        BaselineNotAccepted: The release's baseline is not accepted any more.
    """
    [done] = fork_runs(platform, Selection(ids=(run_id,)), before, order, to=release)
    if done.error is not None:
        raise done.error
    return platform.runs.get(done.also[0])


def fork_runs(
    platform: Platform,
    selection: Selection,
    before: int,
    order: Order,
    *,
    to: str | None = None,
    dry_run: bool = False,
) -> Sequence[Controlled]:
    """Start new runs from the records of others, each up to the same call of its own.

    Args:
        platform: The open platform.
        selection: Which runs; of those that are described, children stay out: their parents start
            them anew.
        before: Number of the first call that is made anew, from 1.
        order: Who and why.
        to: Digest or prefix of the release of the new runs; None for that of each.
        dry_run: Only return what would be concerned.

    Returns:
        A line for each run; one that cannot be forked carries its error, and the others are forked
        all the same.

    Raises:
        ReasonMissing: The order says no reason.
        InvalidInput: Nothing was selected.
        GateRefused: The environment does not let that other release in, or it is marked bad.
        EnvironmentFrozen: No release gets traffic now, and that other one was never active.
        BaselineNotAccepted: The release's baseline is not accepted any more.
        RoleMissing: The principal's roles do not allow it.
    """
    order = ordered(platform, "runs fork", order)
    if not order.reason.strip():
        raise ReasonMissing("to fork runs needs a reason")
    target = None if to is None else platform.release_store.get(to)
    found = select_runs(platform, "fork", selection)
    chosen = [run for run in found if selection.ids or run.parent_id is None]
    if target is not None:
        _refuse_unfit(platform, target, chosen)
    if dry_run:
        return [Controlled(run=run) for run in chosen]
    done = []
    for run in chosen:
        try:
            fresh = platform.control.fork(run.id, before, order, release=target)
            done.append(Controlled(run=run, also=(fresh.id,)))
        except FairleadError as error:
            done.append(Controlled(run=run, error=error))
    return done


def _refuse_unfit(platform: Platform, target: Release, chosen: Sequence[RunRecord]) -> None:
    """Refuse a release that some run is not on yet as a move does, and its baseline at any rate."""
    if all(run.release == target.digest for run in chosen):
        platform.releases.refuse_unaccepted(target)
    else:
        platform.releases.refuse_unfit(target)
