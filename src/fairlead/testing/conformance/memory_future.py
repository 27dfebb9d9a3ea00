"""What is said to begin later: what holds until then, and what becomes of it."""

from __future__ import annotations

import pytest

from fairlead.core.memory import MemoryState
from fairlead.testing.conformance.memory_site import (
    ADA,
    MOVED,
    TRIAL,
    MemorySite,
    note,
    outside,
)


class MemoryFutureConformance:
    """What is to begin later."""

    def test_what_is_so_stays_so_until_the_next_begins(self, memory: MemorySite) -> None:
        """At each time one of them is found, and the history shows both."""
        of = {"subject": "s", "predicate": "home"}
        memory.clock.time = 1_000.0
        oslo = memory.one(note("Home is Oslo", **of))
        memory.clock.time = 2_000.0
        rome = memory.one(note("Home is Rome", **of, valid_from=3_000.0))
        assert (rome.state, rome.superseded) == ("active", oslo.id)
        for quoted in (True, False):
            assert memory.found("home", quarantined=quoted) == ["Home is Oslo"]
        assert memory.found("home", valid_at=2_999.0) == ["Home is Oslo"]
        assert memory.found("home", valid_at=3_000.0) == ["Home is Rome"]
        # Before somebody said so, nobody knew of an end.
        assert memory.found("home", known_at=1_500.0, valid_at=5_000.0) == ["Home is Oslo"]
        assert memory.found("home", known_at=2_500.0, valid_at=5_000.0) == ["Home is Rome"]
        told = memory.store.history(ADA, "s", "home")
        assert [(one.text, one.state) for one in told] == [
            ("Home is Oslo", "active"),
            ("Home is Rome", "active"),
        ]
        assert (told[0].valid_to, told[1].valid_from) == (3_000.0, 3_000.0)
        memory.clock.time = 3_001.0
        assert memory.found("home") == ["Home is Rome"]
        assert memory.found("home", known_at=2_500.0) == ["Home is Oslo"]
        memory.one(note("Home is Bern", **of))
        assert memory.found("home") == ["Home is Bern"]
        assert memory.found("home", known_at=2_500.0, valid_at=3_000.5) == ["Home is Rome"]

    def test_what_is_said_meanwhile_ends_where_the_next_begins(self, memory: MemorySite) -> None:
        """What was announced stands; what is announced for before it comes between."""
        of = {"subject": "s", "predicate": "home"}
        memory.clock.time = 1_000.0
        memory.one(note("Home is Oslo", **of))
        memory.one(note("Home is Rome", **of, valid_from=3_000.0))
        memory.one(note("Home is Bern", **of))
        memory.one(note("Home is Nice", **of, valid_from=2_000.0))
        assert memory.found("home") == ["Home is Bern"]
        for at, city in (
            (1_900.0, "Bern"),
            (2_000.0, "Nice"),
            (2_900.0, "Nice"),
            (3_000.0, "Rome"),
        ):
            assert memory.found("home", valid_at=at) == [f"Home is {city}"], at
        # What is announced can be so at once.
        memory.one(note("Home is Rome", **of))
        assert memory.found("home") == ["Home is Rome"]

    @pytest.mark.parametrize("state", ["retracted", "forgotten", "quarantined"])
    def test_what_will_not_begin_ends_nothing(self, memory: MemorySite, state: MemoryState) -> None:
        """It was taken back before its time: what is so goes on, up to the next."""
        of = {"subject": "s", "predicate": "home"}
        memory.clock.time = 1_000.0
        memory.one(note("Home is Oslo", **of))
        rome = memory.one(note("Home is Rome", **of, valid_from=2_000.0))
        memory.one(note("Home is Bern", **of, valid_from=3_000.0))
        memory.settle(rome, state=state)
        assert memory.found("home", valid_at=2_500.0, quarantined=False) == ["Home is Oslo"]
        assert memory.found("home", valid_at=3_500.0) == ["Home is Bern"]

    def test_what_is_announced_is_corrected_for_its_time(self, memory: MemorySite) -> None:
        """The correction begins when it was to begin, or when it says."""
        of = {"subject": "s", "predicate": "home"}
        memory.clock.time = 1_000.0
        memory.one(note("Home is Oslo", **of))
        rome = memory.one(note("Home is Rome", **of, valid_from=2_000.0))
        bern = memory.one(note("Home is Bern", **of, supersedes=rome.id))
        assert memory.found("home") == ["Home is Oslo"]
        assert memory.found("home", valid_at=2_500.0) == ["Home is Bern"]
        memory.one(note("Home is Nice", **of, supersedes=bern.id, valid_from=1_500.0))
        assert memory.found("home") == ["Home is Oslo"]
        for at in (1_500.0, 2_500.0):
            assert memory.found("home", valid_at=at) == ["Home is Nice"]

    def test_a_trial_announces_for_itself_until_it_is_merged(self, memory: MemorySite) -> None:
        """Then it is announced to everybody, and replaces nothing before its time."""
        of = {"subject": "s", "predicate": "home"}
        memory.clock.time = 1_000.0
        memory.one(note("Home is Oslo", **of))
        memory.one(note("Home is Rome", **of, valid_from=2_000.0), by=TRIAL)
        assert memory.found("home", TRIAL) == memory.found("home") == ["Home is Oslo"]
        assert memory.found("home", valid_at=2_500.0) == ["Home is Oslo"]
        assert memory.found("home", TRIAL, valid_at=2_500.0) == ["Home is Rome"]
        memory.store.merge_overlay("desk", "d1", MOVED)
        assert memory.found("home") == ["Home is Oslo"]
        assert memory.found("home", valid_at=2_500.0) == ["Home is Rome"]

    def test_what_is_announced_from_outside_waits_for_a_person(self, memory: MemorySite) -> None:
        """It is promoted before its time, and then takes the place at its time."""
        of = {"subject": "s", "predicate": "home"}
        memory.clock.time = 1_000.0
        memory.one(note("Home is Oslo", **of))
        rome = memory.one(outside("Home is Rome", **of, valid_from=2_000.0))
        assert memory.found("home", valid_at=2_500.0, quarantined=False) == ["Home is Oslo"]
        memory.settle(rome, state="active")
        assert memory.found("home") == ["Home is Oslo"]
        assert memory.found("home", valid_at=2_500.0) == ["Home is Rome"]

    def test_two_machines_need_not_have_the_same_time(self, memory: MemorySite) -> None:
        """What was written by a clock that is ahead is so at once."""
        of = {"subject": "s", "predicate": "home"}
        memory.one(note("Home is Oslo", **of))
        memory.one(note("Home is Rome", **of))
        memory.clock.time -= 30.0
        assert memory.found("home") == ["Home is Rome"]
