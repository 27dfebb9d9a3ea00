"""The log on SQL: chains that grow in order, and what somebody did to them behind our back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead import Principal
from fairlead.adapters.sql.control import SqlRunControl
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.dispatch import SqlDispatchStore
from fairlead.adapters.sql.events import SqlEventLog
from fairlead.adapters.sql.journal import SqlJournal
from fairlead.adapters.sql.runs import SqlRunStore
from fairlead.adapters.sql.workers import SqlWorkerStore
from fairlead.core.calls import Call, Done
from fairlead.core.errors import StoreCorrupt
from fairlead.core.event import Fact, verify_chain
from fairlead.ports.dispatch import Bid
from fairlead.ports.journal import CallVerdict, Execution
from fairlead.ports.runs import Ending, Order, Room, RunRecord
from fairlead.ports.workers import WorkerRecord
from fairlead.testing import FakeClock
from tests.databases import KINDS, opened

CALLS = 3


class Log:
    """A log with one whole run in it, as often as a test asks."""

    def __init__(self, database: Database) -> None:
        self.clock = FakeClock()
        self.database = database
        self.events = SqlEventLog(self.database, self.clock)
        self.runs = SqlRunStore(self.database, self.clock)
        self.journal = SqlJournal(self.database, self.clock)
        self.dispatch = SqlDispatchStore(self.database, self.clock)
        self.control = SqlRunControl(self.database, self.clock)
        self.workers = SqlWorkerStore(self.database, self.clock)

    def run(self, end: Callable[[str], object] | None = None) -> str:
        """Record a run with its calls and its end; return its id."""
        run_id = self.clock.id()
        run = RunRecord(
            id=run_id,
            workflow="w",
            release="d",
            code_digest="c",
            principal=Principal(),
            purpose="user",
            state="queued",
            input="hello",
            created_at=self.clock.now(),
        )
        self.runs.admit(run, room=Room(backlog=10**6))
        bid = Bid(worker_id="w1", code="c", queues=("default",), most=100)
        (claimed,) = self.dispatch.claim(bid, lambda _, __: None)
        self.fence = claimed.fence
        self.runs.begin(run_id, self.fence)
        for number in range(1, CALLS + 1):
            call = Call(
                run_id=run_id,
                number=number,
                kind="tool",
                name="look",
                arguments={},
                effect="read",
                lineage=run_id,
            )
            execution = Execution(started_at=0.0, finished_at=1.0, attempts=1, claim=1)
            self.journal.finish(call, Done(value=number), execution, CallVerdict())
        (end or self._succeed)(run_id)
        return run_id

    def _succeed(self, run_id: str) -> None:
        end = Ending(state="succeeded", outcome={"answer": 1}, reason="")
        self.runs.finish(run_id, end, self.fence)

    def quarantine(self, run_id: str) -> None:
        """Let the run be the last one that its worker was ever killed by."""
        worker = WorkerRecord(
            id="w1", code_digest="c", host="h", pid=7, started_at=0.0, heartbeat_at=0.0
        )
        self.behind_our_back("DELETE FROM workers")
        self.workers.start(worker, 10.0)
        self.behind_our_back("UPDATE workers SET heartbeat_at = 1")
        taken = self.dispatch.take_over("w1", 10.0, 1)
        assert taken is not None
        assert taken.quarantined == (run_id,)

    def behind_our_back(self, statement: str, **values: object) -> int:
        """Change the tables without the log; return how many rows."""
        with self.database.transaction() as connection:
            return connection.execute(sa.text(statement), values).rowcount

    def length(self, run_id: str) -> int:
        """Return how many events a run's chain has."""
        return len(self.events.list(chain=f"run:{run_id}"))

    def findings(self, run_id: str) -> list[str]:
        """Return what is found on one run, by its chain or by the other tables."""
        chains = [c for c in self.events.chains() if c[0].chain == f"run:{run_id}"]
        found = [finding for chain in chains if (finding := verify_chain(chain))]
        return found + [gap for gap in self.events.gaps() if run_id in gap]


@pytest.fixture(scope="module", params=KINDS)
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    with opened(request.param, request, tmp_path_factory.mktemp("log")) as database:
        yield Log(database)


def test_a_whole_run_has_a_chain_that_holds_and_no_gap(log: Log) -> None:
    run_id = log.run()
    types = [event.type for event in log.events.list(chain=f"run:{run_id}")]
    assert types == ["run.admitted", "run.started", *["call.finished"] * CALLS, "run.finished"]
    assert log.findings(run_id) == []


ORDER = Order(by="ann", reason="a mistake")
ENDS = {
    "cancelled": lambda log: lambda run_id: log.control.cancel(run_id, ORDER),
    "quarantined": lambda log: log.quarantine,
}


@pytest.mark.parametrize("end", ENDS)
def test_every_end_of_a_run_is_in_its_chain(log: Log, end: str) -> None:
    run_id = log.run(ENDS[end](log))
    assert log.findings(run_id) == []
    log.behind_our_back(
        "DELETE FROM events WHERE chain = :chain AND type = :type",
        chain=f"run:{run_id}",
        type=f"run.{end}",
    )
    state = {"cancelled": "cancelled", "quarantined": "failed"}[end]
    assert log.findings(run_id) == [
        f"run {run_id} is on record as {state}, and its events do not say so"
    ]


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE runs SET state = 'denied' WHERE id = :run", "is on record as denied"),
        ("UPDATE calls SET state = 'failed' WHERE run_id = :run", "call 1 of run"),
        ("UPDATE runs SET release = 'x' WHERE id = :run", "not on record as it was admitted"),
        ("UPDATE runs SET tenant = 'x' WHERE id = :run", "not on record as it was admitted"),
        ("UPDATE runs SET environment = 'x' WHERE id = :run", "not on record as it was admitted"),
        ("UPDATE runs SET state = 'running' WHERE id = :run", "as if it had not"),
        ("UPDATE calls SET finished_at = NULL WHERE run_id = :run", "as if it had not"),
    ],
)
def test_a_row_that_was_changed_is_found(log: Log, statement: str, finding: str) -> None:
    run_id = log.run()
    log.behind_our_back(statement, run=run_id)
    assert finding in " ".join(log.findings(run_id))


