"""Budgets on SQL, on each database: shared by workers, never exceeded, settled with the outcome."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from fairlead import Principal
from fairlead.adapters.sql.budgets import SqlBudgetStore
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import SqlEventLog
from fairlead.adapters.sql.journal import SqlJournal
from fairlead.adapters.sql.runs import SqlRunStore
from fairlead.adapters.sql.schema_bounds import budget_chunks, budget_holds, budget_pots
from fairlead.core.amounts import Amount
from fairlead.core.budget import Asker, Budget, Charge, charges_of
from fairlead.core.calls import Call, Done, Failed, Result, Unknown, Usage
from fairlead.core.event import verify_chain
from fairlead.ports.journal import CallVerdict, Execution
from fairlead.ports.runs import Room, RunRecord
from fairlead.testing import FakeClock

YEAR_S = 366 * 86_400.0
RUNS = 8
ONE = Amount(calls=1)
PAID = Amount(calls=1, tokens=500)


def a_run(id: str) -> RunRecord:
    return RunRecord(
        id=id,
        workflow="refund",
        release="d" * 64,
        code_digest="c" * 64,
        principal=Principal(tenant="acme"),
        purpose="user",
        state="running",
        input=None,
        created_at=0.0,
    )


class Shop:
    """Workers that share budgets on one database."""

    def __init__(self, database: Database) -> None:
        self.database, self.clock = database, FakeClock()
        self.store = SqlBudgetStore(database, self.clock)
        self.journal = SqlJournal(database, self.clock)
        self.made = 0
        runs = SqlRunStore(database, self.clock)
        for number in range(RUNS):
            runs.admit(a_run(f"r{number}"), room=Room())

    def charges(self, call: Call, need: Amount = ONE, **given: Any) -> tuple[Charge, ...]:
        values = {"name": "daily", "scope": "tenant", "per_s": YEAR_S, "calls": 10}
        budget = Budget(**{**values, **given})
        asker = Asker(app="shop", workflow="refund", tenant="acme", root_id="r0")
        return charges_of([budget], asker, call, need)

    def call(self) -> Call:
        self.made += 1
        place = self.made
        return Call(
            run_id=f"r{place % RUNS}",
            number=place,
            kind="tool",
            name="look",
            arguments={},
            effect="read",
            lineage="r",
        )

    def reserve(
        self, worker: str = "w1", need: Amount = ONE, *, call: Call | None = None, **given: Any
    ) -> bool:
        made = call or self.call()
        return self.store.reserve(made, self.charges(made, need, **given), worker) is None

    def finish(self, call: Call, result: Result, *, busy_s: float = 0.0) -> None:
        execution = Execution(
            started_at=0.0, finished_at=1.0, attempts=1, claim=1, busy_s=busy_s, budgeted=True
        )
        self.journal.finish(call, result, execution, CallVerdict())

    @property
    def pot(self) -> Any:
        (found,) = self.store.list()
        return found

    def rows(self, table: sa.Table) -> int:
        with self.database.reading() as connection:
            return len(connection.execute(sa.select(table)).all())


@pytest.fixture
def shop(database: Database) -> Shop:
    return Shop(database)


def test_workers_use_a_budget_up_to_the_last_call_and_not_beyond(shop: Shop) -> None:
    got = [shop.reserve(f"w{number % 3}", calls=100) for number in range(120)]
    assert got == [True] * 100 + [False] * 20
    assert (shop.pot.used.calls, shop.pot.leased.calls) == (100, 0)


def test_a_chunk_serves_a_worker_without_the_pot_and_is_taken_back_when_it_is_needed(
    shop: Shop,
) -> None:
    assert shop.reserve("dead", calls=100)
    assert shop.pot.leased.calls == 6
    assert shop.reserve("dead", calls=100)
    assert (shop.pot.used.calls, shop.pot.leased.calls) == (2, 5)
    assert [shop.reserve("other", calls=100) for _ in range(99)] == [True] * 98 + [False]
    assert (shop.pot.used.calls, shop.pot.leased.calls) == (100, 0)
    # It was only asleep.
    assert not shop.reserve("dead", calls=100)


def test_a_worker_with_a_chunk_locks_no_row_of_others(shop: Shop) -> None:
    shop.reserve("w1", calls=1000)
    written: list[str] = []
    sa.event.listen(
        shop.database.engine,
        "before_cursor_execute",
        lambda _c, _u, statement, *_: written.append(statement),
    )
    shop.reserve("w1", calls=1000)
    assert not [text for text in written if "budget_pots" in text]


def test_a_call_is_reserved_once_whoever_asks_again(shop: Shop) -> None:
    call = shop.call()
    for worker in ("w1", "w1", "w2"):
        assert shop.reserve(worker, call=call)
    assert shop.pot.used == ONE
    assert shop.rows(budget_holds) == 1
    shop.finish(call, Done(value=1))
    shop.finish(call, Done(value=2))
    assert shop.pot.used == ONE
    assert shop.rows(budget_holds) == 0


def test_what_was_not_used_goes_back_and_what_was_used_beyond_is_booked(shop: Shop) -> None:
    first, second = shop.call(), shop.call()
    for call in (first, second):
        assert shop.reserve(need=PAID, call=call, calls=None, tokens=1000)
    assert not shop.reserve(need=PAID, calls=None, tokens=1000)
    shop.finish(first, Done(value=1, usage=Usage(input_tokens=100)))
    assert shop.pot.used == Amount(tokens=600)
    shop.finish(second, Done(value=1, usage=Usage(output_tokens=2000)))
    assert shop.pot.used == Amount(tokens=2100)
    assert not shop.reserve(need=Amount(tokens=1), calls=None, tokens=1000)


def test_what_comes_back_goes_to_the_chunk_while_there_is_one(shop: Shop) -> None:
    call = shop.call()
    assert shop.reserve(need=PAID, call=call, calls=None, tokens=1_000_000)
    leased = shop.pot.leased.tokens
    shop.finish(call, Done(value=1, usage=Usage(input_tokens=100)))
    assert (shop.pot.used.tokens, shop.pot.leased.tokens) == (100, leased + 400)


def test_the_tries_that_failed_count(shop: Shop) -> None:
    call, bounds = shop.call(), {"calls": None, "tokens": 10_000, "seconds": 1000.0}
    assert shop.reserve(need=replace(PAID, ms=60_000), call=call, **bounds)
    shop.store.note(call, busy_s=2.0, charged=True)
    shop.store.note(call, busy_s=3.0, charged=False)
    shop.finish(call, Done(value=1, usage=Usage(input_tokens=7)), busy_s=1.0)
    assert shop.pot.used == Amount(tokens=507, ms=6000)


def test_an_unknown_outcome_keeps_what_is_reserved(shop: Shop) -> None:
    call = shop.call()
    assert shop.reserve(call=call)
    shop.finish(call, Unknown(reason="x"))
    assert shop.rows(budget_holds) == 1
    shop.finish(call, Failed(code="FL-603", reason="x"))
    assert (shop.rows(budget_holds), shop.pot.used) == (0, ONE)


def test_all_pots_or_none(shop: Shop) -> None:
    narrow = Budget(name="narrow", scope="app", per_s=YEAR_S, calls=1)
    wide = Budget(name="wide", scope="tenant", per_s=YEAR_S, calls=100)
    asker = Asker(app="shop", workflow="refund", tenant="acme", root_id="r1")
    for number in range(3):
        call = shop.call()
        charges = charges_of([narrow, wide], asker, call, ONE)
        found = shop.store.reserve(call, charges, "w1")
        assert (found is None) == (number == 0)
    assert {pot.name: pot.used.calls for pot in shop.store.list()} == {"narrow": 1, "wide": 1}


def test_a_budget_of_runs_leases_no_chunks_and_stands_last(shop: Shop) -> None:
    own = {"scope": "run", "per_s": None, "calls": 2}
    assert shop.reserve()
    assert [shop.reserve(**own) for _ in range(3)] == [True, True, False]
    assert shop.rows(budget_chunks) == 0
    first, last = shop.store.list()
    assert (first.scope, last.scope, last.ends_at, last.used.calls) == ("tenant", "run", None, 2)


def test_a_new_window_begins_with_nothing_used(shop: Shop) -> None:
    """By the database's clock: an old window is made by moving its row into the past."""
    late = shop.call()
    assert shop.reserve(call=late, calls=2)
    assert shop.reserve(calls=2)
    assert not shop.reserve(calls=2)
    assert shop.pot.exhausted_at is not None
    with shop.database.transaction() as connection:
        for table in (budget_pots, budget_holds, budget_chunks):
            connection.execute(sa.update(table).values(begins_at=table.c.begins_at - YEAR_S))
    assert (shop.pot.used, shop.pot.exhausted_at) == (Amount(), None)
    assert [shop.reserve(calls=2) for _ in range(3)] == [True, True, False]
    # What was reserved in the window before changes nothing in this one.
    shop.finish(late, Done(value=1))
    assert shop.pot.used.calls == 2


