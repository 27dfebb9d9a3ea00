"""What is done to hundreds of runs at once asks the database a few times, not hundreds of times."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from fairlead import Principal
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.dispatch import SqlDispatchStore
from fairlead.adapters.sql.events import SqlEventLog
from fairlead.adapters.sql.runs import SqlRunStore
from fairlead.adapters.sql.workers import SqlWorkerStore
from fairlead.core.event import Fact, verify_chain
from fairlead.ports.dispatch import Bid
from fairlead.ports.runs import Room, RunRecord
from fairlead.ports.workers import WorkerRecord
from fairlead.testing import FakeClock
from fairlead.testing.postgres import PostgresServer

RUNS = 100
STATEMENTS_MAX = 20
CONNECTIONS = 10
LATER_S = 10.0


@contextmanager
def counted(engine: sa.Engine, name: str) -> Iterator[list[str]]:
    """Collect a line for each time that something happens on an engine."""
    seen: list[str] = []

    def note(*_: object) -> None:
        seen.append(name)

    event.listen(engine, name, note)
    try:
        yield seen
    finally:
        event.remove(engine, name, note)


def test_facts_of_many_chains_are_appended_together(database: Database) -> None:
    log = SqlEventLog(database, FakeClock())
    log.append([Fact(chain="run:b", type="run.admitted", data={"n": 0})])
    facts = [
        Fact(chain=f"run:{name}", type="run.admitted", data={"n": n})
        for n, name in enumerate("abacab", 1)
    ]
    log.append(facts)
    log.append([])
    chains = {chain[0].chain: chain for chain in log.chains()}
    assert {name: [one.data["n"] for one in chain] for name, chain in chains.items()} == {
        "run:a": [1, 3, 5],
        "run:b": [0, 2, 6],
        "run:c": [4],
    }
    assert [verify_chain(chain) for chain in chains.values()] == [None] * 3


def test_a_hundred_runs_are_claimed_and_taken_over_in_a_few_statements(database: Database) -> None:
    clock = FakeClock()
    runs, workers = SqlRunStore(database, clock), SqlWorkerStore(database, clock)
    dispatch = SqlDispatchStore(database, clock)
    workers.start(worker("dead"), 0.0)
    admitted = [runs.admit(run(clock), room=Room(backlog=RUNS * 2)).id for _ in range(RUNS)]
    assert len(dispatch.claim(bid("dead"), lambda *_: None)) == RUNS

    with counted(database.engine, "before_cursor_execute") as statements:
        taken = dispatch.take_over("dead", -LATER_S, 3)
    assert taken is not None
    assert sorted(taken.adopted) == sorted(admitted)
    assert len(statements) <= STATEMENTS_MAX

    with counted(database.engine, "before_cursor_execute") as statements:
        claimed = dispatch.claim(bid("alive"), lambda *_: None)
    assert len(statements) <= STATEMENTS_MAX
    assert {(one.fence.worker_id, one.fence.claim, one.deaths) for one in claimed} == {
        ("alive", 2, 1)
    }
    assert (
        {one.fence.claim for one in claimed}
        == {runs.get(run_id).claims for run_id in admitted}
        == {2}
    )
    types = Counter(one.type for chain in SqlEventLog(database, clock).chains() for one in chain)
    assert (types["run.taken_over"], types["worker.died"]) == (RUNS, 1)


@pytest.mark.postgresql
def test_connections_are_kept_under_load(postgres: PostgresServer) -> None:
    """To open one takes a server longer than to answer."""
    with postgres.database("template_fairlead") as url:
        database = Database(url)
        with counted(database.engine, "connect") as opened:
            together = threading.Barrier(CONNECTIONS)

            def ask() -> None:
                for _ in range(3):
                    with database.reading():
                        together.wait()

            asking = [threading.Thread(target=ask) for _ in range(CONNECTIONS)]
            for thread in asking:
                thread.start()
            for thread in asking:
                thread.join()
        database.close()
    assert len(opened) < CONNECTIONS  # one was open before


def worker(name: str) -> WorkerRecord:
    return WorkerRecord(id=name, code_digest="c", host="h", pid=1, started_at=0.0, heartbeat_at=0.0)


def bid(name: str) -> Bid:
    return Bid(worker_id=name, code="c", queues=("default",), most=RUNS * 2)


def run(clock: FakeClock) -> RunRecord:
    return RunRecord(
        id=clock.id(),
        workflow="w",
        release="d",
        code_digest="c",
        principal=Principal(),
        purpose="user",
        state="queued",
        input="hello",
        created_at=clock.now(),
    )
