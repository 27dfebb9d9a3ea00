"""Where one test of a memory store happens: a store, a clock that the test moves, and people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fairlead.core.label import Label
from fairlead.core.memory import (
    CURRENT,
    MEMORY_KINDS,
    MemoryQuery,
    MemoryState,
    Note,
    Reader,
    Written,
)
from fairlead.core.text import stem, terms
from fairlead.ports.clock import Clock
from fairlead.ports.memory import PLAIN, Candidate, Change, MemoryStore, Search, Stamp
from fairlead.testing.fakes import FakeClock

ADA = Reader(tenant="acme", app="desk", user="ada")
BOB = replace(ADA, user="bob")
OPERATOR = replace(ADA, user="")
TRIAL = replace(ADA, overlay="d1")
"""Ada, in a run of a release that is on trial."""

TENANT = Label(readers=("tenant:acme",), origins=("user:ada",))
OUTSIDE = Label(integrity="untrusted", readers=("tenant:acme",), origins=("tool:read_mail",))

OpenStore = Callable[[Clock], MemoryStore]
"""Opens a store on the test's database, as another process would; the database is fresh at first.

The stores are closed by the fixture, at the end of the test.
"""

MOVED = Change(by="user:ada", reason="a test")


def note(text: str, **other: Any) -> Note:
    """Return a fact that the whole tenant may read.

    Args:
        text: What it says.
        other: Further attributes of `Note`.
    """
    return Note(**{"kind": "semantic", "text": text, "label": TENANT, **other})


def outside(text: str, **other: Any) -> Note:
    """Return a fact that came from outside, and is only quoted; see `note`."""
    return note(text, **{"label": OUTSIDE, "state": "quarantined", **other})


def private(reader: Reader) -> Label:
    """Return the label of what one user alone may read."""
    return Label(readers=(f"tenant:{reader.tenant}/user:{reader.user}",))


@dataclass
class MemorySite:
    """A fresh store.

    Attributes:
        open: Opens a further store on the same database.
        clock: The time of `store`.
        store: The store.
    """

    open: OpenStore
    clock: FakeClock = field(default_factory=FakeClock)
    store: MemoryStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = self.open(self.clock)

    def write(self, *notes: Note, by: Reader = ADA, stamp: Stamp = PLAIN) -> Sequence[Written]:
        """Remember notes; a second passes before."""
        self.clock.time += 1.0
        return self.store.write(by, notes, stamp)

    def one(self, said: Note, by: Reader = ADA) -> Written:
        """Remember one note."""
        (written,) = self.write(said, by=by)
        return written

    def settle(self, *written: Written, state: MemoryState, by: Reader = OPERATOR) -> Sequence[str]:
        """Bring items into a state; a second passes before."""
        self.clock.time += 1.0
        return self.store.settle(by, [one.id for one in written], state, MOVED)

    def candidates(
        self, text: str, by: Reader = ADA, search: Search | None = None, **query: Any
    ) -> Sequence[Candidate]:
        """Return what is found for a question.

        Args:
            text: The question.
            by: Who asks.
            search: How; None for its words.
            query: Further attributes of `MemoryQuery`.
        """
        asked = MemoryQuery(text=text, **{"kinds": MEMORY_KINDS, **query})
        return self.store.candidates(by, asked, search or searched(text)).found

    def found(self, text: str, by: Reader = ADA, **query: Any) -> list[str]:
        """Return the sorted texts of what is found for a question; see `candidates`."""
        return sorted(one.text for one in self.candidates(text, by, **query))

    def current(self, by: Reader = ADA, **of: str) -> list[str]:
        """Return the sorted texts of current items that have certain attributes."""
        return sorted(
            one.text
            for one in self.store.items(by, states=CURRENT)
            if all(getattr(one, name) == value for name, value in of.items())
        )


def searched(text: str, **bounds: int) -> Search:
    """Return how a text's words are looked for.

    Args:
        text: The text.
        bounds: Further attributes of `Search`.
    """
    return Search(terms={stem(word): word for word in terms(text)}, **bounds)


def texts(items: Iterable[Any]) -> list[str]:
    """Return the texts of items or candidates, in order."""
    return [one.text for one in items]
