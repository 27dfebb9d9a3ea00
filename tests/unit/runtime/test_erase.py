"""Stages follow each other, are done again after a death, and wait for runs within a bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fairlead.core.erasure import RUNS_WAIT_S, STAGES, Erasure, Stage, Trace
from fairlead.core.errors import ErasureHeld
from fairlead.core.event import Fact
from fairlead.guardrails.content.erasing import Eraser
from fairlead.ports.erasure import Exported, Remains, Scrubbed, Touched
from fairlead.ports.pruning import Pruned
from fairlead.runtime.erase import BATCH_RUNS, Erasing, Resuming
from fairlead.testing import FakeClock

VALUE = "kX7vQ2mZ9tR4wB8n"
BEGUN = Erasure(
    id="e-1",
    tenant="acme",
    app="a",
    items=("m-1", "m-2"),
    tombstones=("d1", "d2"),
    stage="ledger",
    by="ann",
    reason="asked for",
    begun_at=1_000_000.0,
    ended_at=None,
    receipt={},
)


class Death(BaseException):
    """The process is gone."""


@dataclass
class World:
    """Every part that an erasure uses, in memory; it may die at a call."""

    erasure: Erasure = BEGUN
    holder: str = ""
    rows: bool = True
    living: tuple[str, ...] = ()
    rest: list[tuple[str, ...]] = field(default_factory=lambda: [("r1", "r2"), ("r3",)])
    exports: list[Exported] = field(default_factory=list)
    places: list[Trace] = field(default_factory=list)
    remaining: Remains = field(default_factory=lambda: Remains(stones=2))
    taken: int = 0
    calls: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    engine: set[str] = field(default_factory=lambda: {"r1", "r2", "r3"})
    pruned: list[str] = field(default_factory=list)
    dies_at: int = 0
    renewed: int = 0
    taken_over_at: int = 0

    def called(self, name: str) -> None:
        self.calls.append(name)
        if len(self.calls) == self.dies_at:
            raise Death(name)

    # The store.

    def open(self) -> Sequence[str]:
        return [] if self.erasure.ended else [self.erasure.id]

    def hold(self, erasure_id: str, holder: str) -> Erasure:
        if self.holder not in ("", holder):
            raise ErasureHeld("another one", erasure=erasure_id)
        self.holder = holder
        return self.erasure

    def renew(self, erasure: Erasure) -> None:
        self.renewed += 1
        if self.renewed == self.taken_over_at:
            raise ErasureHeld("another one has it by now", erasure=erasure.id)

    def release(self, erasure_id: str, holder: str) -> None:
        self.holder = ""

    def advance(
        self,
        erasure: Erasure,
        holder: str,
        stage: Stage,
        done: Mapping[str, Any],
        *,
        fact: Fact | None = None,
    ) -> Erasure:
        self.called(f"-> {stage}")
        ended = 1.0 if stage == "done" else None
        self.erasure = replace(
            erasure, stage=stage, receipt={**erasure.receipt, **done}, ended_at=ended
        )
        if fact is not None:
            self.facts.append(fact)
        return self.erasure

    def values(self, erasure: Erasure) -> tuple[Sequence[str], int]:
        return ([VALUE], 1) if self.rows else ([], 0)

    def evidence(self, values: Sequence[str]) -> list[str]:
        return ["proof"] * len(values)

    def touched(self, erasure: Erasure) -> Touched:
        return Touched(at_rest=tuple(self.rest), living=self.living)

    def scrub(self, erasure: Erasure, eraser: Any) -> Scrubbed:
        self.called("scrub")
        assert eraser.values == (VALUE,)
        return Scrubbed(places={"blobs.data": 2})

    def exported(self, erasure: Erasure) -> Sequence[Exported]:
        assert not self.rows, "nobody can export what is gone"
        return list(self.exports)

    def rewrote(self, export: Exported, digest: str | None) -> None:
        self.called("rewrote")
        self.exports.remove(export)

    def purge(self, erasure: Erasure) -> int:
        self.called("purge")
        count, self.rows = 2 * self.rows, False
        return count

    def compact(self, erasure: Erasure) -> Sequence[str]:
        self.called("compact")
        return ()

    def files(self) -> Sequence[Path]:
        return ()

    def traces(self, within: Any, eraser: Any) -> Sequence[Trace]:
        return list(self.places) if isinstance(within, Erasure) else []

    def remains(self, erasure: Erasure) -> Remains:
        return self.remaining

    def feed(self, erasure: Erasure, texts: Sequence[str]) -> tuple[int, int]:
        assert texts
        return len(texts), self.taken

    def note(self, fact: Fact) -> None:
        self.facts.append(fact)

    # Files, ledger, runs.

    def add(self, erasure: Erasure) -> None:
        self.called("ledger")

    def beside(self) -> Sequence[Path]:
        return ()

    def rewrite(self, export: Exported) -> tuple[str | None, str]:
        self.called("rewrite")
        return (None, "it was moved") if export.id == "gone" else ("d", "")

    def prune(self, histories: Any, order: Any) -> Pruned:
        self.called("prune")
        members = [one for history in histories for one in history]
        self.rest = [one for one in self.rest if not set(one) & set(members)]
        self.pruned += members
        return Pruned(runs=len(members))

    def unforgotten(self, most: int) -> Sequence[str]:
        return [one for one in self.pruned if one in self.engine]

    def forget(self, run_ids: Sequence[str]) -> None:
        self.called("forget")
        self.engine -= set(run_ids)

    def forgotten(self, run_ids: Sequence[str]) -> None:
        pass


def erasing(world: World, clock: FakeClock | None = None) -> Erasing:
    part: Any = world
    return Erasing(
        store=part,
        pruning=part,
        queue=part,
        ledger=part,
        files=part,
        eraser=Eraser,
        clock=clock or FakeClock(),
    )


def test_every_stage_is_done_in_order_and_the_receipt_says_so() -> None:
    world = World(exports=[Exported(id="x", path="p", digest="d", items=("m-1",))])
    done = erasing(world).carry_out("e-1")
    assert [one[3:] for one in world.calls if one.startswith("->")] == list(STAGES[1:])
    assert (done.ended, done.left, world.holder) == (True, (), "")
    assert world.engine == set()
    (fact,) = world.facts
    assert (fact.type, fact.chain) == ("memory.erased", "memory:acme")
    said = fact.data
    assert said["runs_pruned"] == 3
    assert said["scrubbed"] == {"blobs.data": 2}
    assert (said["rows"], said["exports"], said["evidence"]) == (2, ["x"], ["proof"])
    assert VALUE not in str(said)
    assert erasing(world).carry_out("e-1") == done
    assert world.facts == [fact]


def deaths() -> list[int]:
    world = World(exports=[Exported(id="x", path="p", digest="d", items=("m-1",))])
    erasing(world).carry_out("e-1")
    return list(range(1, len(world.calls) + 1))


@pytest.mark.parametrize("at", deaths())
def test_whoever_follows_a_process_that_died_at_any_call_ends_it(at: int) -> None:
    world = World(exports=[Exported(id="x", path="p", digest="d", items=("m-1",))], dies_at=at)
    with pytest.raises(Death):
        erasing(world).carry_out("e-1")
    world.holder = ""
    done = erasing(world).carry_out("e-1")
    assert done.ended
    assert set(done.left) <= {"no value was searched: verify with `--value`"}
    assert (world.engine, world.rows, world.exports) == (set(), False, [])
    assert {"ledger", "scrub", "purge", "compact"} <= set(world.calls)
    assert done.receipt["values"] == 1
    assert len(world.facts) == 1


def test_a_run_that_lives_is_waited_for_within_a_bound() -> None:
    world, clock = World(living=("r9",)), FakeClock()
    for _ in range(3):
        done = erasing(world, clock).carry_out("e-1")
        assert (done.stage, done.receipt["runs_living"]) == ("runs", ["r9"])
        assert (world.rows, world.holder) == (True, "")
    # What it holds is scrubbed at once, and once.
    assert world.calls.count("scrub") == 1
    clock.time += RUNS_WAIT_S + 1
    done = erasing(world, clock).carry_out("e-1")
    assert (done.ended, done.left) == (True, ("run r9 still lives",))


def test_when_the_run_has_ended_it_goes_on() -> None:
    world = World(living=("r9",))
    erasing(world).carry_out("e-1")
    world.living, world.rest = (), [("r9",)]
    done = erasing(world).carry_out("e-1")
    assert (done.ended, done.left, world.pruned[-1]) == (True, (), "r9")
    assert done.receipt["runs_pruned"] == 4


def test_what_is_left_is_named() -> None:
    world = World(
        exports=[Exported(id="gone", path="/p", digest="d", items=("m-1",))],
        places=[Trace(place="events.data", count=1, why="the event log is never rewritten")],
        remaining=Remains(stones=1),
        taken=1,
    )
    done = erasing(world).carry_out("e-1")
    assert list(done.left) == [
        "export gone in /p: it was moved",
        "events.data: 1 (the event log is never rewritten)",
        "its tombstones stand: not so",
        "the values stand nowhere: not so",
        "what was erased is refused when it is fed again: not so",
    ]


@pytest.mark.parametrize(
    "remaining",
    [
        Remains(stones=2, items=("m-1",)),
        Remains(stones=2, derived=("m-3",)),
        Remains(stones=2, reads=1),
        Remains(stones=1),
        Remains(stones=2, known_again=("m-4",)),
    ],
)
def test_a_look_finds_each_kind_of_remains(remaining: Remains) -> None:
    found = erasing(World(remaining=remaining)).look(BEGUN, ())
    assert not found.clean
    assert list(found.checks.values()).count(False) == 1
    assert erasing(World()).look(BEGUN, ()).clean


def test_a_worker_goes_on_with_what_nobody_is_at_and_survives_what_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(holder="somebody")
    resuming = Resuming(erasing=lambda: erasing(world))
    resuming.tick()
    assert not world.erasure.ended
    world.holder = ""
    resuming.tick()
    assert world.erasure.ended

    def broken() -> Erasing:
        raise OSError("no room")

    failing = Resuming(erasing=broken)
    failing.tick()
    failing.tick()
    assert [record.message for record in caplog.records] == [
        "an erasure was not gone on with: no room"
    ]
    idle = Resuming()
    idle.start()
    idle.stop(0.0)


def test_a_process_whose_erasure_was_taken_over_stops_before_its_next_batch() -> None:
    rest = [tuple(f"r{n}-{one}" for one in range(BATCH_RUNS)) for n in range(3)]
    world = World(rest=list(rest), taken_over_at=2)
    with pytest.raises(ErasureHeld):
        erasing(world).carry_out("e-1")
    assert world.calls.count("prune") == 1
    exports = [Exported(id=one, path="p", digest="d", items=("m-1",)) for one in "xy"]
    world = World(rest=[], exports=exports, taken_over_at=2)
    with pytest.raises(ErasureHeld):
        erasing(world).carry_out("e-1")
    assert world.calls.count("rewrite") == 1
