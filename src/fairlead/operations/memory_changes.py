"""What an operator may do to memory: add, replace, quarantine, endorse and take back, each with its
event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fairlead.bootstrap import Platform
from fairlead.core.digests import Json, digest
from fairlead.core.errors import InvalidInput, MemoryInvalid, MemoryRefused, ReasonMissing
from fairlead.core.event import Fact
from fairlead.core.label import Label
from fairlead.core.memory import (
    EVERYONE,
    SUBJECT_CHARS_MAX,
    MemoryState,
    Note,
    Provenance,
    Reader,
    Written,
    readers_of,
)
from fairlead.core.memory_terms import admission_of
from fairlead.operations.identity import ordered
from fairlead.operations.memory import (
    known_items,
    memories_of,
    operator_of_memory,
    refuse_text,
)
from fairlead.ports.memory import Change, Reach, Roots
from fairlead.ports.runs import Order

IDS_MAX = 1_000
"""Most items that are named in one order."""

TOLD_MAX = 100
"""Most items and sources that an event names; it has a digest of all of them."""

ROUNDS_MAX = 10
"""How often a retraction looks again for what was derived while it worked."""

_UNDONE = ("retracted", "forgotten")


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What an order did to items.

    Attributes:
        items: Ids of the items that it is about.
        changed: Ids of those that it changed; the others were in that state, or not current.
    """

    items: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Retraction:
    """How far something reached, and what was taken back of it.

    Attributes:
        reach: The items, all that was made out of them, and the runs behind them.
        current: Number of items that stand, and are taken back.
        changed: Number of items that were taken back; 0 when it was only tried.
    """

    reach: Reach
    current: int
    changed: int


def add_memory(
    platform: Platform, note: Note, by: str, *, audience: str = EVERYONE, tenant: str | None = None
) -> Written:
    """Remember something that a person says: it is trusted, as the person's word.

    Args:
        platform: The open platform.
        note: What; its label and its provenance are set here.
        by: Who says it; a verified principal stands in its place.
        audience: Who may recall it: `*` for the tenant, or `user:NAME`.
        tenant: Whose memory; None for the principal's own, or the default.

    Raises:
        MemoryInvalid: It is empty, too long, or holds what cannot be kept.
        MemoryRefused: The rules of admission refuse it, or it was taken back or erased before.
    """
    by = ordered(platform, "memory add", Order(by=by, reason="")).by
    reader = operator_of_memory(platform, tenant)
    return _write(platform, reader, _said(note, reader, by, audience), "memory.added")


def supersede_memory(
    platform: Platform, id: str, text: str, by: str, *, tenant: str | None = None
) -> Written:
    """Replace an item by what a person says; its kind, subject, predicate and audience stay.

    Args:
        platform: The open platform.
        id: The item.
        text: What holds now.
        by: Who says it; a verified principal stands in its place.
        tenant: Whose memory; None for the principal's own, or the default.

    Raises:
        MemoryMissing: The tenant has no such item.
        MemoryInvalid: It is not current any more, or the text cannot be kept.
        MemoryRefused: The rules of admission refuse it, or it was taken back or erased before.
    """
    by = ordered(platform, "memory supersede", Order(by=by, reason="")).by
    reader = operator_of_memory(platform, tenant)
    (before,) = known_items(platform, reader, [id])
    if before.retired_at is not None:
        raise MemoryInvalid(f"item {id} is {before.state} already", item=id)
    note = Note(
        kind=before.kind,
        text=text,
        subject=before.subject,
        predicate=before.predicate,
        actor=before.actor,
        supersedes=id,
    )
    note = _said(note, reader, by, before.audience)
    # What a trial remembered is replaced in the trial.
    reader = replace(reader, overlay=before.overlay)
    return _write(platform, reader, note, "memory.superseded")


def quarantine_memory(
    platform: Platform, roots: Roots, order: Order, *, tenant: str | None = None
) -> Settled:
    """Let items, and all that was made out of them, only be quoted until somebody endorses them.

    Args:
        platform: The open platform.
        roots: Which items, by id, source or release.
        order: Who and why.
        tenant: Whose memory; None for the principal's own, or the default.

    Raises:
        MemoryMissing: The tenant has no such item.
        ReasonMissing: It is not said why.
    """
    order = _reasoned(ordered(platform, "memory quarantine", order))
    reader = operator_of_memory(platform, tenant)
    items = _reached(platform, reader, roots).items
    change = _change(reader, order, "memory.quarantined", items, more=_named(roots))
    return _settled(platform, reader, items, change, state="quarantined")


def promote_memory(
    platform: Platform, ids: Sequence[str], order: Order, *, tenant: str | None = None
) -> Settled:
    """Endorse items: from now on they are trusted, whoever they came from.

    What was made out of them stays as it is, and is endorsed by itself.

    Args:
        platform: The open platform.
        ids: The items.
        order: Who and why.
        tenant: Whose memory; None for the principal's own, or the default.

    Raises:
        MemoryMissing: The tenant has no such item.
        ReasonMissing: It is not said why.
    """
    order = _reasoned(ordered(platform, "memory promote", order))
    return _settle_named(platform, ids, "active", order, tenant=tenant)


