"""Many writers at once: what is read in order to write stays true until it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from threading import Barrier
from typing import Any, TypeVar

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.documents import SqlDocumentStore
from fairlead.adapters.sql.events import SqlEventLog
from fairlead.adapters.sql.journal import SqlJournal
from fairlead.adapters.sql.releases import SqlReleaseStore
from fairlead.adapters.sql.runs import SqlRunStore
from fairlead.core.calls import Done
from fairlead.core.errors import LeaseLost, RunFinished
from fairlead.core.event import Fact, verify_chain
from fairlead.core.release import Release, manifest_digest
from fairlead.ports.clock import SystemClock
from fairlead.ports.dispatch import Fence
from fairlead.ports.journal import CallVerdict
from fairlead.ports.releases import Activation
from fairlead.ports.runs import Room
from tests.unit.adapters.sql.test_documents import doc
from tests.unit.adapters.sql.test_releases import MANIFEST
from tests.unit.adapters.sql.test_runs import BACKLOG, CALL, ORDER, RUN, TIMING, Stores, ending

WRITERS = 8
ROUNDS = 5

T = TypeVar("T")


def at_once(*works: Callable[[], T]) -> list[T]:
    """Do all of it at the same moment, each in a thread; return what each returned."""
    barrier = Barrier(len(works))

    def begin(work: Callable[[], T]) -> T:
        barrier.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [*pool.map(begin, works)]


def whole(database: Database, chain: str) -> Sequence[str]:
    """Return the types of a chain's events, which must hold."""
    events = SqlEventLog(database, SystemClock()).list(chain=chain, limit=1000)
    assert verify_chain(events) is None
    assert [event.sequence for event in events] == [*range(1, len(events) + 1)]
    return [event.type for event in events]


def test_one_chain_has_one_order_whoever_appends(database: Database) -> None:
    log = SqlEventLog(database, SystemClock())
    chains = ("worker:x", "worker:y")

    def write(first: int) -> None:
        for number in range(ROUNDS):
            order = chains if first % 2 else chains[::-1]
            log.append([Fact(chain=c, type="worker.started", data={"n": number}) for c in order])

    at_once(*(lambda n=n: write(n) for n in range(WRITERS)))  # type: ignore[misc]
    for chain in chains:
        assert len(whole(database, chain)) == WRITERS * ROUNDS


def test_one_payload_can_be_stored_by_all(database: Database) -> None:
    store = SqlRunStore(database, SystemClock())

    def admit(writer: int) -> None:
        for number in range(ROUNDS):
            run = replace(RUN, id=f"w{writer}n{number}", input={"same": number})
            store.admit(run, room=Room(backlog=BACKLOG))

    at_once(*(lambda n=n: admit(n) for n in range(WRITERS)))  # type: ignore[misc]
    assert len(store.list(limit=1000)) == WRITERS * ROUNDS
    assert SqlEventLog(database, SystemClock()).gaps() == []


def test_a_start_key_gives_one_run_whoever_is_first(database: Database) -> None:
    store = SqlRunStore(database, SystemClock())

    def admit(writer: int) -> str:
        return store.admit(
            replace(RUN, id=f"w{writer}", start_key="k"), room=Room(backlog=BACKLOG)
        ).id

    assert len(set(at_once(*(lambda n=n: admit(n) for n in range(WRITERS))))) == 1  # type: ignore[misc]
    assert len(store.list()) == 1


def test_a_run_is_claimed_by_one_worker(database: Database) -> None:
    stores = Stores(database)
    for number in range(WRITERS * ROUNDS):
        stores.admit(id=f"r{number:03}")

    def claim(worker: int) -> list[str]:
        return [claimed.run_id for claimed in stores.claim(f"w{worker}", ROUNDS)]

    first = at_once(*(lambda n=n: claim(n) for n in range(WRITERS)))  # type: ignore[misc]
    taken = [run for runs in first for run in runs]
    assert len(taken) == len(set(taken))
    assert all(len(runs) <= ROUNDS for runs in first)
    while more := stores.claim("w9", ROUNDS):
        taken += [claimed.run_id for claimed in more]
    assert sorted(taken) == [f"r{number:03}" for number in range(WRITERS * ROUNDS)]


