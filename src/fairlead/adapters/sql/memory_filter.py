"""What a reader may recall at a time, as one condition that stands before any ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.adapters.sql.any_of import listed
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
        parts.append("m.subject = :subject")
        tags.append([subject_of(query.subject)])
    # How something is done is never taken from what nobody promoted.
    if not query.quarantined:
        parts.append("m.state <> 'quarantined'")
    elif not query.retired:
        parts.append(_TRUSTED_WAYS)
    parts += _times(query, values) + _trial(reader, values)
    return Filter(
        sql=" AND ".join(parts),
        house=" AND ".join(house),
        values=values,
        tags=tags,
        narrow=query.subject is not None,
    )


_TRUSTED_WAYS = "(m.kind <> 'procedural' OR m.state <> 'quarantined')"


def _times(query: MemoryQuery, values: dict[str, Any]) -> list[str]:
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
        values["until"] = values["now"] if query.known_at is None else query.known_at
        return [*parts, known, "(m.valid_to IS NULL OR m.valid_to > :until)"]
    values["valid_at"] = query.valid_at
    # What was replaced held until its end; what was taken back never did. An end that became
    # known later than `known_at` was none then.
    ended = "m.valid_to IS NULL OR m.valid_to > :valid_at"
    if query.known_at is not None:
        ended += " OR m.retired_at > :known_at"
    return [
        *parts,
        f"({known} OR m.state = 'superseded')",
        "m.valid_from <= :valid_at",
        f"({ended})",
    ]


def _trial(reader: Reader, values: dict[str, Any]) -> list[str]:
    """Return what hides a trial from everybody else, and from it what it replaced."""
    if not reader.overlay:
        # An operator looks at what everybody knows; what is on trial is listed apart.
        return ["m.overlay = ''"]
    values["overlay"] = reader.overlay
    replaced = (
        "SELECT 1 FROM memories o WHERE o.overlay = :overlay AND o.supersedes = m.id "
        "AND o.retired_at IS NULL AND o.state <> 'quarantined'"
    )
    return [f"(m.overlay = :overlay OR m.overlay = '' AND NOT EXISTS ({replaced}))"]
