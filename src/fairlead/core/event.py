"""Events: facts in an append-only log, chained by hashes.

Each chain belongs to one run or one control object, so concurrent runs do not queue for one
tail. An event's hash covers its content and the hash before it; changing, removing or moving an
event breaks the chain from there on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from fairlead.core.digests import Json, digest

GENESIS = "0" * 64
"""What the first event of each chain names as its predecessor."""

EVENT_TYPES: dict[str, str] = {
    "run.admitted": "A run was accepted and pinned to a release.",
    "run.started": "A worker began to execute a run.",
    "run.finished": "A run ended, in a final state.",
    "run.cancelled": "A run was cancelled, with who and why.",
    "run.paused": "A run was paused, with who and why.",
    "run.resumed": "A paused run was queued again, with who and why.",
    "run.forked": "A run was started from another one's record, with who and why.",
    "run.pruned": "A finished run's payloads and rows were removed; its events stay.",
    "run.taken_over": "A run was taken over from a worker that died.",
    "run.quarantined": "A run was in flight at too many worker deaths and was stopped.",
    "call.intended": "A call with an effect is about to be executed.",
    "effect.reconciled": "It was found out whether an unknown effect happened, with who and how.",
    "effect.compensated": "An effect was undone, because its run failed after it.",
    "approval.asked": "A person was asked whether a call may be made.",
    "approval.answered": "A person answered, and the run goes on.",
    "approval.expired": "Nobody answered in time.",
    "approval.consumed": "The one call that a person approved is about to be made.",
    "signal.sent": "A signal was sent to a run.",
    "call.finished": "A call was answered, denied or failed; with its decision and digests.",
    "model.changed": "A provider answered with another model id than the release names; with both.",
    "flag.evaluated": "A run asked for a flag; with variant, reason and the value's digest.",
    "checks.finished": "Guardrails gave their verdicts.",
    "policy.differs": "The policies that are only tried would have decided a call otherwise.",
    "baseline.published": "A version of the platform's baseline was stored.",
    "baseline.enforced": "New releases are made with this version of the platform's baseline.",
    "release.created": "A release was made; with where it comes from.",
    "release.amended": "A release got what it lacked: its archive, its origin, or its maker.",
    "gate.finished": "A gate came to a conclusion on a release; with the evidence's digest.",
    "drill.finished": "A rollback from a release was drilled; with what was measured.",
    "replay.finished": "Recorded runs were executed again on a release; with counts and digest.",
    "environment.changed": "Somebody set what an environment asks of releases; with who and why.",
    "release.activated": "New runs start on this release.",
    "release.rolled_back": "New runs start on the previous good release again.",
    "release.stranded": "Runs of a release wait for a worker of its code, and none lives.",
    "release.served": "A worker of a release's code is there again; no run of it is stranded.",
    "deployment.changed": "A release's state or share of new runs changed in an environment.",
    "rollout.started": "A release began to be rolled out; with how, who and beside which one.",
    "rollout.stepped": "A rollout took steps; with the share of new runs and the evidence.",
    "rollout.held": "A rollout takes no step: its environment does not allow it now; with why.",
    "rollout.paused": "A rollout waits for a person; with why.",
    "rollout.resumed": "A rollout goes on; with who and why, or that workers are there.",
    "rollout.promoted": "The release became the current one; a part stays behind for a while.",
    "rollout.rolled_back": "New runs start on the release before again; with the evidence.",
    "rollout.ended": "A rollout ended; after a rollback, with how long it took to be safe.",
    "rollout.evidence": "What a rollout's analysis knows by now.",
    "run.moved": "A run goes on as another one, on another release; with who and why.",
    "feedback.given": "Somebody said how good a run was, after its end.",
    "documents.ingested": "A collection was brought up to date.",
    "memory.added": "A person added to memory, or imported; with how many and who.",
    "memory.endorsed": "What came from outside became trusted memory, by a person or a rule.",
    "memory.quarantined": "A person put items into quarantine: they are only quoted.",
    "memory.superseded": "A person replaced an item by another one.",
    "memory.forgotten": "Items were taken back; the same is not remembered of the subject again.",
    "memory.retracted": "All that came from a source was taken back, with what it was made into.",
    "memory.embedded": "Items got vectors of another embedding model; with which and how many.",
    "memory.exported": "Items were written to a file, with its digest.",
    "memory.merged": "What a release remembered in its trial became everybody's.",
    "memory.dropped": "What a release remembered in its trial was removed.",
    "memory.expired": "Items past their retention were removed.",
    "memory.erasing": "An erasure began; with who, why and of what, without the values.",
    "memory.erased": "An erasure ended; its receipt says what went where, and what is left.",
    "memory.verified": "Somebody verified an erasure; with what was searched and what was found.",
    "breaker.opened": "A model or a tool failed too often; it is left alone for a while.",
    "breaker.closed": "A model or a tool answers again; it is asked as before.",
    "budget.exhausted": "A budget had not enough left for a call; the first time in its window.",
    "kill.pulled": "An operator stopped what the chain names; with who and why.",
    "kill.lifted": "What an operator had stopped may go on; with who and why.",
    "store.backed_up": "All of the store was copied into a file; with its digest.",
    "store.restored": "The store is what a backup held, with the changes that the event names.",
    "store.drilled": "A backup was restored into a scratch place, verified, and removed again.",
    "worker.started": "A worker began to take runs.",
    "worker.stopped": "A worker stopped cleanly.",
    "worker.returned": "A worker that counted as dead was only slow, and took its lease again.",
    "worker.stalled": "A worker's process lived and its runs did not get on; it gave its lease up.",
    "worker.died": "A worker's lease lapsed; its runs were queued again.",
}
"""Every event type with its meaning; appending another one is an error."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What happened, before it has a place in a chain.

    Attributes:
        chain: `run:<id>` or the control object's chain, such as `environment:default`.
        type: One of EVENT_TYPES.
        data: Digests and small facts; payloads live in blobs.
    """

    chain: str
    type: str
    data: dict[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.type not in EVENT_TYPES:
            raise ValueError(f"unknown event type {self.type!r}")


@dataclass(frozen=True, kw_only=True)
class Event:
    """A fact in its place.

    Attributes:
        chain: The chain it stands in.
        sequence: Position in the chain, from 1.
        id: Unique id.
        type: One of EVENT_TYPES.
        time: Seconds since 1970, UTC.
        data: Digests and small facts.
        previous: Hash of the event before it, or GENESIS.
        hash: Hash of this event.
    """

    chain: str
    sequence: int
    id: str
    type: str
    time: float
    data: dict[str, Json]
    previous: str
    hash: str


def seal(fact: Fact, *, sequence: int, id: str, time: float, previous: str) -> Event:
    """Give a fact its place in a chain.

    Args:
        fact: What happened.
        sequence: Position, one after the chain's tail.
        id: Unique id.
        time: Seconds since 1970, UTC.
        previous: The tail's hash, or GENESIS.
    """
    body = [fact.chain, sequence, id, fact.type, time, fact.data, previous]
    return Event(
        chain=fact.chain,
        sequence=sequence,
        id=id,
        type=fact.type,
        time=time,
        data=fact.data,
        previous=previous,
        hash=digest(body),
    )


def verify_chain(events: Iterable[Event]) -> str | None:
    """Check one chain from its first event.

    Args:
        events: The chain's events in order.

    Returns:
        What is wrong, at the first place where it is; None when the chain holds.
    """
    previous, expected = GENESIS, 1
    for event in events:
        if event.sequence != expected:
            return f"event {expected} of {event.chain} is missing"
        if event.previous != previous:
            return f"event {event.sequence} of {event.chain} does not follow the one before it"
        if event.type not in EVENT_TYPES:
            return f"event {event.sequence} of {event.chain} has the unknown type {event.type!r}"
        fact = Fact(chain=event.chain, type=event.type, data=event.data)
        sealed = seal(
            fact, sequence=event.sequence, id=event.id, time=event.time, previous=previous
        )
        if sealed.hash != event.hash:
            return f"event {event.sequence} of {event.chain} was changed"
        previous, expected = event.hash, expected + 1
    return None
