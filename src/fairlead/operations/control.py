"""What an operator does to runs: one, or many at once with a count before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fairlead.bootstrap import Platform
from fairlead.core.access import permit_answer, permit_role
from fairlead.core.digests import Json, canonical_json
from fairlead.core.errors import (
    FairleadError,
    InvalidInput,
    ReasonMissing,
    UnknownApproval,
    UnknownEffectKey,
)
from fairlead.core.outcome import FINAL_STATES
from fairlead.operations.identity import allow, ordered, reach, reached_run
from fairlead.ports.approvals import ApprovalRecord
from fairlead.ports.effects import EffectRecord
from fairlead.ports.runs import Order, RunRecord
from fairlead.ports.waits import Signal

Verb: TypeAlias = Literal["cancel", "pause", "resume", "retry", "move", "fork"]

SELECTED_MAX = 10_000
"""Most runs that one order concerns."""

_POLL_S = 0.1
_ITEMS = 100
_EVENTS_MAX = 100_000


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which runs an order concerns: those that are named, or all that fit.

    Attributes:
        ids: Runs by id or prefix; with them nothing else may be given.
        workflow: Only runs of this workflow; None for any.
        state: Only runs in this state; None for any in which the verb can be done.
        release: Only runs of this release, by digest; None for any.
        environment: Only runs of this environment, and those of which it is not known; None for
            any.
    """

    ids: tuple[str, ...] = ()
    workflow: str | None = None
    state: str | None = None
    release: str | None = None
    environment: str | None = None


@dataclass(frozen=True, kw_only=True)
class Controlled:
    """What an order did to one run.

    Attributes:
        run: The run, as it was before.
        also: Further runs: children that were cancelled with it, or the new run of a retry, a move
            or a fork.
        error: Why it was not done; None when it was.
    """

    run: RunRecord
    also: tuple[str, ...] = ()
    error: FairleadError | None = None


_FITTING: dict[Verb, tuple[str | None, ...]] = {
    "cancel": ("queued", "running", "waiting", "paused"),
    "pause": ("queued", "running", "waiting"),
    "resume": ("paused",),
    "retry": ("failed", "denied", "escalated", "cancelled"),
    "move": ("queued", "running", "waiting", "paused"),
    "fork": (None,),
}


def select_runs(platform: Platform, verb: Verb, selection: Selection) -> Sequence[RunRecord]:
    """Return the runs that an order would concern, newest first and at most `SELECTED_MAX`.

    Args:
        platform: The open platform.
        verb: What is to be done.
        selection: Which runs.

    Raises:
        InvalidInput: Nothing was selected, or runs are named and described at the same time.
        UnknownRun: A named run is not there.
        RoleMissing: The principal's roles do not allow it.
    """
    allow(platform, f"runs {verb}")
    described = selection != Selection(ids=selection.ids)
    if bool(selection.ids) == described:
        ways = "workflow, state, release or environment"
        raise InvalidInput(f"name runs by their ids, or describe them by {ways}")
    if selection.ids:
        named = (reached_run(platform, run_id) for run_id in selection.ids)
        return list({run.id: run for run in named}.values())
    found = [
        run
        for state in ((selection.state,) if selection.state else _FITTING[verb])
        for run in platform.runs.list(
            state=state,
            release=selection.release,
            workflow=selection.workflow,
            tenant=reach(platform),
            environment=selection.environment,
            limit=SELECTED_MAX,
        )
    ]
    # A run that went on from one state to another meanwhile was read twice.
    once = {run.id: run for run in found}
    return sorted(once.values(), key=lambda run: run.created_at, reverse=True)[:SELECTED_MAX]


def control_runs(
    platform: Platform,
    verb: Verb,
    selection: Selection,
    order: Order,
    *,
    dry_run: bool = False,
) -> Sequence[Controlled]:
    """Cancel, pause, resume or retry runs; each leaves an event with who and why.

    A run whose retry has not failed is not retried again: two operators may give the same order.

    Args:
        platform: The open platform.
        verb: What is done; runs are moved by `move_runs` and forked by `fork_runs`.
        selection: Which runs.
        order: Who and why.
        dry_run: Only return what would be concerned.

    Returns:
        A line for each run; one that cannot be done any more carries its error, and the others are
        done all the same.

    Raises:
        ReasonMissing: The order says no reason.
        InvalidInput: Nothing was selected, or the verb has a function of its own.
        RoleMissing: The principal's roles do not allow it.
    """
    act = _VERBS.get(verb)
    if act is None:
        raise InvalidInput(f"control_runs does not {verb} runs: call {verb}_runs")
    order = ordered(platform, f"runs {verb}", order)
    if not order.reason.strip():
        raise ReasonMissing(f"to {verb} runs needs a reason")
    chosen = select_runs(platform, verb, selection)
    if dry_run:
        return [Controlled(run=run) for run in chosen]
    done = []
    for run in chosen:
        try:
            done.append(Controlled(run=run, also=act(platform, run.id, order)))
        except FairleadError as error:
            done.append(Controlled(run=run, error=error))
    return done


def _cancel(platform: Platform, run_id: str, order: Order) -> tuple[str, ...]:
    return tuple(platform.control.cancel(run_id, order)[1:])


def _pause(platform: Platform, run_id: str, order: Order) -> tuple[str, ...]:
    platform.control.pause(run_id, order)
    return ()


def _resume(platform: Platform, run_id: str, order: Order) -> tuple[str, ...]:
    platform.control.resume(run_id, order)
    return ()


def _retry(platform: Platform, run_id: str, order: Order) -> tuple[str, ...]:
    return (platform.control.retry(run_id, order).id,)


