"""Cancel, pause, resume, retry, fork, move: what is asked of the record, and what of the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from fairlead import Principal
from fairlead.core.calls import Call, Done, Failed, Result
from fairlead.core.errors import FairleadError, InvalidInput, RunFinished, UnknownRun
from fairlead.core.outcome import FINAL_STATES
from fairlead.core.release import Release
from fairlead.ports.journal import CallVerdict, Execution
from fairlead.ports.runs import Order, RunRecord
from fairlead.runtime.control import Control
from fairlead.testing import FakeClock, FakeJournal
from tests.unit.runtime.bench import FakeRuns
from tests.unit.runtime.office import FakeQueue
from tests.unit.runtime.test_admission import MANIFEST

ORDER = Order(by="ann", reason="she said so")


@dataclass
class FakeControl:
    """Changes the state of runs in a dict."""

    runs: FakeRuns
    log: list[str]
    orders: list[Order] = field(default_factory=list)

    def cancel(self, run_id: str, order: Order) -> Sequence[str]:
        self._to(run_id, "cancelled", order)
        children = [run.id for run in self.runs.records.values() if run.parent_id == run_id]
        for child in children:
            self._to(child, "cancelled", order)
        return [run_id, *children]

    def pause(self, run_id: str, order: Order) -> RunRecord:
        return self._to(run_id, "paused", order)

    def resume(self, run_id: str, order: Order) -> RunRecord:
        if self.runs.get(run_id).state != "paused":
            raise RunFinished(run_id)
        return self._to(run_id, "queued", order)

    def fork(
        self,
        origin: RunRecord,
        fork: RunRecord,
        order: Order,
        *,
        before: int,
        copy: Callable[[], None],
        retry: bool = False,
    ) -> None:
        copy()
        self.orders.append(order)
        self.log.append(f"record {origin.id} {fork.id} {before}")
        self.runs.records[fork.id] = fork

    def move(
        self,
        origin: RunRecord,
        fresh: RunRecord,
        order: Order,
        *,
        before: int,
        copy: Callable[[], None],
        check: Callable[[], None],
    ) -> None:
        copy()
        self.late()
        check()
        self._to(origin.id, "cancelled", order)
        left = replace(self.runs.get(origin.id), outcome={"moved_to": fresh.id})
        self.runs.records[origin.id] = left
        self.log.append(f"record {origin.id} {fresh.id} {before}")
        self.runs.records[fresh.id] = fresh

    def late(self) -> None:
        """What happens while a run is being moved."""

    def _to(self, run_id: str, state: Any, order: Order) -> RunRecord:
        run = self.runs.get(run_id)
        if run.state in FINAL_STATES:
            raise RunFinished(run_id)
        self.orders.append(order)
        self.log.append(f"{state} {run_id}")
        self.runs.records[run_id] = replace(run, state=state)
        return self.runs.records[run_id]


class Room:
    """A control on fakes, with one run `r1`."""

    def __init__(self, **values: Any) -> None:
        self.log, self.clock = list[str](), FakeClock()
        self.queue, self.runs, self.journal = FakeQueue(self.log), FakeRuns(), FakeJournal()
        self.records = FakeControl(self.runs, self.log)
        self.control = Control(
            runs=self.runs,
            control=self.records,
            journal=self.journal,
            queue=self.queue,
            clock=self.clock,
        )
        self.add("r1", **values)

    def add(self, id: str, **values: Any) -> None:
        given = {"state": "running", "claims": 1, **values}
        self.runs.records[id] = RunRecord(
            id=id,
            workflow="echo",
            release="d1",
            code_digest=MANIFEST.code_digest,
            principal=Principal(user="ann", tenant="acme"),
            purpose="user",
            input="x",
            created_at=1.0,
            **given,
        )

    def calls(self, *results: Result) -> None:
        """Put calls of `r1` on record."""
        execution = Execution(started_at=0.0, finished_at=0.0, attempts=1, claim=1)
        for number, result in enumerate(results, 1):
            call = Call(
                run_id="r1", number=number, kind="tool", name="t", arguments={}, effect="once",
                lineage="r1",
            )  # fmt: skip
            self.journal.finish(call, result, execution, CallVerdict())


DONE, FAILED = Done(value=1), Failed(code="FL-603", reason="no")


def test_a_cancelled_run_is_on_record_before_the_engine_is_told_and_so_are_its_children() -> None:
    room = Room()
    room.add("r2", parent_id="r1")
    assert room.control.cancel("r1", ORDER) == ["r1", "r2"]
    assert room.queue.cancelled == ["r1", "r2"]
    assert room.records.orders == [ORDER, ORDER]
    with pytest.raises(RunFinished):
        room.control.cancel("r1", ORDER)
    assert room.queue.cancelled == ["r1", "r2"]


def test_a_paused_run_is_stopped_in_the_engine_and_a_resumed_one_is_queued() -> None:
    room = Room()
    assert room.control.pause("r1", ORDER).state == "paused"
    assert room.queue.cancelled == ["r1"]
    assert room.control.resume("r1", ORDER).state == "queued"
    assert room.records.orders == [ORDER, ORDER]
    with pytest.raises(RunFinished):
        room.control.resume("r1", ORDER)


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume", "retry"])
def test_a_run_that_is_not_there_is_not_there(verb: str) -> None:
    room = Room()
    with pytest.raises(UnknownRun):
        getattr(room.control, verb)("r9", ORDER)
    assert (room.log, room.queue.cancelled) == ([], [])


@pytest.mark.parametrize(
    ("results", "before"),
    [
        ((DONE, FAILED, DONE), 2),
        ((FAILED,), 1),
        ((DONE, DONE), 3),
        ((), 1),
    ],
    ids=["one failed", "the first failed", "none failed", "none was made"],
)
def test_a_retry_begins_at_the_first_call_that_was_not_done(
    results: tuple[Result, ...], before: int
) -> None:
    room = Room(state="failed")
    room.calls(*results)
    again = room.control.retry("r1", ORDER)
    assert room.log == [f"fork r1 {again.id} {before}", f"record r1 {again.id} {before}"]
    assert room.records.orders == [ORDER]


@pytest.mark.parametrize("state", ["succeeded", "running", "queued", "waiting", "paused"])
def test_what_succeeded_or_has_not_ended_is_not_retried(state: str) -> None:
    room = Room(state=state)
    with pytest.raises(RunFinished):
        room.control.retry("r1", ORDER)
    assert (room.log, len(room.runs.records)) == ([], 1)


def test_invariant_02_a_fork_keeps_the_keys_and_nothing_else_of_its_origins_life() -> None:
    room = Room(
        state="failed",
        claims=4,
        takeovers=2,
        started_at=2.0,
        finished_at=3.0,
        outcome={"x": 1},
        reason="it broke",
        start_key="k",
        parent_id="r0",
        parent_call=7,
        root_id="r0",
        priority=5,
        worker_id="w1",
    )
    room.calls(DONE)
    fork = room.control.fork("r1", 2, ORDER)
    assert (fork.lineage, fork.id != "r1", fork.state) == ("r1", True, "queued")
    assert (fork.release, fork.input, fork.principal.tenant) == ("d1", "x", "acme")
    family = (fork.start_key, fork.parent_id, fork.parent_call, fork.root_id)
    assert family == (None, None, None, "")
    assert fork.created_at == room.clock.now()
    # The engine has its record already, so the first claim resumes it.
    assert (fork.claims, fork.priority) == (1, 5)
    assert room.control.fork(fork.id, 1, ORDER).lineage == "r1"


def test_a_run_that_never_began_has_no_record_to_copy() -> None:
    room = Room(state="cancelled", claims=0)
    fork = room.control.fork("r1", 1, ORDER)
    assert room.log == [f"record r1 {fork.id} 1"]
    assert fork.claims == 0


@pytest.mark.parametrize("before", [0, -1, 3])
def test_a_fork_begins_at_a_call_that_is_there(before: int) -> None:
    room = Room()
    room.calls(DONE)
    with pytest.raises(InvalidInput):
        room.control.fork("r1", before, ORDER)
    assert (room.log, len(room.runs.records)) == ([], 1)


def test_invariant_03_a_fork_may_take_another_release_of_the_same_code() -> None:
    room = Room()
    same = Release(digest="d2", manifest=MANIFEST, created_at=0.0)
    assert room.control.fork("r1", 1, ORDER, release=same).release == "d2"
    other = replace(same, manifest=replace(MANIFEST, code_digest="0" * 64))
    with pytest.raises(FairleadError, match="other code"):
        room.control.fork("r1", 1, ORDER, release=other)
    assert len(room.runs.records) == 2