def test_a_clock_that_was_set_back_begins_no_former_window(shop: Shop) -> None:
    assert [shop.reserve(calls=2) for _ in range(2)] == [True, True]
    with shop.database.transaction() as connection:
        for table in (budget_pots, budget_chunks):
            connection.execute(sa.update(table).values(begins_at=table.c.begins_at + YEAR_S))
    assert not shop.reserve(calls=2)


def test_a_release_with_another_limit_counts_on_in_the_same_pot(shop: Shop) -> None:
    assert shop.reserve(calls=1000)
    assert shop.pot.leased.calls > 5
    # The chunk was leased under the old limit: a release that allows less does not use it.
    assert [shop.reserve(calls=3) for _ in range(3)] == [True, True, False]
    assert shop.reserve(calls=1000)
    assert shop.pot.used.calls == 4


def test_the_first_refusal_in_a_window_is_an_event(shop: Shop) -> None:
    for _ in range(4):
        shop.reserve(calls=1)
    events = SqlEventLog(shop.database, shop.clock).list(chain="budget:shop:daily:acme")
    assert [event.type for event in events] == ["budget.exhausted"]
    assert events[0].data["used"]["calls"] == 1
    assert verify_chain(events) is None


def test_a_forced_reservation_is_booked(shop: Shop) -> None:
    for _ in range(3):
        call = shop.call()
        assert shop.store.reserve(call, shop.charges(call, calls=1), "w1", forced=True) is None
    assert shop.pot.used.calls == 3