_VERBS: dict[Verb, Callable[[Platform, str, Order], tuple[str, ...]]] = {
    "cancel": _cancel,
    "pause": _pause,
    "resume": _resume,
    "retry": _retry,
}


def send_signal(platform: Platform, signal: Signal) -> bool:
    """Send a signal to a run; it goes on in the same transaction when it waits for it.

    Args:
        platform: The open platform.
        signal: The signal; its run by id or prefix.

    Returns:
        False when a signal with the same `dedup_key` was there already.

    Raises:
        InvalidInput: The payload is not JSON.
        RunFinished: The run has ended.
        InboxFull: Too many signals wait for the run.
        RoleMissing: The principal's roles do not allow it.
    """
    allow(platform, "runs send")
    try:
        canonical_json(signal.payload)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"the payload is not JSON: {error}") from error
    run = reached_run(platform, signal.run_id)
    by = signal.by if platform.principal is None else platform.principal.user
    return platform.waits.send(
        Signal(
            run_id=run.id,
            name=signal.name,
            payload=signal.payload,
            by=by,
            dedup_key=signal.dedup_key,
            tenant=signal.tenant,
        )
    )


def read_stream(
    platform: Platform, run_id: str, name: str = "default", *, offset: int = 0
) -> Iterator[tuple[int, Json]]:
    """Yield a stream's items with their offsets, as they come, until its run has ended.

    A reader that was cut off goes on behind the last offset that it saw.

    Args:
        platform: The open platform.
        run_id: The run; its id or a prefix.
        name: The stream.
        offset: The first item to yield.

    Raises:
        RoleMissing: The principal's roles do not allow it.
    """
    allow(platform, "runs stream")
    run = reached_run(platform, run_id)
    while True:
        # Looked at before the items are read: what an ended run wrote is all there.
        ended = platform.runs.get(run.id).state in FINAL_STATES
        items = platform.streams.read(run.id, name, offset, _ITEMS)
        for item in items:
            yield offset, item
            offset += 1
        if ended and len(items) < _ITEMS:
            return
        if not items:
            time.sleep(_POLL_S)


def show_approval(platform: Platform, approval_id: str) -> ApprovalRecord:
    """Return what a person is asked to agree to.

    Args:
        platform: The open platform.
        approval_id: The approval; its id or a prefix.

    Raises:
        UnknownApproval: There is none, or it is another tenant's.
    """
    allow(platform, "approvals show")
    found = platform.approvals.get(approval_id)
    if reach(platform) not in (None, found.tenant):
        raise UnknownApproval(f"no approval has the id {approval_id!r}", approval=approval_id)
    return found


def answer_approval(
    platform: Platform, approval_id: str, approved: bool, order: Order
) -> ApprovalRecord:
    """Say yes or no to a call; its run goes on in the same transaction.

    Args:
        platform: The open platform.
        approval_id: The approval; its id or a prefix.
        approved: The answer.
        order: Who answers, and what they say; a no needs words.

    Raises:
        ReasonMissing: A no without a reason.
        UnknownApproval: There is no such approval.
        ApprovalClosed: It was answered, has expired, or its run has ended.
        RoleMissing: The principal is no approver, has not the role that the rule asks, or is of
            another tenant and no admin.
        FourEyes: The principal started the run, and `identity.four_eyes` is set.
    """
    order = ordered(platform, "approvals approve" if approved else "approvals deny", order)
    if not approved and not order.reason.strip():
        raise ReasonMissing("to deny a call needs a reason: the run carries it")
    four_eyes = platform.settings.identity.four_eyes
    if platform.principal is not None or four_eyes:
        asked = platform.approvals.get(approval_id)
        run = platform.runs.get(asked.run_id)
        permit_role(platform.principal, asked.role, what=f"approval {asked.id}")
        permit_answer(
            platform.principal,
            asker=run.principal,
            starters=_starters(platform, run) if four_eyes else (),
            # Whoever started a run may always say no.
            four_eyes=four_eyes and approved,
        )
    return platform.approvals.answer(approval_id, approved, order)


def _starters(platform: Platform, run: RunRecord) -> tuple[str, ...]:
    """Who started a run, or the oldest of its family, by forking or retrying another one."""
    chains = {f"run:{one}" for one in (run.id, run.root_id) if one}
    return tuple(
        str(event.data["by"])
        for chain in chains
        for event in platform.events.list(chain=chain, limit=_EVENTS_MAX)
        if event.type == "run.forked"
    )


def resolve_effect(
    platform: Platform, key: str, happened: bool, order: Order, *, result: Json = None
) -> EffectRecord:
    """Say whether an unknown effect happened; the run that waits for it goes on.

    Args:
        platform: The open platform.
        key: The effect; its key or a prefix.
        happened: Whether it happened.
        order: Who found out, and how.
        result: What the tool would have returned; only when it happened.

    Raises:
        ReasonMissing: It is not said how it was found out.
        UnknownEffectKey: There is no such effect.
        EffectSettled: It is not unknown.
        RoleMissing: The principal's roles do not allow it.
    """
    order = ordered(platform, "effects resolve", order)
    if not order.reason.strip():
        raise ReasonMissing("say how it was found out whether the effect happened")
    key = _reached_effect(platform, key)
    return platform.effects.resolve(key, happened, result, order)


def _reached_effect(platform: Platform, key: str) -> str:
    """The whole key of an effect of the principal's tenant; any key for whoever sees all."""
    tenant = reach(platform)
    if tenant is None:
        return key
    known = platform.effects.list(state="unknown", tenant=tenant, limit=SELECTED_MAX)
    found = [one.key for one in known if key and one.key.startswith(key)]
    if key not in found and len(found) != 1:
        raise UnknownEffectKey(f"no unknown effect of tenant {tenant} has the key {key!r}")
    return key if key in found else found[0]