def test_a_run_ends_once(database: Database) -> None:
    stores = Stores(database)

    def end(run: str, fence: Fence, how: int) -> str:
        with suppress(RunFinished, LeaseLost):
            if how % 2:
                stores.control.cancel(run, ORDER)
            else:
                stores.runs.finish(run, ending(answer=how), fence)
        return stores.runs.get(run).state

    for number in range(ROUNDS):
        run = f"run{number}"
        stores.admit(id=run)
        (claimed,) = stores.claim()
        works = [lambda run=run, f=claimed.fence, n=n: end(run, f, n) for n in range(WRITERS)]  # type: ignore[misc]
        assert len(set(at_once(*works))) == 1
        assert len(whole(database, f"run:{run}")) == 2
    assert stores.events.gaps() == []


def test_one_of_many_takes_a_dead_workers_runs_over(database: Database) -> None:
    stores = Stores(database)
    stores.start_worker("dead")
    for number in range(ROUNDS):
        stores.admit(id=f"r{number}")
    assert len(stores.claim("dead", ROUNDS)) == ROUNDS
    stores.age(100.0)
    taken = at_once(*[lambda: stores.dispatch.take_over("dead", 10.0, 3)] * WRITERS)
    (adopted,) = [one.adopted for one in taken if one is not None]
    assert len(adopted) == ROUNDS
    assert {stores.runs.get(run).takeovers for run in adopted} == {1}


def test_a_call_is_finished_once(database: Database) -> None:
    SqlRunStore(database, SystemClock()).admit(RUN, room=Room(backlog=BACKLOG))
    journal = SqlJournal(database, SystemClock())
    for number in range(ROUNDS):
        call = replace(CALL, number=number + 1)
        at_once(
            *(
                lambda call=call, n=n: journal.finish(call, Done(value=n), TIMING, CallVerdict())  # type: ignore[misc]
                for n in range(WRITERS)
            )
        )
    assert whole(database, "run:aa11") == ["run.admitted", *["call.finished"] * ROUNDS]
    assert len(journal.of_run("aa11")) == ROUNDS
    assert SqlEventLog(database, SystemClock()).gaps() == []


def test_invariant_02_a_business_key_is_intended_by_one_run_at_a_time(database: Database) -> None:
    stores = Stores(database)
    fences = {}
    for number in range(WRITERS):
        stores.admit(id=f"r{number}")
    for claimed in stores.claim("w1", WRITERS):
        fences[claimed.run_id] = claimed.fence

    def intend(run: str) -> bool:
        call = replace(CALL, run_id=run, lineage=run, business_key="pay:1")
        before, _ = stores.effects.intend(call, "acme", fences[run])
        return before is None

    won = at_once(*(lambda run=run: intend(run) for run in fences))  # type: ignore[misc]
    assert sorted(won) == [False] * (WRITERS - 1) + [True]


def test_a_release_is_made_once_and_each_activation_has_its_number(database: Database) -> None:
    store = SqlReleaseStore(database, SystemClock())
    release = Release(digest=manifest_digest(MANIFEST), manifest=MANIFEST, created_at=1.0)
    assert sorted(at_once(*[lambda: store.put(release)] * WRITERS)) == [False] * 7 + [True]
    assert whole(database, f"release:{release.digest}") == ["release.created"]
    move = Activation(release=release.digest, kind="activate", reason="", by="ann", time=1.0)
    at_once(*[lambda: store.activate("default", move)] * WRITERS)
    assert len(store.history("default")) == WRITERS
    assert len(whole(database, "environment:default")) == WRITERS
    assert SqlEventLog(database, SystemClock()).gaps() == []


def test_a_collection_is_replaced_as_a_whole(database: Database) -> None:
    store = SqlDocumentStore(database)

    def write(writer: int) -> Any:
        return store.replace("acme", "docs", [doc("same.md", f"w{writer}"), doc(f"{writer}.md")])

    at_once(*(lambda n=n: write(n) for n in range(WRITERS)))  # type: ignore[misc]
    assert store.collections("acme") == {"docs": 2}