@pytest.mark.parametrize(("limit", "workers"), [(7, RUNS), (60, RUNS), (60, 1)])
def test_threads_of_many_workers_never_exceed_it_and_all_of_it_is_used(
    shop: Shop, limit: int, workers: int
) -> None:
    together = threading.Barrier(RUNS)
    calls = [shop.call() for _ in range(96)]

    def work(worker: int) -> int:
        together.wait()
        got = 0
        for call in calls[worker::RUNS]:
            bounds = {"calls": limit, "tokens": 10**6}
            if shop.reserve(f"w{worker % workers}", PAID, call=call, **bounds):
                got += 1
                shop.finish(call, Done(value=1, usage=Usage(input_tokens=10)))
        return got

    with ThreadPoolExecutor(RUNS) as pool:
        assert sum(pool.map(work, range(RUNS))) == limit
    assert shop.pot.used == Amount(calls=limit, tokens=limit * 10)


def test_two_workers_that_reserve_for_one_call_reserve_once(shop: Shop) -> None:
    together = threading.Barrier(4)
    call = shop.call()

    def work(worker: int) -> bool:
        together.wait()
        return shop.reserve(f"w{worker}", call=call)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [True] * 4
    assert (shop.pot.used, shop.rows(budget_holds)) == (ONE, 1)
