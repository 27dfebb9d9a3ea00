"""Labels: how far a value may be trusted, who may read it, and where it comes from.

A label is set from a contract or from a principal, never from content: a text that says of itself
that it is trusted changes nothing. Two labels join to one that allows no more than either of them,
so a value that rests on several others is no better than the worst of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fairlead.core.digests import Json
from fairlead.core.identity import Principal

Integrity: TypeAlias = Literal["trusted", "untrusted"]

ORIGINS_MAX = 64
"""Most origins that a label names; with more it names the first and that there are others."""

OTHERS = "others"
"""Stands for the origins beyond `ORIGINS_MAX`."""

READER_WORDS = frozenset(("tenant", "user"))
"""Readers that a contract may name; who that is, the run's principal says."""


@dataclass(frozen=True, kw_only=True)
class Label:
    """What is known of a value.

    Attributes:
        integrity: `untrusted` when somebody outside may have written it.
        readers: Who may read it, such as `tenant:acme`; in a contract `tenant` or `user`. None for
            everyone, an empty tuple for nobody.
        origins: Where it comes from, such as `user:ada` or `tool:read_mail`.
    """

    integrity: Integrity = "trusted"
    readers: tuple[str, ...] | None = None
    origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.integrity not in ("trusted", "untrusted"):
            raise ValueError(f"integrity is trusted or untrusted, not {self.integrity!r}")
        # Equal labels are equal values, however they were made.
        if self.readers is not None:
            object.__setattr__(self, "readers", tuple(sorted(set(self.readers))))
        object.__setattr__(self, "origins", _bounded(self.origins))

    def join(self, other: Label) -> Label:
        """Return the label of what rests on both: it allows no more than either."""
        if self == other:
            return self
        trusted = self.integrity == other.integrity == "trusted"
        return Label(
            integrity="trusted" if trusted else "untrusted",
            readers=_common(self.readers, other.readers),
            origins=(*self.origins, *other.origins),
        )

    def allows_no_more_than(self, other: Label) -> bool:
        """Return whether this label is at least as strict as another."""
        if self.integrity == "trusted" and other.integrity == "untrusted":
            return False
        if other.readers is None:
            return True
        return self.readers is not None and set(self.readers) <= set(other.readers)

    def resolved(self, principal: Principal, origin: str) -> Label:
        """Return a contract's label for one principal.

        Args:
            principal: Who the contract's words `tenant` and `user` mean.
            origin: Where the value comes from.
        """
        if self.readers is None:
            readers = None
        else:
            readers = tuple(name for word in self.readers for name in _named(word, principal))
        return Label(integrity=self.integrity, readers=readers, origins=(*self.origins, origin))


Labels: TypeAlias = Mapping[str, Label]
"""Labels by the path of a field, such as `items.body`; the empty path means all the rest."""


def joined(labels: Iterable[Label]) -> Label:
    """Return the label of what rests on all of these; of nothing, a public one."""
    result: Label | None = None
    for label in labels:
        result = label if result is None else result.join(label)
    return PUBLIC if result is None else result


def own_label(principal: Principal) -> Label:
    """Return the label of what a principal says: it is trusted, and the principal's tenant's."""
    return Label(readers=("tenant",)).resolved(principal, f"user:{principal.user}")


def label_to_json(label: Label) -> dict[str, Json]:
    """Return a label as JSON."""
    readers = None if label.readers is None else list(label.readers)
    return {"integrity": label.integrity, "readers": readers, "origins": list(label.origins)}


def label_from_json(data: Json) -> Label:
    """Rebuild a label; of what is no label, the strictest.

    Args:
        data: What `label_to_json` made, or what stands in its place in an older record.
    """
    try:
        readers = data["readers"]
        return Label(
            integrity=data["integrity"],
            readers=None if readers is None else tuple(str(name) for name in readers),
            origins=tuple(str(name) for name in data["origins"]),
        )
    except (TypeError, LookupError, ValueError):
        return Label(integrity="untrusted", readers=(), origins=("unlabelled",))


def _bounded(origins: Iterable[str]) -> tuple[str, ...]:
    names = sorted(set(origins) - {OTHERS})
    if len(names) == len(set(origins)) and len(names) <= ORIGINS_MAX:
        return tuple(names)
    return (*names[:ORIGINS_MAX], OTHERS)


def _common(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if one is None or other is None:
        return other if one is None else one
    return tuple(sorted(set(one) & set(other)))


def _named(word: str, principal: Principal) -> tuple[str, ...]:
    """Return whom a reader's word means; a tenant's readers include its user by name."""
    user, tenant = f"user:{principal.user}", f"tenant:{principal.tenant}"
    if word == "tenant":
        return (tenant, f"{tenant}/{user}")
    if word == "user":
        return (f"{tenant}/{user}",)
    return (word,)


UNDECLARED = Label(integrity="untrusted", readers=("tenant",))
"""The label of a result that no contract speaks of."""

PUBLIC = Label()
"""The label of what everyone may read and nobody outside has written."""
