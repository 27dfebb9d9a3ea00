"""Runs and calls on SQL: each change with its event, each end for good."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fairlead import Principal
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import SqlEventLog
from fairlead.adapters.sql.journal import SqlJournal
from fairlead.adapters.sql.runs import SqlRunStore
from fairlead.core.calls import Call, Done, Failed, Refused, Result, Unknown, Usage
from fairlead.core.errors import RunFinished, UnknownRun
from fairlead.ports.journal import Timing
from fairlead.ports.runs import RunRecord
from fairlead.testing import FakeClock

RUN = RunRecord(
    id="aa11",
    workflow="w",
    release="d",
    code_digest="c",
    principal=Principal(user="ann", tenant="acme"),
    purpose="user",
    state="queued",
    input={"question": "why?"},
    created_at=1.0,
)
CALL = Call(
    run_id="aa11", number=1, kind="tool", name="pay", arguments={}, effect="once", lineage="aa11"
)
TIMING = Timing(started_at=1.0, finished_at=2.0, attempts=1)


class Stores:
    """The stores of one database."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.database = Database(f"sqlite:///{folder}/runs.db", synchronous="normal")
        self.runs = SqlRunStore(self.database, self.clock)
        self.journal = SqlJournal(self.database, self.clock)
        self.events = SqlEventLog(self.database, self.clock)

    def types(self) -> list[str]:
        """Return the types of the events of `RUN`."""
        return [event.type for event in self.events.list(chain="run:aa11")]


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    made = Stores(tmp_path)
    made.runs.admit(RUN, lambda _: None)
    yield made
    made.database.close()


def test_a_run_comes_back_as_it_was_admitted(stores: Stores) -> None:
    assert stores.runs.get("aa11") == RUN
    assert stores.types() == ["run.admitted"]


def test_a_run_that_cannot_be_queued_is_not_recorded(stores: Stores) -> None:
    def full(_: Any) -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        stores.runs.admit(replace(RUN, id="bb22"), full)
    with pytest.raises(UnknownRun):
        stores.runs.get("bb22")
    assert stores.events.list(chain="run:bb22") == []


def test_the_first_start_counts(stores: Stores) -> None:
    first = stores.runs.begin("aa11", "w1")
    stores.clock.time += 60
    assert stores.runs.begin("aa11", "w2") == first
    assert (first.state, first.started_at) == ("running", 1_000_000.0)
    assert stores.types() == ["run.admitted", "run.started"]


def test_the_first_end_counts(stores: Stores) -> None:
    stores.runs.begin("aa11", "w1")
    first = stores.runs.finish("aa11", "succeeded", {"answer": 1}, "")
    stores.clock.time += 60
    assert stores.runs.finish("aa11", "failed", None, "late") == first
    assert (first.state, first.outcome, first.finished_at) == ("succeeded", {"answer": 1}, 1e6)
    with pytest.raises(RunFinished):
        stores.runs.cancel("aa11", "ann", "late")
    assert stores.runs.take_over("aa11", "w1", 3) is False
    assert stores.types() == ["run.admitted", "run.started", "run.finished"]


def test_a_cancelled_run_does_not_begin(stores: Stores) -> None:
    stores.runs.cancel("aa11", "ann", "a mistake")
    begun = stores.runs.begin("aa11", "w1")
    assert (begun.state, begun.started_at, begun.reason) == ("cancelled", None, "a mistake")
    assert stores.types() == ["run.admitted", "run.cancelled"]


def test_invariant_11_a_run_is_taken_over_so_often_and_no_more(stores: Stores) -> None:
    stores.runs.begin("aa11", "w1")
    assert [stores.runs.take_over("aa11", f"w{n}", 3) for n in range(4)] == [
        True,
        True,
        False,
        False,
    ]
    ended = stores.runs.get("aa11")
    assert (ended.state, ended.takeovers) == ("failed", 3)
    assert ended.reason.startswith("FL-407")
    assert ended.outcome["code"] == "FL-407"
    types = ["run.admitted", "run.started", "run.taken_over", "run.taken_over", "run.quarantined"]
    assert stores.types() == types


