"""What a run's code says of something to remember or recall, held against what can be said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args, get_type_hints

from fairlead.authoring.memory import Details, Wanted
from fairlead.core.digests import Json
from fairlead.core.errors import MemoryInvalid
from fairlead.core.label import Label
from fairlead.core.memory import QUARANTINED, Item

_DETAILS = frozenset(get_type_hints(Details))
_WANTED = frozenset(get_type_hints(Wanted))
_NOT_OF_DOCUMENTS = ("subject", "as_of", "valid_at")
_READERS: tuple[str, ...] = get_args(get_type_hints(Details)["readers"])

_OUTSIDE = ("tool:", "retrieval:", "signal:", "unlabelled", "others", "child:", "model:")
"""How the origins begin that an item is first of all from, the most suspicious ones first."""


def check_details(details: Mapping[str, Any]) -> None:
    """Refuse what nobody reads: a misspelt `readers` would show everybody what is one user's.

    Raises:
        MemoryInvalid: A name is unknown, or readers are neither `tenant` nor `user`.
    """
    _known(details, _DETAILS, "remember")
    readers = details.get("readers", "tenant")
    if readers not in _READERS:
        raise MemoryInvalid(f"readers are tenant or user, not {readers!r}")


def check_wanted(wanted: Mapping[str, Any]) -> None:
    """Refuse what nobody reads.

    Raises:
        MemoryInvalid: A name is unknown, or documents are asked for what they have not.
    """
    _known(wanted, _WANTED, "recall")
    narrowed = [name for name in _NOT_OF_DOCUMENTS if wanted.get(name) is not None]
    if wanted.get("documents") and narrowed:
        raise MemoryInvalid(f"documents have no subject and no times: recall has {narrowed[0]} too")


def _known(given: Mapping[str, Any], names: frozenset[str], what: str) -> None:
    unknown = sorted(set(given) - names)
    if unknown:
        there = ", ".join(sorted(names))
        raise MemoryInvalid(f"{what} has no argument {unknown[0]!r}; there are: {there}")


def said_of(text: str, details: Mapping[str, Any]) -> list[Json]:
    """Return what of an item somebody outside may have chosen: it is trusted as far as all of it.

    A predicate says which item is replaced, and an actor whose word it is.
    """
    named = [details.get(name) for name in ("value", "subject", "predicate", "actor")]
    return [one for one in (text, *named) if one not in (None, "")]


def label_of(item: Item) -> Label:
    """Return an item's label as others rest on it: what is quarantined is not trusted.

    Where its own label is, somebody decided otherwise: no rule of admission overrules that.
    """
    if not item.quoted or item.label.integrity == "untrusted":
        return item.label
    return item.label.join(Label(integrity="untrusted", origins=(QUARANTINED,)))


def source_of(label: Label) -> str:
    """Return the origin that an item is first of all from."""
    for beginning in _OUTSIDE:
        for origin in label.origins:
            if origin.startswith(beginning):
                return origin
    users = [origin for origin in label.origins if origin.startswith("user:")]
    return (users or list(label.origins) or [""])[0]


def seconds_of(at: datetime | None) -> float | None:
    """Return a time in seconds since 1970.

    Raises:
        MemoryInvalid: It has no zone, so that nobody knows when it is.
    """
    if at is None:
        return None
    if at.tzinfo is None:
        raise MemoryInvalid(f"the time {at} has no zone")
    return at.timestamp()


def plain(values: Mapping[str, Any]) -> dict[str, Json]:
    """Return arguments as JSON: times in seconds, and nothing of what nobody said."""
    found: dict[str, Json] = {}
    for name, value in values.items():
        if value in (None, "") or name in ("vector", "embedder", "retired"):
            continue
        if isinstance(value, datetime):
            value = seconds_of(value)
        elif hasattr(value, "total_seconds"):
            value = value.total_seconds()
        elif isinstance(value, tuple):
            value = list(value)
        found[name] = value
    return found
