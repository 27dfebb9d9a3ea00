"""Runs and calls on SQL: each change with its event, each end for good."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from fairlead import Principal
from fairlead.adapters.sql.control import SqlRunControl
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.dispatch import SqlDispatchStore
from fairlead.adapters.sql.effects import SqlEffectsLedger
from fairlead.adapters.sql.events import SqlEventLog
from fairlead.adapters.sql.journal import SqlJournal
from fairlead.adapters.sql.runs import SqlRunStore
from fairlead.adapters.sql.waits import SqlWaitStore
from fairlead.adapters.sql.workers import SqlWorkerStore
from fairlead.core.calls import Call, Done, Failed, Refused, Result, Unknown, Usage
from fairlead.core.errors import (
    LeaseLost,
    QueueFull,
    RunFinished,
    StartKeyReused,
    UnknownRun,
)
from fairlead.core.label import Label
from fairlead.core.outcome import RunState
from fairlead.ports.dispatch import Bid, Claimed, Fence, TakenOver
from fairlead.ports.journal import CallVerdict, Execution
from fairlead.ports.runs import Ending, Order, Room, RunRecord
from fairlead.ports.workers import WorkerRecord
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
    root_id="aa11",
    lineage="aa11",
)
ORDER = Order(by="ann", reason="a mistake")
BACKLOG = 1000
CALL = Call(
    run_id="aa11", number=1, kind="tool", name="pay", arguments={}, effect="once", lineage="aa11"
)
TIMING = Execution(started_at=1.0, finished_at=2.0, attempts=1, claim=1)


def ending(state: RunState = "succeeded", answer: object = 1, reason: str = "") -> Ending:
    """Return how a run ends."""
    return Ending(state=state, outcome={"answer": answer}, reason=reason)


class Stores:
    """The stores of one database."""

    def __init__(self, database: Database) -> None:
        self.clock = FakeClock()
        self.database = database
        self.runs = SqlRunStore(database, self.clock)
        self.control = SqlRunControl(database, self.clock)
        self.dispatch = SqlDispatchStore(database, self.clock)
        self.journal = SqlJournal(database, self.clock)
        self.effects = SqlEffectsLedger(database, self.clock)
        self.waits = SqlWaitStore(database, self.clock)
        self.workers = SqlWorkerStore(database, self.clock)
        self.events = SqlEventLog(database, self.clock)

    def admit(self, run: RunRecord = RUN, **values: object) -> RunRecord:
        """Admit a run, with some values of it changed."""
        return self.runs.admit(replace(run, **values), room=Room(backlog=BACKLOG))  # type: ignore[arg-type]

    def claim(self, worker: str = "w1", most: int = 1, **bid: object) -> list[Claimed]:
        """Let a worker claim runs."""
        asked = {"worker_id": worker, "code": "c", "queues": ("default",), "most": most, **bid}
        return [*self.dispatch.claim(Bid(**asked), lambda _, __: None)]  # type: ignore[arg-type]

    def start_worker(self, id: str) -> None:
        """Record a worker's start."""
        worker = WorkerRecord(
            id=id, code_digest="c", host="h", pid=7, started_at=0.0, heartbeat_at=0.0
        )
        self.workers.start(worker, 10.0)

    def age(self, seconds: float) -> None:
        """Make every heartbeat and every wait older, as if the database's clock had gone on."""
        with self.database.transaction() as connection:
            for statement in (
                "UPDATE workers SET heartbeat_at = heartbeat_at - :s",
                "UPDATE waits SET due_at = due_at - :s, opened_at = opened_at - :s",
                "UPDATE runs SET wake_at = wake_at - :s",
                "UPDATE approvals SET expires_at = expires_at - :s",
            ):
                connection.execute(sa.text(statement), {"s": seconds})

    def die(self, worker: str, limit: int = 3) -> TakenOver:
        """Let a worker die and another one take over."""
        self.age(100.0)
        taken = self.dispatch.take_over(worker, 10.0, limit)
        assert taken is not None
        return taken

    def types(self, run_id: str = "aa11") -> list[str]:
        """Return the types of a run's events."""
        return [event.type for event in self.events.list(chain=f"run:{run_id}")]


@pytest.fixture
def stores(database: Database) -> Stores:
    made = Stores(database)
    made.admit()
    return made


