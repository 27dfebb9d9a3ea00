"""The stage of a replay: what it answers, and that it reaches nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from fairlead.core.digests import Json
from fairlead.core.memory import MemoryQuery, Note, Provenance, Reader
from fairlead.ports.memory import Search
from fairlead.ports.waits import Signal, Wait
from fairlead.runtime.replay import Missed, Tape
from fairlead.runtime.replay.memory import PastMemory
from fairlead.runtime.replay.stage import StageEngine, StageLedgers, StageWaits
from fairlead.runtime.replay.tape import Modes, TapeClock
from fairlead.testing import FakeClock
from fairlead.testing.memory import FakeMemoryStore
from tests.unit.runtime.replay.tapes import recording


def tape(**more: Any) -> Tape:
    return Tape(recording(**more), Modes(), TapeClock(at=100.0))


async def body() -> Json:
    return "executed"


def test_times_and_random_values_come_from_the_recording() -> None:
    steps = (("now", 7.0), ("random", 0.25), ("uuid", "u"), ("send go", None), ("stream x", None))
    made = tape(steps=steps)
    engine = StageEngine(tape=made)

    def step(name: str) -> Json:
        return asyncio.run(engine.step(name, body))

    assert [step(name) for name in ("random", "now", "uuid")] == [0.25, 7.0, "u"]
    # Nothing is sent, whether it is on record or not.
    assert [step("send go"), step("send go"), step("stream x")] == [None, None, None]
    assert engine.sent == ["send go", "send go", "stream x"]
    assert step("tool look #1") == "executed"
    with pytest.raises(Missed):
        step("now")
    assert made.missed == "the run asks for now more often than on record"
    with pytest.raises(Missed):
        step("tool look #2")


def test_waits_end_as_they_did_and_the_time_moves_with_them() -> None:
    signal = Wait(
        run_id="r1",
        key="w3",
        kind="signal",
        topic="go",
        opened_at=120.0,
        due_at=200.0,
        ended_at=150.0,
        over=True,
        answered=True,
        answer={"payload": 1},
    )
    made = tape(waits=(signal,))
    waits = StageWaits(tape=made, family={})
    opened = waits.open("r1", "w1", "timer", topic="", within_s=5.0)
    assert opened.over and not opened.answered
    assert waits.close("r1", "w1").ended_at == made.clock.at == 105.0
    found = waits.open("r1", "w2", "signal", topic="go", within_s=60.0)
    assert (found.answered, found.answer, found.ended_at) == (True, {"payload": 1}, 135.0)
    waits.open("r1", "w4", "signal", topic="go", within_s=60.0)
    assert made.missed == "signal go is not on record"
    with pytest.raises(AssertionError):
        waits.send(Signal(run_id="r2", name="go", payload=1, by="x"))


def test_what_a_run_never_asks_for_is_not_there() -> None:
    """A store that is missed is an error, and never the real one."""
    for name in ("resolve", "admit", "append", "send"):
        assert not hasattr(StageLedgers(), name)
    for name in ("write", "settle", "merge_overlay", "drop_overlay", "expire"):
        assert not hasattr(PastMemory, name)


def test_memory_is_read_as_it_was() -> None:
    clock = FakeClock()
    store = FakeMemoryStore(clock)
    who = Reader(tenant="t", app="a", user="u")
    provenance = Provenance(run_id="r0", call=1, release="x", by="user:u", source="user")
    note = Note(kind="semantic", text="old orders", subject="s", provenance=provenance)
    (old,) = store.write(who, [note])
    clock.time += 10
    then = TapeClock(at=clock.time)
    clock.time += 10
    (new,) = store.write(who, [replace(note, text="new orders")])
    past = PastMemory(store, then)
    assert [one.id for one in past.get(who, [old.id, new.id])] == [old.id]
    assert [one.id for one in past.history(who, "s", "")] == [old.id]
    query = MemoryQuery(text="orders", kinds=("semantic",), top_k=5)
    found = past.candidates(who, query, Search(terms={"order": "orders"}))
    assert [one.id for one in found.found] == [old.id]
    # Who asks for a time before that gets it; a later one is no better than the recorded one.
    later = replace(query, known_at=clock.time + 99)
    assert len(past.candidates(who, later, Search(terms={"order": "orders"})).found) == 1
    then.reach(clock.time)
    assert len(past.get(who, [old.id, new.id])) == 2
    assert store.reads == []
    past.note_reads("r1", 1, [old.id])
    assert store.reads == []
