"""Both times: what was known when, and what was so when, for any sequence of writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, count, permutations, product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.memory import MemoryQuery, MemoryState, Note, Reader
from fairlead.ports.memory import MemoryStore
from fairlead.testing.conformance.memory_site import (
    ADA,
    BOB,
    MOVED,
    OPERATOR,
    OUTSIDE,
    TENANT,
    TRIAL,
    MemorySite,
    note,
    private,
    searched,
)
from fairlead.testing.memory import FakeMemoryStore
from fairlead.testing.memory_rules import overlap

_NUMBERS = count()

Step = tuple[str, Any]

_NOTES = st.builds(
    lambda text, of, trust, times: (text, of, trust, times),
    st.sampled_from(["red", "blue", "Blue!", "not blue"]),
    st.tuples(st.sampled_from(["s1", "s2"]), st.sampled_from(["", "colour", "colour"])),
    st.sampled_from(["trusted", "trusted", "outside", "model", "private"]),
    st.tuples(
        st.sampled_from([None, None, -60, -10, 0, 10, 45]),
        st.sampled_from([None, None, None, 40, 90]),
    ),
)
_STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("write"),
            st.tuples(
                st.sampled_from([ADA, ADA, BOB, TRIAL, TRIAL]),
                _NOTES,
                st.sampled_from([-1, -1, 0, 1, 2]),
            ),
        ),
        st.tuples(
            st.just("settle"),
            st.tuples(
                st.integers(0, 5),
                st.sampled_from(["active", "active", "quarantined", "retracted", "forgotten"]),
            ),
        ),
        st.tuples(st.just("wait"), st.integers(1, 60)),
        st.tuples(st.sampled_from(["merge", "drop"]), st.none()),
    ),
    min_size=1,
    max_size=14,
)


@dataclass
class _Pair:
    """A store and the model, in step; an item is known by the number of its write."""

    memory: MemorySite
    app: str = field(default_factory=lambda: f"app{next(_NUMBERS)}")
    ids: list[tuple[str, str]] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    model: FakeMemoryStore = field(init=False)

    def __post_init__(self) -> None:
        self.model = FakeMemoryStore(self.memory.clock)

    def take(self, step: Step) -> None:
        """Do one thing to both."""
        what, of = step
        clock = self.memory.clock
        clock.time += 1.0
        if what == "wait":
            clock.time += of
        elif what == "write":
            self._write(*of)
        elif what == "settle":
            self._settle(*of)
        else:
            name = f"{what}_overlay"
            counts = [getattr(one, name)(self.app, "d1", MOVED) for one in self._both()]
            assert counts[0] == counts[1]
        self.moments.append(clock.time)

    def _both(self) -> tuple[MemoryStore, MemoryStore]:
        return self.memory.store, self.model

    def _write(self, reader: Reader, said: Any, supersedes: int) -> None:
        reader = replace(reader, app=self.app)
        now = self.memory.clock.now()
        named = self.ids[supersedes] if 0 <= supersedes < len(self.ids) else ("", "")
        notes = [replace(_note(reader, said, now), supersedes=one) for one in named]
        (real,), (model,) = (
            store.write(reader, [one]) for store, one in zip(self._both(), notes, strict=True)
        )
        assert (real.state, real.merged, bool(real.id)) == (
            model.state,
            model.merged,
            bool(model.id),
        )
        if real.id and not real.merged:
            self.ids.append((real.id, model.id))
        assert self.number(real.superseded) == self.number(model.superseded)

    def _settle(self, place: int, state: MemoryState) -> None:
        if place < len(self.ids):
            who = replace(OPERATOR, app=self.app)
            changed = [
                len(store.settle(who, [one], state, MOVED))
                for store, one in zip(self._both(), self.ids[place], strict=True)
            ]
            assert changed[0] == changed[1]

    def number(self, item_id: str) -> int:
        """Return the number of an item's write; -1 for none."""
        return next((place for place, ids in enumerate(self.ids) if item_id in ids), -1)

    def agree(self) -> None:
        """Compare what everybody gets, at each pair of times, and what is on record."""
        readers = [replace(one, app=self.app) for one in (ADA, BOB, TRIAL, OPERATOR)]
        known = [None, *self.moments[::3]]
        valid = [None, *(moment + 0.5 for moment in self.moments[::4]), self.moments[0] - 30]
        for reader, known_at, valid_at in product(readers, known, valid):
            for quarantined in (True, False):
                query = _query(known_at=known_at, valid_at=valid_at, quarantined=quarantined)
                real, model = (self._found(store, reader, query) for store in self._both())
                assert real == model, (reader, query)
        for reader in readers:
            real_items, model_items = (self._record(store, reader) for store in self._both())
            assert real_items == model_items
            assert _one_in_each_slot(self.memory.store, reader)

    def _found(self, store: MemoryStore, reader: Reader, query: MemoryQuery) -> list[int]:
        found = store.candidates(reader, query, searched("box")).found
        return sorted(self.number(one.id) for one in found)

    def _record(self, store: MemoryStore, reader: Reader) -> list[Any]:
        return [
            (
                self.number(one.id),
                one.state,
                one.valid_from,
                one.valid_to,
                one.retired_at,
                one.seen,
                one.overlay,
                one.quoted,
                self.number(one.supersedes),
            )
            for one in store.each(reader)
        ]