def test_a_payload_that_was_changed_is_found_and_not_read(database: Database) -> None:
    log = Log(database)
    run_id = log.run()
    log.behind_our_back(
        "UPDATE blobs SET data = :data WHERE digest = (SELECT input_digest FROM runs "
        "WHERE id = :run)",
        data=b"{}",
        run=run_id,
    )
    with pytest.raises(StoreCorrupt):
        log.runs.get(run_id)
    assert any("was changed" in finding for finding in log.events.gaps())


tampering = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


@tampering
@given(keep=st.integers(0, CALLS + 2))
def test_truncating_a_chain_is_found(log: Log, keep: int) -> None:
    run_id = log.run()
    statement = "DELETE FROM events WHERE chain = :chain AND sequence > :keep"
    assert log.behind_our_back(statement, chain=f"run:{run_id}", keep=keep) > 0
    assert log.findings(run_id) != []


@tampering
@given(place=st.integers(1, CALLS + 3))
def test_deleting_an_event_is_found(log: Log, place: int) -> None:
    run_id = log.run()
    statement = "DELETE FROM events WHERE chain = :chain AND sequence = :place"
    assert log.behind_our_back(statement, chain=f"run:{run_id}", place=place) == 1
    assert log.findings(run_id) != []


@tampering
@given(
    place=st.integers(1, CALLS + 3),
    column=st.sampled_from(["id", "type", "time", "data", "garbage", "half", "previous", "hash"]),
)
def test_editing_an_event_is_found(log: Log, place: int, column: str) -> None:
    run_id = log.run()
    value = {
        "id": "'x' || id",
        "type": "'worker.died'",
        "time": "time + 1",
        "data": "'{}'",
        "garbage": "'{'",
        # JSON by its grammar, and no text that a database could hold.
        "half": """'{"key": "\\ud800", "state": "\\ud800", "release": "\\ud800"}'""",
        "previous": "'g' || substr(previous, 2)",
        "hash": "'g' || substr(hash, 2)",
    }[column]
    column = "data" if column in ("garbage", "half") else column
    statement = f"UPDATE events SET {column} = {value} WHERE chain = :chain AND sequence = :place"
    assert log.behind_our_back(statement, chain=f"run:{run_id}", place=place) == 1
    assert log.findings(run_id) != []


@tampering
@given(first=st.integers(1, CALLS + 3), second=st.integers(1, CALLS + 3))
def test_changing_the_order_is_found(log: Log, first: int, second: int) -> None:
    run_id = log.run()
    chain = {"chain": f"run:{run_id}"}
    move = "UPDATE events SET sequence = :new WHERE chain = :chain AND sequence = :old"
    for old, new in ((first, 1000), (second, first), (1000, second)):
        log.behind_our_back(move, old=old, new=new, **chain)
    assert (log.findings(run_id) == []) == (first == second)


def test_moving_events_to_another_chain_is_found(log: Log) -> None:
    one, other = log.run(), log.run()
    log.behind_our_back("DELETE FROM events WHERE chain = :chain", chain=f"run:{other}")
    log.behind_our_back(
        "UPDATE events SET chain = :new WHERE chain = :old", new=f"run:{other}", old=f"run:{one}"
    )
    assert log.findings(one) != []
    assert log.findings(other) != []


def test_a_chain_has_one_order_whoever_appends(log: Log) -> None:
    facts = [Fact(chain="worker:x", type="worker.started", data={"n": n}) for n in range(3)]
    log.events.append(facts[:2])
    log.events.append(facts[2:])
    chain = log.events.list(chain="worker:x")
    assert [(event.sequence, event.data["n"]) for event in chain] == [(1, 0), (2, 1), (3, 2)]
    assert verify_chain(chain) is None


def test_facts_of_one_transaction_come_together_or_not_at_all(log: Log) -> None:
    facts = [
        Fact(chain="worker:y", type="worker.started"),
        Fact(chain="worker:y", type="worker.died", data={"x": {1}}),
    ]
    with pytest.raises(TypeError):
        log.events.append(facts)
    assert log.events.list(chain="worker:y") == []


def test_the_newest_events_come_last_and_are_bounded(log: Log) -> None:
    for number in range(5):
        log.clock.time += 1
        log.events.append([Fact(chain=f"worker:z{number}", type="worker.started")])
    assert [event.chain for event in log.events.list(limit=2)] == ["worker:z3", "worker:z4"]


def test_events_of_some_types_come_chain_by_chain_from_a_time_on(log: Log) -> None:
    first, second = log.run(), log.run()
    types = ("run.admitted", "run.finished")
    mine = {f"run:{first}", f"run:{second}"}
    found = [one for one in log.events.of_types(types) if one.chain in mine]
    chains = sorted(mine)
    assert [one.chain for one in found] == [chains[0], chains[0], chains[1], chains[1]]
    assert [one.type for one in found] == [*types, *types]
    every = [one for chain in log.events.chains() for one in chain]
    assert list(log.events.of_types(types)) == [one for one in every if one.type in types]
    since = max(one.time for one in found)
    assert {one.time for one in log.events.of_types(types, since=since)} == {since}
    assert list(log.events.of_types(())) == []