def test_a_prefix_names_a_run_when_it_is_the_only_one(stores: Stores) -> None:
    stores.runs.admit(replace(RUN, id="aa1122"), lambda _: None)
    stores.runs.admit(replace(RUN, id="a%_"), lambda _: None)
    assert stores.runs.get("aa11").id == "aa11"
    assert stores.runs.get("aa112").id == "aa1122"
    assert stores.runs.get("a%").id == "a%_"
    for name in ("aa1", "a", "", "x", "%"):
        with pytest.raises(UnknownRun):
            stores.runs.get(name)


def test_runs_are_listed_newest_first_without_their_payloads(stores: Stores) -> None:
    for number in range(2, 5):
        run = replace(RUN, id=f"r{number}", created_at=float(number), release=f"d{number % 2}")
        stores.runs.admit(run, lambda _: None)
    stores.runs.cancel("r4", "ann", "a mistake")
    assert [run.id for run in stores.runs.list()] == ["r4", "r3", "r2", "aa11"]
    assert [run.id for run in stores.runs.list(limit=2)] == ["r4", "r3"]
    assert [run.id for run in stores.runs.list(state="queued", release="d0")] == ["r2"]
    assert {run.input for run in stores.runs.list()} == {None}


RESULTS: list[Result] = [
    Done(value={"x": 1}, usage=Usage(input_tokens=3, output_tokens=4, cost_usd=0.25)),
    Refused(code="FL-500", reason="no"),
    Failed(code="FL-603", reason="broken"),
    Unknown(reason="who knows"),
]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_a_call_comes_back_as_it_ended(stores: Stores, result: Result) -> None:
    assert stores.journal.find(CALL.key) is None
    stores.journal.intend(CALL, 1.0)
    intended = stores.journal.find(CALL.key)
    assert intended is not None
    assert (intended.state, intended.result, intended.finished_at) == ("intended", None, None)
    stores.journal.finish(CALL, result, TIMING, "allowed")
    (record,) = stores.journal.of_run("aa11")
    assert record.result == result
    assert record.usage == (result.usage if isinstance(result, Done) else Usage())
    assert (record.arguments_digest, record.attempts) == (CALL.arguments_digest, 1)
    assert stores.types() == ["run.admitted", "call.intended", "call.finished"]
    assert stores.events.gaps() == []


def test_invariant_01_an_outcome_on_record_is_not_replaced(stores: Stores) -> None:
    """A worker that was only asleep comes late; what it brings changes nothing."""
    stores.journal.finish(CALL, Done(value=1), TIMING, "allowed")
    stores.journal.finish(CALL, Done(value=2), TIMING, "allowed")
    record = stores.journal.find(CALL.key)
    assert record is not None
    assert record.result == Done(value=1)
    assert stores.types() == ["run.admitted", "call.finished"]


def test_invariant_02_what_was_unknown_can_become_known(stores: Stores) -> None:
    stores.journal.intend(CALL, 1.0)
    stores.journal.finish(CALL, Unknown(reason="a worker died"), TIMING, "allowed")
    stores.journal.finish(CALL, Done(value=1), TIMING, "allowed")
    record = stores.journal.find(CALL.key)
    assert record is not None
    assert (record.state, record.reason) == ("done", "")


def test_the_log_holds_digests_and_no_payload(stores: Stores) -> None:
    stores.journal.finish(CALL, Done(value="canary-4711"), TIMING, "allowed")
    stores.runs.finish("aa11", "succeeded", {"answer": "canary-4711"}, "")
    assert "canary-4711" not in str(stores.events.list(chain="run:aa11"))
    assert "why?" not in str(stores.events.list(chain="run:aa11"))