@pytest.fixture
def fence(stores: Stores) -> Fence:
    """The claim under which `RUN` is executed."""
    (claimed,) = stores.claim()
    assert claimed.run_id == "aa11"
    return claimed.fence


def test_a_run_comes_back_as_it_was_admitted(stores: Stores) -> None:
    assert stores.runs.get("aa11") == RUN
    assert stores.types() == ["run.admitted"]


def test_invariant_05_what_a_run_was_given_keeps_its_label(stores: Stores) -> None:
    label = Label(integrity="untrusted", readers=("tenant:acme",), origins=("tool:read_mail",))
    stores.admit(id="bb22", root_id="bb22", lineage="bb22", label=label)
    assert stores.runs.get("bb22").label == label
    assert stores.runs.get("aa11").label is None


def test_invariant_11_the_backlog_is_bounded_and_children_are_always_taken(
    stores: Stores,
) -> None:
    stores.admit(id="bb22")
    with pytest.raises(QueueFull, match="2 runs"):
        stores.runs.admit(replace(RUN, id="cc33"), room=Room(backlog=2))
    with pytest.raises(UnknownRun):
        stores.runs.get("cc33")
    child = replace(RUN, id="dd44", parent_id="aa11", parent_call=1)
    assert stores.runs.admit(child, room=Room(backlog=2)).id == "dd44"
    stores.control.cancel("bb22", ORDER)
    assert stores.runs.admit(replace(RUN, id="cc33"), room=Room(backlog=3)).id == "cc33"


def test_a_start_key_gives_the_same_run_within_its_tenant_and_workflow(stores: Stores) -> None:
    first = stores.admit(id="k1", start_key="order-7")
    assert stores.admit(id="k2", start_key="order-7") == first
    with pytest.raises(StartKeyReused, match="k1"):
        stores.admit(id="k3", start_key="order-7", input="another")
    other = Principal(user="ann", tenant="other")
    assert stores.admit(id="k4", start_key="order-7", principal=other).id == "k4"
    assert stores.admit(id="k5", start_key="order-7", workflow="v").id == "k5"
    assert stores.types("k1") == ["run.admitted"]


def test_a_child_is_admitted_once_for_its_place_and_never_under_an_ended_parent(
    stores: Stores,
) -> None:
    first = stores.admit(id="c1", parent_id="aa11", parent_call=1, root_id="aa11")
    assert stores.admit(id="c2", parent_id="aa11", parent_call=1, root_id="aa11") == first
    assert stores.admit(id="c3", parent_id="aa11", parent_call=2, root_id="aa11").id == "c3"
    assert stores.control.cancel("aa11", ORDER) == ["aa11", "c1", "c3"]
    assert {stores.runs.get(run).state for run in ("aa11", "c1", "c3")} == {"cancelled"}
    with pytest.raises(RunFinished):
        stores.admit(id="c4", parent_id="aa11", parent_call=3)


def test_the_first_start_counts(stores: Stores, fence: Fence) -> None:
    first = stores.runs.begin("aa11", fence)
    stores.clock.time += 60
    assert stores.runs.begin("aa11", Fence(worker_id="w2", claim=2)) == first
    assert (first.state, first.started_at) == ("running", 1_000_000.0)
    assert stores.types() == ["run.admitted", "run.started"]


def test_the_first_end_counts(stores: Stores, fence: Fence) -> None:
    stores.runs.begin("aa11", fence)
    first = stores.runs.finish("aa11", ending(), fence)
    stores.clock.time += 60
    assert stores.runs.finish("aa11", ending("failed", None, "late"), fence) == first
    assert (first.state, first.outcome, first.finished_at) == ("succeeded", {"answer": 1}, 1e6)
    assert (first.worker_id, first.wake_at) == (None, None)
    with pytest.raises(RunFinished):
        stores.control.cancel("aa11", ORDER)
    assert stores.types() == ["run.admitted", "run.started", "run.finished"]


def test_who_lost_a_run_cannot_end_it(stores: Stores, fence: Fence) -> None:
    stores.start_worker("w1")
    assert stores.die("w1").adopted == ("aa11",)
    with pytest.raises(LeaseLost):
        stores.runs.finish("aa11", ending(), fence)
    (again,) = stores.claim("w2")
    with pytest.raises(LeaseLost):
        stores.runs.finish("aa11", ending(), fence)
    assert stores.runs.finish("aa11", ending(), again.fence).state == "succeeded"