def forget_memory(
    platform: Platform, ids: Sequence[str], order: Order, *, tenant: str | None = None
) -> Settled:
    """Take items back, so that the same is not remembered of their subjects again.

    They stay on record.

    Args:
        platform: The open platform.
        ids: The items.
        order: Who and why.
        tenant: Whose memory; None for the principal's own, or the default.

    Raises:
        MemoryMissing: The tenant has no such item.
        ReasonMissing: It is not said why.
    """
    order = _reasoned(ordered(platform, "memory forget", order))
    return _settle_named(platform, ids, "forgotten", order, tenant=tenant)


def retract_memory(
    platform: Platform,
    roots: Roots,
    order: Order,
    *,
    dry_run: bool = False,
    tenant: str | None = None,
) -> Retraction:
    """Take back what came from somewhere, with all that was made out of it.

    Args:
        platform: The open platform.
        roots: Which items, by source, id, or the digest of the release that wrote them.
        order: Who and why.
        dry_run: Change nothing, and return how far it reached.
        tenant: Whose memory; None for the principal's own, or the default.

    Raises:
        MemoryMissing: The tenant has no such item.
        UnknownRelease: There is no such release.
        ReasonMissing: It is not said why.
    """
    order = ordered(platform, "memory retract", order)
    reader = operator_of_memory(platform, tenant)
    if not dry_run:
        _reasoned(order)
    found = _reached(platform, reader, roots)
    if dry_run:
        items = platform.memory.get(reader, found.items)
        standing = sum(item.state not in _UNDONE for item in items)
        return Retraction(reach=found, current=standing, changed=0)
    changed, fresh = 0, found.items
    for _ in range(ROUNDS_MAX):
        change = _change(reader, order, "memory.retracted", fresh, more=_named(roots))
        changed += len(platform.memory.settle(reader, fresh, "retracted", change))
        # A run may have remembered something out of it meanwhile.
        before, found = set(found.items), _reached(platform, reader, roots)
        fresh = tuple(one for one in found.items if one not in before)
        if not fresh:
            break
    return Retraction(reach=found, current=changed, changed=changed)


def _settle_named(
    platform: Platform, ids: Sequence[str], state: MemoryState, order: Order, *, tenant: str | None
) -> Settled:
    reader = operator_of_memory(platform, tenant)
    _bounded(ids)
    items = known_items(platform, reader, ids)
    kind = "memory.endorsed" if state == "active" else "memory.forgotten"
    sources = sorted({item.provenance.source for item in items})[:TOLD_MAX]
    named = [item.id for item in items]
    change = _change(reader, order, kind, named, more={"sources": sources})
    return _settled(platform, reader, named, change, state=state)


def _settled(
    platform: Platform, reader: Reader, ids: Sequence[str], change: Change, *, state: MemoryState
) -> Settled:
    changed = platform.memory.settle(reader, ids, state, change)
    return Settled(items=tuple(ids), changed=tuple(changed))


def _change(
    reader: Reader, order: Order, kind: str, ids: Sequence[str], *, more: dict[str, Json]
) -> Change:
    said = {
        **order.fact(),
        **more,
        "count": len(ids),
        "items": list(ids[:TOLD_MAX]),
        "digest": digest(sorted(ids)),
    }
    fact = Fact(chain=f"memory:{reader.tenant}", type=kind, data=said)
    return Change(by=order.by, reason=order.reason, fact=fact)


def _reached(platform: Platform, reader: Reader, roots: Roots) -> Reach:
    if not (roots.source or roots.ids or roots.release):
        raise InvalidInput("name what it is about: ids, a source or a release")
    _bounded(roots.ids)
    refuse_text("the source", roots.source, SUBJECT_CHARS_MAX)
    known_items(platform, reader, roots.ids)
    if roots.release:
        roots = replace(roots, release=platform.release_store.get(roots.release).digest)
    return platform.memory.reach(reader, roots)


def _named(roots: Roots) -> dict[str, Json]:
    """Return what an event says of where items come from."""
    said = {"source": roots.source, "release": roots.release, "ids": list(roots.ids[:TOLD_MAX])}
    return {name: value for name, value in said.items() if value}


def _said(note: Note, reader: Reader, by: str, audience: str) -> Note:
    """Return a note as a person's word."""
    if note.kind == "working" or audience.startswith("run:"):
        raise MemoryInvalid("working memory is a run's own; nobody else writes it")
    origin = f"user:{by}"
    label = Label(readers=readers_of(audience, reader.tenant), origins=(origin,))
    return replace(note, label=label, provenance=Provenance(by=origin, source=origin))


def _write(platform: Platform, reader: Reader, note: Note, kind: str) -> Written:
    memories = memories_of(platform)
    admission = admission_of(memories.terms.admit, note.label, note.kind)
    if admission.admit == "refused":
        raise MemoryRefused(f"it was not remembered: {admission.reason}")
    note = replace(note, label=admission.label, state=admission.admit)
    made = note.provenance
    said: dict[str, Json] = {"by": made.by.removeprefix("user:"), "source": made.source}
    if note.supersedes:
        said["replaced"] = note.supersedes
    fact = Fact(chain=f"memory:{reader.tenant}", type=kind, data=said)
    (written,) = memories.remember(reader, [note], fact)
    if written.refused:
        raise MemoryRefused("it was not remembered: it was taken back or erased before")
    return written


def _reasoned(order: Order) -> Order:
    if not order.reason.strip():
        raise ReasonMissing("say why, in words: it is kept in the event log")
    return order


def _bounded(ids: Sequence[str]) -> None:
    if len(ids) > IDS_MAX:
        raise InvalidInput(f"{len(ids)} items are named; {IDS_MAX} are the most at once")
