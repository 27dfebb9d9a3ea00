"""Nobody gets what is not theirs, nor what is no longer so; and what is theirs, they get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from fairlead.core.label import Label
from fairlead.core.memory import CURRENT, Note, Reader, Written
from fairlead.core.vectors import unit
from fairlead.ports.memory import Search, Stamp
from fairlead.testing.conformance.memory_site import (
    ADA,
    BOB,
    MOVED,
    OPERATOR,
    TRIAL,
    MemorySite,
    note,
    outside,
    private,
    searched,
)

NEAR = unit([1.0, 0.5, 0.25])


@dataclass(frozen=True)
class Boundary:
    """What one reader must get, and another one must not.

    Attributes:
        note: What is remembered.
        by: Who remembers it.
        sees: Who must get it.
        others: Who must not.
    """

    note: Note
    by: Reader
    sees: Reader
    others: tuple[Reader, ...]


def _said(**other: object) -> Note:
    return note(
        "The kettle is blue",
        **{"subject": "kettle", "predicate": "colour", "thread": "t", "place": 1, **other},
    )


_RUN = replace(ADA, run_root="r1")
BOUNDARIES = {
    "tenant": Boundary(
        _said(), ADA, BOB, (replace(ADA, tenant="umbra"), Reader(tenant="umbra", app="desk"))
    ),
    "app": Boundary(_said(), ADA, BOB, (replace(ADA, app="shop"), replace(OPERATOR, app="shop"))),
    "user": Boundary(_said(label=private(ADA)), ADA, ADA, (BOB, replace(BOB, run_root="r1"))),
    "run": Boundary(_said(kind="working"), _RUN, _RUN, (ADA, replace(ADA, run_root="r2"))),
    "trial": Boundary(_said(), TRIAL, TRIAL, (ADA, replace(ADA, overlay="d2"))),
    "nobody": Boundary(_said(label=Label(readers=())), ADA, OPERATOR, (ADA, BOB)),
}


def _ways(memory: MemorySite, reader: Reader, item_id: str) -> dict[str, bool]:
    """Return by which ways a reader gets an item."""
    store = memory.store
    by_vector = memory.candidates(
        "nothing", reader, Search(terms={}), vector=NEAR, embedder="e", quarantined=True
    )
    beside = memory.candidates("teapot", reader, searched("teapot", around=2))
    return {
        "words": item_id in {one.id for one in memory.candidates("kettle", reader)},
        "subject": item_id
        in {one.id for one in memory.candidates("kettle", reader, subject="kettle")},
        "vector": item_id in {one.id for one in by_vector},
        "neighbour": item_id in {one.id for one in beside},
        "get": bool(store.get(reader, [item_id])),
        "history": item_id in {one.id for one in store.history(reader, "kettle", "")},
        "items": item_id in {one.id for one in store.items(reader, states=CURRENT)},
        "each": item_id in {one.id for one in store.each(reader)},
    }


Ending = Callable[[MemorySite, Written], object]


def _expire(memory: MemorySite, _: Written) -> None:
    memory.clock.time += 1_000.0


def _supersede(memory: MemorySite, written: Written) -> None:
    memory.one(note("A lamp is red now", supersedes=written.id))


def _end(memory: MemorySite, _: Written) -> None:
    memory.clock.time += 100.0


ENDINGS: dict[str, tuple[Note, Ending]] = {
    "expired": (note("The lamp is green", expires_at=1_000_500.0), _expire),
    "ended": (note("The lamp is green", valid_to=1_000_050.0), _end),
    "superseded": (note("The lamp is green"), _supersede),
    "retracted": (note("The lamp is green"), lambda m, one: m.settle(one, state="retracted")),
    "forgotten": (note("The lamp is green"), lambda m, one: m.settle(one, state="forgotten")),
}


class MemoryScopeConformance:
    """What a reader gets is the reader's, and current."""

    @pytest.mark.parametrize("name", BOUNDARIES)
    def test_it_reaches_whom_it_is_for_and_nobody_else(self, memory: MemorySite, name: str) -> None:
        """By each way on which an item is found; whom it is for proves that the way is open."""
        case = BOUNDARIES[name]
        stamp = Stamp(embedder="e", vectors=[NEAR])
        (written,) = memory.write(case.note, by=case.by, stamp=stamp)
        for reader in (case.sees, *case.others):
            beside = note("A teapot stands here", thread="t", place=2)
            readers = Label(readers=(f"tenant:{reader.tenant}",))
            memory.one(replace(beside, label=readers), by=replace(reader, user="ada", overlay=""))
        open_to = _ways(memory, case.sees, written.id)
        # An operator stands in no thread of what nobody may recall.
        closed = {"neighbour"} if name in ("user", "run", "nobody") else set()
        assert {way for way, is_open in open_to.items() if not is_open} <= closed
        for other in case.others:
            assert not any(_ways(memory, other, written.id).values()), other
            assert not memory.store.settle(other, [written.id], "retracted", MOVED)
        assert memory.store.settle(case.sees, [written.id], "retracted", MOVED) == [written.id]

    def test_a_neighbour_of_the_same_audience_is_found(self, memory: MemorySite) -> None:
        """The control of the neighbours above, within a user's own thread."""
        own = private(ADA)
        memory.write(
            note("The kettle is blue", label=own, thread="t", place=1),
            note("A teapot stands here", label=own, thread="t", place=2),
        )
        assert memory.found("teapot") == ["A teapot stands here", "The kettle is blue"]
        assert memory.found("teapot", BOB) == []

    @pytest.mark.parametrize("name", ENDINGS)
    def test_what_is_over_is_not_recalled(self, memory: MemorySite, name: str) -> None:
        """And what stands beside it is; both are found before."""
        said, end = ENDINGS[name]
        lasting, written = memory.write(
            note("The lamp is heavy"), said, stamp=Stamp(embedder="e", vectors=[NEAR, NEAR])
        )
        assert memory.found("lamp") == [said.text, "The lamp is heavy"]
        end(memory, written)
        for search in (None, Search(terms={})):
            found = memory.candidates("lamp", search=search, vector=NEAR, embedder="e")
            assert lasting.id in {one.id for one in found}
            assert written.id not in {one.id for one in found}

    def test_what_is_only_quoted_is_left_out_when_it_is_not_wanted(
        self, memory: MemorySite
    ) -> None:
        """Also when it was replaced, and one asks for that time."""
        memory.write(note("The lamp is heavy"), outside("The lamp is a gift"))
        assert memory.found("lamp") == ["The lamp is a gift", "The lamp is heavy"]
        assert memory.found("lamp", quarantined=False) == ["The lamp is heavy"]
        then = memory.clock.time
        memory.one(note("The lamp is a gift"))
        assert memory.found("lamp", quarantined=False, valid_at=then) == ["The lamp is heavy"]
        assert memory.found("lamp", quarantined=False, known_at=then) == ["The lamp is heavy"]
        assert memory.found("lamp", quarantined=False) == [
            "The lamp is a gift",
            "The lamp is heavy",
        ]

    def test_a_way_to_do_something_is_recalled_only_once_it_is_believed(
        self, memory: MemorySite
    ) -> None:
        """Quoted or not; a fact in the same state is the control."""
        way = memory.one(outside("Reset the lamp with a pin", kind="procedural"))
        memory.write(outside("The lamp is a gift"), note("Dust the lamp", kind="procedural"))
        assert memory.found("lamp") == ["Dust the lamp", "The lamp is a gift"]
        memory.settle(way, state="active")
        assert "Reset the lamp with a pin" in memory.found("lamp")

    def test_kinds_and_subjects_narrow_what_is_found(self, memory: MemorySite) -> None:
        """A subject and a kind that are meant let through, others do not."""
        memory.write(
            note("A lamp burns", subject="s1"),
            note("A lamp burns", subject="s2", kind="episodic"),
        )
        for asked, count in (
            ({}, 2),
            ({"subject": "s1"}, 1),
            ({"subject": ""}, 0),
            ({"kinds": ("episodic",)}, 1),
            ({"kinds": ("procedural",)}, 0),
            ({"kinds": ("episodic",), "subject": "s1"}, 0),
        ):
            assert len(memory.candidates("lamp", **asked)) == count, asked
