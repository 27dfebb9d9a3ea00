"""A statement or a commit fails as the database's driver lets it, through the real translation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.core.errors import (
    FairleadError,
    StoreCorrupt,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    StoreUnavailable,
)
from fairlead.runtime.persist import PATIENCE_S, persist
from fairlead.testing import FakeClock
from fairlead.testing.faults import Delay, Fail, Fault, FaultPlan, Injector, Waits
from fairlead.testing.faults.statements import names_of


class Table:
    """A table with numbers, on a database that a plan breaks."""

    def __init__(self, path: Path) -> None:
        self.database = Database(f"sqlite:///{path}", synchronous="normal")
        self.numbers = sa.table("numbers", sa.column("n"))
        with self.database.transaction() as connection:
            connection.exec_driver_sql("CREATE TABLE numbers (n INTEGER)")

    def break_by(self, *faults: Fault, waits: Waits | None = None) -> None:
        Injector(FaultPlan(*faults), waits=waits).connections(self.database.engine)

    def put(self, number: int) -> None:
        with self.database.transaction() as connection:
            connection.execute(sa.insert(self.numbers).values(n=number))

    def kept(self) -> list[int]:
        with self.database.reading() as connection:
            return list(connection.execute(sa.select(self.numbers.c.n)).scalars())


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    made = Table(tmp_path / "test.db")
    yield made
    made.database.close()


@pytest.mark.parametrize(
    ("error", "cls"),
    [
        ("locked", StoreLocked),
        ("full", StoreFull),
        ("lost", StoreUnavailable),
        ("readonly", StoreReadOnly),
        ("corrupt", StoreCorrupt),
    ],
)
@pytest.mark.parametrize("name", ["write", "insert numbers", "begin", "commit"])
def test_the_nth_write_fails_and_leaves_nothing_behind(
    table: Table, name: str, error: Any, cls: type[FairleadError]
) -> None:
    table.break_by(Fault(boundary="store", name=name, call=2, action=Fail(error=error)))
    table.put(1)
    with pytest.raises(cls):
        table.put(2)
    table.put(3)
    assert table.kept() == [1, 3]


def test_a_commit_can_be_made_and_its_answer_lost(table: Table) -> None:
    table.break_by(
        Fault(boundary="store", name="commit", moment="after", action=Fail(error="lost"))
    )
    with pytest.raises(StoreUnavailable):
        table.put(1)
    assert table.kept() == [1]


def test_a_statement_can_be_done_and_fail_all_the_same(table: Table) -> None:
    table.break_by(Fault(boundary="store", name="write", moment="after", action=Fail(error="lost")))
    with pytest.raises(StoreUnavailable):
        table.put(1)
    assert table.kept() == []


def test_many_rows_are_one_write(table: Table) -> None:
    table.break_by(Fault(boundary="store", name="write", action=Fail(error="full")))
    with pytest.raises(StoreFull), table.database.transaction() as connection:
        connection.execute(sa.insert(table.numbers), [{"n": 1}, {"n": 2}])
    assert table.kept() == []


def test_persist_goes_on_when_the_window_has_closed(table: Table) -> None:
    clock = FakeClock()
    fault = Fault(boundary="store", name="begin", for_s=20.0, action=Fail(error="locked"))
    table.break_by(fault, waits=Waits(monotonic=clock.now))
    asyncio.run(persist(clock, table.put, 1))
    assert table.kept() == [1]
    assert 20.0 <= sum(clock.pauses) < PATIENCE_S


def test_persist_gives_up_when_the_window_is_longer_than_its_patience(table: Table) -> None:
    clock = FakeClock()
    fault = Fault(boundary="store", name="commit", for_s=1000.0, action=Fail(error="full"))
    table.break_by(fault, waits=Waits(monotonic=clock.now))
    with pytest.raises(StoreFull):
        asyncio.run(persist(clock, table.put, 1))
    assert PATIENCE_S * 0.9 < sum(clock.pauses) <= PATIENCE_S


def test_a_statement_is_delayed(table: Table) -> None:
    slept: list[float] = []
    fault = Fault(boundary="store", name="select", call=1, action=Delay(seconds=3.0))
    table.break_by(fault, waits=Waits(sleep=slept.append))
    assert table.kept() == []
    assert slept == [3.0]


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("INSERT INTO calls (key) VALUES (?)", ("insert calls", "write")),
        ("insert or ignore into blobs VALUES (?)", ("insert blobs", "write")),
        ('INSERT INTO "dbos"."workflow_status" (x)', ("insert workflow_status", "write")),
        ("UPDATE runs SET state=?", ("update runs", "write")),
        (
            "UPDATE runs SET state=?, worker_id=?, claims=? WHERE runs.id = ?",
            ("update runs", "write", "claim"),
        ),
        (
            "UPDATE runs SET state=? WHERE runs.claims=?",
            ("update runs", "write"),
        ),
        ("DELETE FROM workers", ("delete workers", "write")),
        ("\n SELECT 1", ("select",)),
        ("BEGIN IMMEDIATE", ("begin",)),
        ("PRAGMA foreign_keys=ON", ()),
    ],
)
def test_a_statement_has_names(statement: str, names: tuple[str, ...]) -> None:
    assert names_of(statement) == names
