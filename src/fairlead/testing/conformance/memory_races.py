"""Writers at the same time leave what writers one after the other would."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import TypeVar

from fairlead.core.memory import Written
from fairlead.ports.memory import MemoryStore
from fairlead.testing.conformance.memory_site import (
    ADA,
    MOVED,
    OPERATOR,
    MemorySite,
    note,
    searched,
)
from fairlead.testing.fakes import FakeClock

WRITERS = 2
ROUNDS = 20

T = TypeVar("T")


def at_once(memory: MemorySite, work: Callable[[MemoryStore, int], T]) -> list[T]:
    """Do work in threads, each with a store and a connection of its own.

    Args:
        memory: The site.
        work: Takes a store, and the number of its writer.
    """
    start = Barrier(WRITERS)
    # Each has ids of its own, as processes have.
    clocks = [FakeClock(_ids=10_000 * (number + 1)) for number in range(WRITERS)]
    stores = [memory.open(clock) for clock in clocks]

    def begin(number: int) -> T:
        start.wait(30.0)
        return work(stores[number], number)

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(begin, range(WRITERS)))


class MemoryRaceConformance:
    """Concurrent writers."""

    def test_writers_of_one_slot_leave_one_current_item(self, memory: MemorySite) -> None:
        """And a chain behind it, without a fork."""
        of = {"subject": "c1", "predicate": "contact"}

        def write(store: MemoryStore, number: int) -> None:
            for round_ in range(ROUNDS):
                store.write(ADA, [note(f"Contact {number} {round_}", **of)])

        at_once(memory, write)
        history = memory.store.history(OPERATOR, "c1", "contact")
        assert len(history) == WRITERS * ROUNDS
        assert len([one for one in history if one.retired_at is None]) == 1
        named = [one.supersedes for one in history if one.supersedes]
        assert len(named) == len(set(named)) == len(history) - 1

    def test_writers_of_one_key_write_once(self, memory: MemorySite) -> None:
        """Both get the same item; so do those that say the same."""

        def write(store: MemoryStore, _: int) -> list[Written]:
            return [
                one
                for round_ in range(ROUNDS)
                for one in store.write(
                    ADA,
                    [
                        note(f"Keyed {round_}", key=f"k{round_}"),
                        note(f"Said in round {round_}"),
                    ],
                )
            ]

        first, second = at_once(memory, write)
        assert [one.id for one in first] == [one.id for one in second]
        assert all(one.merged != other.merged for one, other in zip(first, second, strict=True))
        assert len(list(memory.store.each(OPERATOR))) == 2 * ROUNDS

    def test_writers_of_two_tenants_do_not_meet(self, memory: MemorySite) -> None:
        """Nobody's write fails, and each item is found where it belongs."""

        def write(store: MemoryStore, number: int) -> None:
            reader = replace(ADA, tenant=f"t{number}")
            for round_ in range(ROUNDS):
                label = replace(note("").label, readers=(f"tenant:t{number}",))
                notes = [note(f"Box {round_} {one}", label=label) for one in range(20)]
                store.write(reader, notes)

        at_once(memory, write)
        for number in range(WRITERS):
            reader = replace(OPERATOR, tenant=f"t{number}")
            assert len(list(memory.store.each(reader))) == 20 * ROUNDS
            asked = searched("box", around=0)
            assert len(memory.candidates("box", reader, asked)) == asked.lexical_max

    def test_one_of_two_promotions_stands(self, memory: MemorySite) -> None:
        """Whichever came last; the other one is superseded."""
        of = {"subject": "c1", "predicate": "contact", "state": "quarantined"}
        memory.one(note("Contact by mail", subject="c1", predicate="contact"))
        proposed = [memory.one(note(f"Contact {number}", **of)) for number in range(WRITERS)]

        def promote(store: MemoryStore, number: int) -> None:
            store.settle(OPERATOR, [proposed[number].id], "active", MOVED)

        at_once(memory, promote)
        assert len(memory.current(state="active")) == 1
