"""The rules of memory as plain functions on items, for the store in a dict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from fairlead.core.event import Fact
from fairlead.core.likeness import likeness
from fairlead.core.memory import (
    CURRENT,
    RETENTION_S,
    Item,
    MemoryQuery,
    Note,
    Reader,
    audience_of,
)
from fairlead.core.memory_times import waits
from fairlead.core.text import stem, tokens
from fairlead.ports.memory import Candidate, Change, MemoryStats, Roots


def item_of(writer: Reader, note: Note, now: float, schema: int) -> Item:
    """Return a note as a new item; its id is still to be set."""
    audience = audience_of(note.label, writer.tenant)
    if note.kind == "working" and audience != "-":
        audience = f"run:{writer.run_root}"
    return Item(
        kind=note.kind,
        text=note.text,
        subject=note.subject,
        predicate=note.predicate,
        value=note.value,
        label=note.label,
        state=note.state,
        provenance=note.provenance,
        valid_to=note.valid_to,
        actor=note.actor,
        thread=note.thread,
        place=note.place,
        id="",
        tenant=writer.tenant,
        app=writer.app,
        audience=audience,
        valid_from=now if note.valid_from is None else note.valid_from,
        recorded_at=now,
        retired_at=None,
        expires_at=now + RETENTION_S[note.kind] if note.expires_at is None else note.expires_at,
        supersedes="",
        schema=schema,
        overlay=writer.overlay,
    )


def believed(item: Item) -> bool:
    """Say whether an item is current and trusted."""
    return item.label.integrity == "trusted" and item.state == "active"


def alike(item: Item) -> tuple[str | int, ...]:
    """Return what two items of an audience share that say the same."""
    at = (item.thread, item.place) if item.kind == "episodic" and item.thread else ()
    return (item.kind, item.subject, item.predicate, *at, likeness(item.text))


def overlap(one: Item, other: Item) -> bool:
    """Say whether two items are so at the same time."""
    begins = other.valid_to is None or one.valid_from < other.valid_to
    return begins and (one.valid_to is None or other.valid_from < one.valid_to)


def slot_of(item: Item) -> tuple[str, str, str]:
    """Return the place that one current item has, when it has a predicate."""
    return item.audience, item.subject, item.predicate


def held_by(writer: Reader, item: Item, beside: Sequence[Item]) -> Item | None:
    """Return the current item of a new one's slot: a trusted one before others."""
    found = [one for one in beside if item.predicate and slot_of(one) == slot_of(item)]
    found = [one for one in found if believed(one)] or found
    order = sorted(found, key=lambda one: (one.overlay == writer.overlay, one.valid_from))
    return order[-1] if order else None


def _spoken(item: Item) -> str:
    plain = isinstance(item.value, str | int | float) and not isinstance(item.value, bool)
    return likeness(str(item.value)) if plain else ""


def stones(reader: Reader, item: Item) -> Iterator[tuple[str, ...]]:
    """Yield what may not be remembered again once an item was taken back."""
    of, said = (reader.tenant, reader.app, reader.overlay, item.subject), _spoken(item)
    yield (*of, likeness(item.text))
    if said:
        yield (*of, said)
        yield (*of, item.predicate, said)


def refusals(writer: Reader, item: Item) -> Iterator[tuple[str, ...]]:
    """Yield the tombstones that refuse an item."""
    said = _spoken(item)
    for trial in {"", writer.overlay}:
        of = (writer.tenant, writer.app, trial, item.subject)
        yield (*of, likeness(item.text))
        if said and item.predicate:
            yield (*of, item.predicate, said)


def stems_of(item: Item) -> set[str]:
    """Return the stems of the words by which an item is found."""
    return {stem(word) for word in tokens(f"{item.actor} {item.subject} {item.text}")}


def candidate_of(item: Item, similarity: float | None) -> Candidate:
    """Return an item as the ranking sees it."""
    return Candidate(
        id=item.id,
        text=item.text,
        actor=item.actor,
        at=item.valid_from,
        thread=item.thread,
        place=item.place,
        title=item.subject,
        similarity=similarity,
    )


