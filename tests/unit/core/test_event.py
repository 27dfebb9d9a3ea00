"""The log: whatever is done to a chain afterwards is found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.event import EVENT_TYPES, GENESIS, Event, Fact, seal, verify_chain

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
FACTS = st.builds(
    Fact,
    chain=st.just("run:r1"),
    type=st.sampled_from(sorted(EVENT_TYPES)),
    data=st.dictionaries(st.text(max_size=5), JSON, max_size=3),
)


def chain_of(facts: list[Fact]) -> list[Event]:
    """Seal facts into a chain."""
    events: list[Event] = []
    for number, fact in enumerate(facts, 1):
        previous = events[-1].hash if events else GENESIS
        events.append(
            seal(fact, sequence=number, id=f"{number:04}", time=number / 3, previous=previous)
        )
    return events


CHAINS = st.lists(FACTS, min_size=1, max_size=6).map(chain_of)


@given(CHAINS)
def test_a_chain_holds(chain: list[Event]) -> None:
    assert verify_chain(chain) is None


EDITS = st.sampled_from(["chain", "sequence", "id", "type", "time", "data", "previous", "hash"])


def edited(event: Event, field: str) -> Event:
    """Return the event with another value in one field."""
    values: dict[str, Any] = {
        "chain": event.chain + "x",
        "sequence": event.sequence + 1,
        "id": event.id + "x",
        "type": next(name for name in EVENT_TYPES if name != event.type),
        "time": event.time + 1.0,
        "data": {**event.data, "more": True},
        "previous": "1" * 64,
        "hash": "1" * 64,
    }
    return replace(event, **{field: values[field]})


@given(CHAINS, st.data(), EDITS)
def test_editing_an_event_is_found(chain: list[Event], data: st.DataObject, field: str) -> None:
    place = data.draw(st.integers(0, len(chain) - 1))
    chain[place] = edited(chain[place], field)
    assert verify_chain(chain) is not None


@given(CHAINS, st.data(), EDITS)
def test_editing_an_event_and_sealing_it_again_is_found(
    chain: list[Event], data: st.DataObject, field: str
) -> None:
    """Who can compute the hash too must still change every later event."""
    place = data.draw(st.integers(0, len(chain) - 1))
    event = edited(chain[place], field)
    sealed = seal(
        Fact(chain=event.chain, type=event.type, data=event.data),
        sequence=event.sequence,
        id=event.id,
        time=event.time,
        previous=event.previous,
    )
    chain[place] = sealed
    last_and_plain = place == len(chain) - 1 and field not in ("sequence", "previous")
    unchanged = sealed.hash == replace(event, hash=sealed.hash).hash and field == "hash"
    assert (verify_chain(chain) is None) == (last_and_plain or unchanged)


@given(CHAINS, st.data())
def test_deleting_an_event_that_is_not_the_last_is_found(
    chain: list[Event], data: st.DataObject
) -> None:
    """The last ones cannot be missed by the chain alone: the store compares with its other rows."""
    place = data.draw(st.integers(0, len(chain) - 1))
    left = chain[:place] + chain[place + 1 :]
    assert (verify_chain(left) is None) == (place == len(chain) - 1)


@given(CHAINS, st.data())
def test_moving_an_event_is_found(chain: list[Event], data: st.DataObject) -> None:
    moved = data.draw(st.permutations(chain))
    assert (verify_chain(moved) is None) == (moved == chain)


@given(CHAINS, CHAINS)
def test_repeating_events_is_found(chain: list[Event], other: list[Event]) -> None:
    assert verify_chain([*chain, chain[-1]]) is not None
    assert verify_chain([*chain, *other]) is not None


def test_an_empty_chain_holds() -> None:
    assert verify_chain([]) is None


def test_a_finding_names_the_place() -> None:
    chain = chain_of([Fact(chain="run:r1", type="run.started")] * 3)
    changed = [chain[0], replace(chain[1], data={"x": 1}), chain[2]]
    assert verify_chain(changed) == "event 2 of run:r1 was changed"
    assert verify_chain([chain[0], chain[2]]) == "event 2 of run:r1 is missing"


def test_an_unknown_type_is_no_fact() -> None:
    with pytest.raises(ValueError, match=r"run\.exploded"):
        Fact(chain="run:r1", type="run.exploded")
