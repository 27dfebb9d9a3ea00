"""What a reader may recall at a time, as one condition that stands before any ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.adapters.sql.listed import listed
from fairlead.adapters.sql.memory_rows import house_of, kind_of, scope_of, subject_of
from fairlead.core.memory import MemoryQuery, Reader


@dataclass(frozen=True, kw_only=True)
class Filter:
    """A condition on `memories`, named `m`.

    Attributes:
        sql: The condition.
        values: Its parameters.
        house: The part of it that says whose items they are; `memory_scopes` can answer it.
        tags: Words of which an item has one of each list: the same, for a full-text index.
        narrow: Whether few items are likely to pass.
    """

    sql: str
    house: str
    values: Mapping[str, Any]
    tags: Sequence[Sequence[str]]
    narrow: bool = False


def filter_of(reader: Reader, query: MemoryQuery, now: float) -> Filter:
    """Return what a reader may recall for a question.

    Args:
        reader: Who asks.
        query: What is asked for.
        now: Seconds since 1970.
    """
    values: dict[str, Any] = {"tenant": reader.tenant, "app": reader.app, "now": now}
    house = ["m.tenant = :tenant", "m.app = :app"]
    tags: list[list[str]] = []
    audiences = reader.audiences
    if audiences is None:
        tags.append([house_of(reader.tenant, reader.app)])
    else:
        house.append(f"m.audience IN {listed('audience', audiences, values)}")
        tags.append([scope_of(reader.tenant, reader.app, one) for one in audiences])
    parts = [*house, "m.expires_at > :now", f"m.kind IN {listed('kind', query.kinds, values)}"]
    tags.append([kind_of(one) for one in query.kinds])
    if query.subject is not None:
        values["subject"] = query.subject
        # What is said twice lets an index be used that leaves the empty ones out.
        parts.append("m.subject = :subject" + (" AND m.subject <> ''" if query.subject else ""))
        tags.append([subject_of(query.subject)])
    # How something is done is never taken from what nobody promoted.
    if not query.quarantined:
        parts.append(_BELIEVED)
    elif not query.retired:
        parts.append(f"(m.kind <> 'procedural' OR {_BELIEVED})")
    parts += _times(query, values) + _trial(reader, query, values)
    return Filter(
        sql=" AND ".join(parts),
        house=" AND ".join(house),
        values=values,
        tags=tags,
        narrow=query.subject is not None,
    )


# What was only quoted until it was replaced has no time in which it held; see `replaced`.
_BELIEVED = "(m.state <> 'quarantined' AND (m.state <> 'superseded' OR m.valid_to > m.valid_from))"


def _times(query: MemoryQuery, values: dict[str, Any]) -> list[str]:
    values["until"] = values["now"] if query.known_at is None else query.known_at
    if query.retired:
        return []
    parts = []
    if query.known_at is None:
        known = "m.retired_at IS NULL"
    else:
        values["known_at"] = query.known_at
        parts.append("m.recorded_at <= :known_at")
        known = "(m.retired_at IS NULL OR m.retired_at > :known_at)"
    if query.valid_at is None:
        return [*parts, known, _BEGUN, _not_ended("until", query)]
    values["valid_at"] = query.valid_at
    # What was replaced held until its end; what was taken back never did.
    return [
        *parts,
        f"({known} OR m.state = 'superseded' AND NOT EXISTS ({_begun_later(query)}))",
        "m.valid_from <= :valid_at",
        _not_ended("valid_at", query),
    ]


# What takes the place of something else is not so before it begins. What began with its own record
# has, however the clocks of two machines differ.
_BEGUN = (
    "(m.valid_from <= :until OR m.valid_from <= m.recorded_at "
    "OR m.slot IS NULL AND m.supersedes = '')"
)


def _begun_later(query: MemoryQuery) -> str:
    """Return the selection of what took an item's place before the time that is asked for.

    What tells of an earlier time may be recorded last: then the item that was replaced on record
    by a third one still has the third one's beginning for its end.
    """
    known = "" if query.known_at is None else "AND l.recorded_at <= :known_at "
    return (
        "SELECT 1 FROM memories l WHERE l.slot = m.slot AND l.overlay = m.overlay "
        "AND l.state IN ('active', 'superseded') "
        f"AND (l.valid_to IS NULL OR l.valid_to > l.valid_from) {known}"
        "AND l.valid_from <= :valid_at AND (l.valid_from > m.valid_from "
        "OR l.valid_from = m.valid_from AND l.number > m.number)"
    )


def _not_ended(at: str, query: MemoryQuery) -> str:
    """Return that an item has not ended at a time.

    An end that a later replacement brought counts for nothing, as far as one can tell: of an item
    that has ended by itself before it was replaced, the own end is not kept apart.
    """
    going_on = f"m.valid_to IS NULL OR m.valid_to > :{at}"
    if query.known_at is not None:
        going_on += (
            " OR (m.state = 'superseded' AND m.retired_at > :known_at "
            f"OR EXISTS ({_SAID_LATER})) AND NOT EXISTS ({_SAID_BEFORE.format(at=at)})"
        )
    return f"({going_on})"


_OF_SLOT = (
    "SELECT 1 FROM memories s WHERE s.slot = m.slot AND s.overlay = m.overlay "
    "AND s.state IN ('active', 'superseded') AND s.valid_from > s.recorded_at AND "
)
# What was to begin later ended an item that is current still: not as of before that was said.
_SAID_LATER = f"{_OF_SLOT}s.valid_from = m.valid_to AND s.recorded_at > :known_at"
_SAID_BEFORE = (
    f"{_OF_SLOT}s.valid_from > m.valid_from AND s.valid_from <= :{{at}} "
    "AND s.recorded_at <= :known_at AND (s.retired_at IS NULL OR s.retired_at > :known_at)"
)


def _trial(reader: Reader, query: MemoryQuery, values: dict[str, Any]) -> list[str]:
    """Return what hides a trial from everybody else, and from it what it replaced."""
    if not reader.overlay:
        # An operator looks at what everybody knows; what is on trial is listed apart.
        return ["m.overlay = ''"]
    values["overlay"] = reader.overlay
    at = "until" if query.valid_at is None or query.retired else "valid_at"
    instead = instead_on_trial("m", past=query.known_at is not None, at=at)
    return [f"(m.overlay = :overlay OR m.overlay = '' AND NOT EXISTS ({instead}))"]


def instead_on_trial(item: str, *, past: bool = False, at: str = "now") -> str:
    """Return the selection of what a trial, `:overlay`, knows instead of an item.

    Args:
        item: How the item's table is named.
        past: Whether it is about what was known at `:known_at`.
        at: The parameter by which what was to begin later has begun.
    """
    # What took its place there may have been replaced itself: then the newest stands for both.
    named, held, recorded = "o.state IN ('active', 'superseded')", "o.state = 'active'", ""
    if past:
        recorded = "AND o.recorded_at <= :known_at AND o.state <> 'quarantined' "
        named += " OR o.retired_at > :known_at"
        held = "(o.retired_at IS NULL OR o.retired_at > :known_at)"
    return (
        f"SELECT 1 FROM memories o WHERE o.overlay = :overlay AND o.overlay <> '' {recorded}AND "
        f"(o.valid_from <= o.recorded_at OR o.valid_from <= :{at}) AND "
        f"(o.supersedes = {item}.id AND ({named}) OR o.slot = {item}.slot AND {held})"
    )