def answers(query: MemoryQuery, one: Item, now: float, record: Iterable[Item] = ()) -> bool:
    """Say whether an item is of the kind, the subject, the state and the times of a question.

    Args:
        query: What is asked.
        one: The item.
        now: Seconds since 1970.
        record: All items of its app, in the order of their writes.
    """
    known = query.known_at
    if one.kind not in query.kinds or one.expires_at <= now:
        return False
    if query.subject is not None and one.subject != query.subject:
        return False
    if not query.quarantined and not _was_believed(one):
        return False
    if one.kind == "procedural" and not query.retired and not _was_believed(one):
        return False
    if query.retired:
        return True
    at = now if known is None else known
    if known is not None and one.recorded_at > known:
        return False
    current = one.retired_at is None or (known is not None and one.retired_at > known)
    if query.valid_at is not None:
        if one.valid_from > query.valid_at:
            return False
        current = current or (one.state == "superseded" and not _replaced(query, one, record))
        at = query.valid_at
    elif waits(one.valid_from, one.recorded_at, at) and (one.predicate or one.supersedes):
        return False
    ended = one.valid_to is not None and one.valid_to <= at
    return current and (not ended or (known is not None and _went_on(one, known, at, record)))


def _went_on(one: Item, known: float, at: float, record: Iterable[Item]) -> bool:
    """Say whether, as far as was known at a time, an item had not ended by another one."""
    beside = [
        other
        for other in record
        if one.predicate
        and (slot_of(other), other.overlay) == (slot_of(one), one.overlay)
        and other.state in ("active", "superseded")
        and other.valid_from > other.recorded_at
    ]
    later = one.state == "superseded" and (one.retired_at or 0.0) > known
    later = later or any(x.valid_from == one.valid_to and x.recorded_at > known for x in beside)
    return later and not any(
        one.valid_from < x.valid_from <= at
        and x.recorded_at <= known
        and (x.retired_at is None or x.retired_at > known)
        for x in beside
    )


def was_current(item: Item, known_at: float | None) -> bool:
    """Say whether an item was recorded and current at a time; of no time, it was."""
    if known_at is None:
        return True
    later = item.retired_at is None or item.retired_at > known_at
    return item.recorded_at <= known_at and later


def _replaced(query: MemoryQuery, one: Item, record: Iterable[Item]) -> bool:
    """Say whether something took an item's place before the valid time that is asked for."""
    known, at, behind = query.known_at, query.valid_at or 0.0, False
    for other in record:
        behind = behind or other.id == one.id
        same = one.predicate and (slot_of(other), other.overlay) == (slot_of(one), one.overlay)
        held = other.state in ("active", "superseded") and _was_believed(other)
        recorded = known is None or other.recorded_at <= known
        later = other.valid_from > one.valid_from or (
            other.valid_from == one.valid_from and behind and other.id != one.id
        )
        if same and held and recorded and later and other.valid_from <= at:
            return True
    return False


def _was_believed(one: Item) -> bool:
    """Say whether an item is more than quoted; what was replaced while it was has no time."""
    if one.state == "superseded":
        return one.held
    return one.state != "quarantined"


def comes_from(item: Item, roots: Roots) -> bool:
    """Say whether an item comes from one of these."""
    origins = (item.provenance.source, *item.label.origins)
    return (
        item.id in roots.ids
        or bool(roots.source and roots.source in origins)
        or bool(roots.release and item.provenance.release == roots.release)
    )


def stats_of(items: Sequence[Item], now: float) -> MemoryStats:
    """Count items."""
    current = [one for one in items if one.state in CURRENT]
    return MemoryStats(
        items=Counter((one.kind, one.state) for one in items),
        sources=Counter(one.provenance.source for one in current),
        quarantined=Counter(one.provenance.source for one in items if one.state == "quarantined"),
        embedders=Counter(one.embedder for one in current),
        overlays=Counter(one.overlay for one in items if one.overlay),
        expired=sum(one.expires_at <= now for one in items),
    )


def expired(change: Change, tenant: str, items: int) -> Fact:
    """Return the event of items of a tenant that are past their retention."""
    data = {"items": items, "by": change.by, "reason": change.reason}
    return Fact(chain=f"memory:{tenant}", type="memory.expired", data=data)