def _note(reader: Reader, said: Any, now: float) -> Note:
    text, (subject, predicate), trust, (begins, lasts) = said
    label = {"outside": OUTSIDE, "private": private(reader)}.get(trust, TENANT)
    at = now if begins is None else now + begins
    return note(
        f"The box is {text}",
        subject=subject,
        predicate=predicate,
        label=label,
        state="quarantined" if trust in ("outside", "model") else "active",
        valid_from=at,
        valid_to=None if lasts is None else at + lasts,
    )


def _is_kept_in_time(step: Step) -> bool:
    """Say whether what was known before a step can be asked for exactly.

    A merge gives everybody the whole record of a trial, and a drop takes it away. An endorsement
    has no time. Of what had ended by itself before it was replaced, the own end is not kept apart.
    """
    what, of = step
    if what == "write":
        _, (_, _, _, (_, lasts)), _ = of
        return lasts is None
    return what == "wait" or (what == "settle" and of[1] in ("retracted", "forgotten"))


def _query(**other: Any) -> MemoryQuery:
    return MemoryQuery(text="box", kinds=("semantic",), **other)


def _one_in_each_slot(store: MemoryStore, reader: Reader) -> bool:
    """Say whether no slot has two items that are active at the same time, beside a trial's."""
    active = [one for one in store.items(reader, states=["active"]) if one.predicate]
    slots = [(one.audience, one.subject, one.predicate, one.overlay) for one in active]
    return not any(
        overlap(one, other)
        for (one, slot), (other, beside) in combinations(zip(active, slots, strict=True), 2)
        if slot == beside
    )


class MemoryTimeConformance:
    """Valid time and recorded time."""

    def test_any_sequence_is_answered_as_by_a_plain_model(self, memory: MemorySite) -> None:
        """By writes, promotions, retractions, merges and drops of a trial, while time passes."""

        @settings(max_examples=60, deadline=None, database=None)
        @given(_STEPS)
        def agrees(steps: Sequence[Step]) -> None:
            pair = _Pair(memory)
            for step in steps:
                pair.take(step)
            pair.agree()

        agrees()

    def test_what_was_found_is_found_again_as_of_then(self, memory: MemorySite) -> None:
        """So a run that is replayed recalls what it recalled, also on trial."""

        @settings(max_examples=60, deadline=None, database=None)
        @given(_STEPS)
        def is_found_again(steps: Sequence[Step]) -> None:
            pair = _Pair(memory)
            readers = [replace(one, app=pair.app) for one in (ADA, BOB, TRIAL)]
            then: list[tuple[float, Reader, list[int]]] = []
            for step in steps:
                if not _is_kept_in_time(step):
                    continue
                pair.take(step)
                now = memory.clock.now()
                then += [
                    (now, one, pair._found(memory.store, one, _query(valid_at=None)))
                    for one in readers
                ]
            for at, reader, found in then:
                again = pair._found(memory.store, reader, _query(known_at=at))
                assert again == found, (at, reader)

        is_found_again()

    def test_what_had_ended_before_it_was_taken_back_had_ended(self, memory: MemorySite) -> None:
        """A later retraction does not bring it back as of then."""
        now = memory.clock.now()
        brief = memory.one(note("The box is red", valid_to=now + 40.0))
        memory.clock.time += 100.0
        memory.settle(brief, state="retracted")
        assert memory.found("box", known_at=now + 20.0) == ["The box is red"]
        assert memory.found("box", known_at=now + 60.0) == []

    def test_in_whatever_order_it_was_recorded_one_item_held_at_a_time(
        self, memory: MemorySite
    ) -> None:
        """The newest beginning counts, and what had ended by then does not come back."""
        begins = {"Oslo": 100.0, "Rome": 200.0, "Bern": 300.0}
        memory.clock.time = 1_000.0
        for number, order in enumerate(permutations(begins)):
            of = {"subject": f"s{number}", "predicate": "home"}
            for city in order:
                memory.clock.time += 1.0
                memory.one(note(f"Home is {city}", **of, valid_from=begins[city]))
            for city, at in begins.items():
                found = memory.found("home", subject=of["subject"], valid_at=at + 50.0)
                assert found == [f"Home is {city}"], order

    def test_both_times_are_told_apart(self, memory: MemorySite) -> None:
        """A correction of the past changes what was so, and not what was known."""
        of = {"subject": "s", "predicate": "home"}
        memory.clock.time = 1_000.0
        memory.one(note("Home is Oslo", **of, valid_from=500.0))
        memory.clock.time = 2_000.0
        memory.one(note("Home is Rome", **of, valid_from=800.0))
        assert memory.found("home", valid_at=700.0) == ["Home is Oslo"]
        assert memory.found("home", valid_at=900.0) == ["Home is Rome"]
        assert memory.found("home", known_at=1_500.0) == ["Home is Oslo"]
        assert memory.found("home", known_at=1_500.0, valid_at=900.0) == ["Home is Oslo"]
        assert memory.found("home", known_at=900.0) == []
        assert memory.found("home", valid_at=400.0) == []
        (then,) = memory.store.history(ADA, "s", "home", known_at=1_500.0)
        assert (then.text, len(memory.store.history(ADA, "s", "home"))) == ("Home is Oslo", 2)
