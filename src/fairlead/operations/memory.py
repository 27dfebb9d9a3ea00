"""What an operator may see of memory: search it, look at an item, its history, and the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fairlead.bootstrap import Platform
from fairlead.core.errors import InvalidInput, MemoryAppUnknown, MemoryMissing, UnknownRelease
from fairlead.core.memory import (
    QUERY_CHARS_MAX,
    SUBJECT_CHARS_MAX,
    Item,
    MemoryQuery,
    Reader,
    Recalled,
)
from fairlead.core.memory_bounds import Items, within_bytes
from fairlead.core.memory_terms import MemoryTerms
from fairlead.core.release import Manifest
from fairlead.memory.memories import Memories
from fairlead.memory.notes import text_finding
from fairlead.operations.identity import allow, chosen_tenant
from fairlead.ports.documents import Hit, Query
from fairlead.ports.memory import MemoryStats, Roots

SHOWN_MAX = 100
"""Most items of a history that are shown with an item."""


@dataclass(frozen=True, kw_only=True)
class MemoryFound:
    """What answers a question.

    Attributes:
        items: Items of memory, best first.
        passages: Passages of the tenant's collections, best first.
    """

    items: tuple[Recalled, ...]
    passages: tuple[Hit, ...]


@dataclass(frozen=True, kw_only=True)
class MemoryItem:
    """An item with what surrounds it.

    Attributes:
        item: The item.
        derived: Ids of what was made out of it, and out of that.
        readers: Ids of the runs that got it.
        history: What was said of its subject and predicate, oldest record first; empty for an
            item without a predicate.
    """

    item: Item
    derived: tuple[str, ...]
    readers: tuple[str, ...]
    history: tuple[Item, ...]


def memories_of(platform: Platform) -> Memories:
    """Return memory under the terms of the active release; the usual ones without a release."""
    manifest = _current(platform)
    access = platform.memory_access
    return Memories(
        store=access.store,
        terms=MemoryTerms() if manifest is None else manifest.memory,
        embedder=access.embedder,
    )


def operator_of_memory(platform: Platform, tenant: str | None) -> Reader:
    """Return an operator as a reader: every audience of one tenant, in the active release's app.

    Args:
        platform: The open platform.
        tenant: Whose memory; None for the principal's own, or the default.

    Raises:
        InvalidInput: Another tenant than a verified principal's was named, by no admin.
        MemoryAppUnknown: No release is active, and the configuration names no app.
    """
    chosen = chosen_tenant(platform, tenant)
    refuse_text("the tenant's name", chosen, SUBJECT_CHARS_MAX)
    manifest = _current(platform)
    if manifest is not None:
        return Reader(tenant=chosen, app=manifest.app)
    table = platform.settings.config.get("app")
    name = table.get("name") if isinstance(table, dict) else None
    if not isinstance(name, str) or not name:
        raise MemoryAppUnknown("no release is active, and fairlead.toml names no app")
    return Reader(tenant=chosen, app=name)


def refuse_text(what: str, text: str, most: int) -> None:
    """Refuse a text that no item could hold, before a database is asked for it.

    Raises:
        InvalidInput: It is too long, holds control characters, or is no sound Unicode.
    """
    found = text_finding(text, most)
    if found is not None:
        raise InvalidInput(f"{what} {found}")


def known_items(platform: Platform, reader: Reader, ids: Sequence[str]) -> Sequence[Item]:
    """Return items by their ids.

    Raises:
        MemoryMissing: One of them is not there, or is another tenant's.
    """
    for one in ids:
        refuse_text("an id", one, SUBJECT_CHARS_MAX)
    found = platform.memory.get(reader, ids)
    missing = sorted(set(ids) - {item.id for item in found})
    if missing:
        raise MemoryMissing(
            f"there is no item {missing[0]} in tenant {reader.tenant}", item=missing[0]
        )
    return found


def search_memory(
    platform: Platform, query: MemoryQuery, *, tenant: str | None = None
) -> MemoryFound:
    """Return what answers a question, for any user of a tenant, and from its documents.

    Documents are looked through when nothing but a question is asked: they have no subject, no
    kind and no earlier state.

    Args:
        platform: The open platform.
        query: The question; its characters beyond 10,000 are not looked at.
        tenant: Whose memory; None for the principal's own, or the default.

    Raises:
        MemoryInvalid: It asks for too much.
        MemorySchemaOutOfRange: Memory was written by a version that the release does not read.
    """
    allow(platform, "memory search")
    reader = operator_of_memory(platform, tenant)
    refuse_text("the subject", query.subject or "", SUBJECT_CHARS_MAX)
    # What no text can hold finds nothing, and is not handed to a database.
    asked = "".join(one if one.isprintable() else " " for one in query.text[:QUERY_CHARS_MAX])
    query = replace(query, text=asked)
    memories = memories_of(platform)
    items = memories.recall(reader, memories.asked(query))
    plain = MemoryQuery(text=query.text, kinds=query.kinds, top_k=query.top_k)
    if replace(query, min_score=0.0, retired=False) != plain:
        return MemoryFound(items=items, passages=())
    store = platform.documents
    wanted = Query(
        text=query.text,
        tenant=reader.tenant,
        collections=tuple(store.collections(reader.tenant)),
        top_k=query.top_k,
        min_score=query.min_score,
    )
    return MemoryFound(items=items, passages=tuple(store.search(wanted)))


def show_memory(platform: Platform, id: str, *, tenant: str | None = None) -> MemoryItem:
    """Return an item with what it was made of, what was made of it, and who got it.

    Args:
        platform: The open platform.
        id: The item.
        tenant: Whose memory; None for the principal's own, or the default.

    Raises:
        MemoryMissing: The tenant has no such item.
    """
    allow(platform, "memory show")
    reader = operator_of_memory(platform, tenant)
    (item,) = known_items(platform, reader, [id])
    roots, store = Roots(ids=(id,)), platform.memory
    history: Sequence[Item] = ()
    if item.predicate:
        history = store.history(reader, item.subject, item.predicate)
    return MemoryItem(
        item=item,
        derived=tuple(one for one in store.reach(reader, roots).items if one != id),
        readers=store.reach(reader, roots, derived=False).readers,
        history=tuple(one for one in history if one.audience == item.audience)[-SHOWN_MAX:],
    )


def memory_history(
    platform: Platform,
    subject: str,
    predicate: str = "",
    *,
    known_at: float | None = None,
    tenant: str | None = None,
) -> Items:
    """Return what was said of a subject, oldest record first; the newest, when it is much.

    Args:
        platform: The open platform.
        subject: The subject.
        predicate: The predicate; empty for all of them.
        known_at: Seconds since 1970: only what was current then; None for all versions.
        tenant: Whose memory; None for the principal's own, or the default.
    """
    allow(platform, "memory history")
    refuse_text("the subject", subject, SUBJECT_CHARS_MAX)
    refuse_text("the predicate", predicate, SUBJECT_CHARS_MAX)
    reader = operator_of_memory(platform, tenant)
    found = platform.memory.history(reader, subject, predicate, known_at=known_at)
    return within_bytes(found, newest=True)


def memory_stats(platform: Platform, *, tenant: str | None = None) -> MemoryStats:
    """Count what is kept of a tenant's memory.

    Args:
        platform: The open platform.
        tenant: Whose memory; None for the principal's own, or the default.
    """
    allow(platform, "memory stats")
    return platform.memory.stats(operator_of_memory(platform, tenant))


def _current(platform: Platform) -> Manifest | None:
    try:
        return platform.releases.current().manifest
    except UnknownRelease:
        return None