def test_a_cancelled_run_does_not_begin(stores: Stores, fence: Fence) -> None:
    stores.control.cancel("aa11", ORDER)
    begun = stores.runs.begin("aa11", fence)
    assert (begun.state, begun.started_at, begun.reason) == ("cancelled", None, "a mistake")
    assert stores.types() == ["run.admitted", "run.cancelled"]
    assert stores.claim() == []


def test_a_paused_run_is_claimed_by_nobody_until_it_is_resumed(
    stores: Stores, fence: Fence
) -> None:
    assert stores.control.pause("aa11", ORDER).state == "paused"
    assert stores.control.pause("aa11", ORDER).state == "paused"
    assert stores.claim("w2") == []
    with pytest.raises(LeaseLost):
        stores.runs.finish("aa11", ending(), fence)
    assert stores.control.resume("aa11", ORDER).state == "queued"
    with pytest.raises(RunFinished):
        stores.control.resume("aa11", ORDER)
    assert [claimed.run_id for claimed in stores.claim("w2")] == ["aa11"]
    assert stores.types() == ["run.admitted", "run.paused", "run.resumed"]


def test_a_prefix_names_a_run_when_it_is_the_only_one(stores: Stores) -> None:
    stores.admit(id="aa1122")
    stores.admit(id="a%_")
    assert stores.runs.get("aa11").id == "aa11"
    assert stores.runs.get("aa112").id == "aa1122"
    assert stores.runs.get("a%").id == "a%_"
    for name in ("aa1", "a", "", "x", "%"):
        with pytest.raises(UnknownRun):
            stores.runs.get(name)


def test_runs_are_listed_newest_first_without_their_payloads(stores: Stores) -> None:
    for number in range(2, 5):
        stores.admit(id=f"r{number}", created_at=float(number), release=f"d{number % 2}")
    stores.control.cancel("r4", ORDER)
    assert [run.id for run in stores.runs.list()] == ["r4", "r3", "r2", "aa11"]
    assert [run.id for run in stores.runs.list(limit=2)] == ["r4", "r3"]
    assert [run.id for run in stores.runs.list(state="queued", release="d0")] == ["r2"]
    assert {run.input for run in stores.runs.list()} == {None}


def test_a_run_of_no_environment_is_listed_in_each(stores: Stores) -> None:
    for id, environment in (("live1", "live"), ("stage1", "stage")):
        stores.admit(id=id, root_id=id, lineage=id, created_at=2.0, environment=environment)
    assert stores.runs.get("live1").environment == "live"
    assert [run.id for run in stores.runs.list(environment="live")] == ["live1", "aa11"]
    assert [run.id for run in stores.runs.list(environment="stage")] == ["stage1", "aa11"]
    assert [run.id for run in stores.runs.list()] == ["stage1", "live1", "aa11"]
    assert stores.events.list(chain="run:live1")[0].data["environment"] == "live"
    assert "environment" not in stores.events.list(chain="run:aa11")[0].data
    assert list(stores.events.gaps()) == []


RESULTS: list[Result] = [
    Done(value={"x": 1}, usage=Usage(input_tokens=3, output_tokens=4, cost_usd=0.25)),
    Refused(code="FL-500", reason="no"),
    Failed(code="FL-603", reason="broken"),
    Unknown(reason="who knows"),
]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_a_call_comes_back_as_it_ended(stores: Stores, fence: Fence, result: Result) -> None:
    assert stores.journal.find("aa11", 1) is None
    stores.journal.intend(CALL, 1.0)
    stores.effects.intend(CALL, "acme", fence)
    intended = stores.journal.find("aa11", 1)
    assert intended is not None
    assert (intended.state, intended.result, intended.finished_at) == ("intended", None, None)
    stores.journal.finish(CALL, result, TIMING, CallVerdict())
    (record,) = stores.journal.of_run("aa11")
    assert record.result == result
    assert record.usage == (result.usage if isinstance(result, Done) else Usage())
    assert (record.arguments_digest, record.attempts) == (CALL.arguments_digest, 1)
    assert stores.types() == ["run.admitted", "call.intended", "call.finished"]
    assert stores.events.gaps() == []


def test_an_intent_that_is_written_again_changes_nothing(stores: Stores) -> None:
    stores.journal.intend(CALL, 1.0)
    stores.journal.intend(CALL, 2.0)
    (record,) = stores.journal.of_run("aa11")
    assert record.started_at == 1.0


def test_what_a_family_used_is_counted_on_its_root(stores: Stores, fence: Fence) -> None:
    stores.admit(id="c1", parent_id="aa11", parent_call=1, root_id="aa11")
    done = Done(value=1, usage=Usage(cost_usd=0.25))
    stores.journal.finish(CALL, done, TIMING, CallVerdict())
    child = replace(CALL, run_id="c1", lineage="aa11.1", root_id="aa11", effect="read")
    stores.journal.finish(child, done, TIMING, CallVerdict())
    spent = stores.runs.spent("aa11")
    assert (spent.calls, spent.cost_usd) == (2, 0.5)
    assert stores.runs.spent("c1").calls == 0


def test_invariant_01_an_outcome_on_record_is_not_replaced(stores: Stores) -> None:
    """A worker that was only asleep comes late; what it brings changes nothing."""
    stores.journal.finish(CALL, Done(value=1), TIMING, CallVerdict())
    stores.journal.finish(CALL, Done(value=2), TIMING, CallVerdict())
    record = stores.journal.find("aa11", 1)
    assert record is not None
    assert record.result == Done(value=1)
    assert stores.types() == ["run.admitted", "call.finished"]
    assert stores.runs.spent("aa11").calls == 1


def test_invariant_02_what_was_unknown_can_become_known(stores: Stores, fence: Fence) -> None:
    stores.journal.intend(CALL, 1.0)
    stores.effects.intend(CALL, "acme", fence)
    stores.journal.finish(CALL, Unknown(reason="a worker died"), TIMING, CallVerdict())
    stores.journal.finish(CALL, Done(value=1), TIMING, CallVerdict())
    record = stores.journal.find("aa11", 1)
    assert record is not None
    assert (record.state, record.reason) == ("done", "")
    (effect,) = stores.effects.of_run("aa11")
    assert (effect.state, effect.result) == ("done", 1)


def test_another_model_is_a_fact_once_per_run_and_pair(stores: Stores) -> None:
    def answer(number: int, name: str, served_by: str) -> None:
        call = replace(CALL, number=number, kind="model", name=name, effect="read")
        result = Done(value="x", served_by=served_by)
        stores.journal.finish(call, result, TIMING, CallVerdict())
        assert stores.journal.of_run("aa11")[-1].result == result

    answer(1, "openai:gpt-5", "gpt-5-2025-08-07")
    assert stores.types() == ["run.admitted", "call.finished", "model.changed"]
    answer(2, "openai:gpt-5", "gpt-5-2025-08-07")
    answer(3, "openai:gpt-5", "gpt-5")
    answer(4, "openai:gpt-5", "gpt-4")
    answer(5, "openai:gpt-5-mini", "gpt-4")
    changed = [e.data for e in stores.events.list(chain="run:aa11") if e.type == "model.changed"]
    assert changed == [
        {"asked": "openai:gpt-5", "served_by": "gpt-5-2025-08-07"},
        {"asked": "openai:gpt-5", "served_by": "gpt-4"},
        {"asked": "openai:gpt-5-mini", "served_by": "gpt-4"},
    ]
    assert stores.events.gaps() == []


def test_the_log_holds_digests_and_no_payload(stores: Stores, fence: Fence) -> None:
    stores.journal.finish(CALL, Done(value="canary-4711"), TIMING, CallVerdict())
    stores.runs.finish("aa11", ending(answer="canary-4711"), fence)
    assert "canary-4711" not in str(stores.events.list(chain="run:aa11"))
    assert "why?" not in str(stores.events.list(chain="run:aa11"))


def test_an_unknown_call_that_is_looked_at_again_is_counted_once(
    stores: Stores, fence: Fence
) -> None:
    stores.effects.intend(CALL, "acme", fence)
    for _ in range(3):
        stores.journal.finish(CALL, Unknown(reason="?"), TIMING, CallVerdict())
    stores.journal.finish(CALL, Done(value=1), TIMING, CallVerdict())
    assert stores.runs.spent("aa11").calls == 1


def test_the_time_for_which_a_run_is_held_is_kept_with_it(stores: Stores, fence: Fence) -> None:
    for seconds in (30.0, 12.0):
        stores.control.pause("aa11", ORDER)
        stores.clock.time += seconds
        stores.control.resume("aa11", ORDER)
        stores.clock.time += 100.0
    assert stores.runs.get("aa11").held_s == 42.0
