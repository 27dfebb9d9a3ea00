"""The database: its clock, its pragmas, and what happens when its file goes away."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from time import time

import pytest
import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.sqlite import _use_wal
from fairlead.core.errors import StoreUnavailable


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/state/fairlead.db")
    yield made
    made.close()


def test_only_the_last_folder_of_its_path_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        Database(f"sqlite:///{tmp_path}/no/such/fairlead.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("again", [False, True])
def test_nothing_is_written_to_a_file_that_is_gone(file: Database, again: bool) -> None:
    path = Path(file.where)
    path.rename(path.with_suffix(".moved"))
    if again:
        path.write_bytes(b"")
    with pytest.raises(StoreUnavailable, match="moved or deleted"), file.transaction():
        pass


@pytest.mark.parametrize("immediate", [False, True])
def test_the_pragmas_are_set_on_every_connection(file: Database, immediate: bool) -> None:
    engine = file.make_engine(immediate=immediate)
    with engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
        milliseconds = connection.exec_driver_sql("SELECT unixepoch('subsec') * 1000").scalar()
    engine.dispose()
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 30_000,
    }
    # The engine asks for this on Python 3.12 and later; SQLite before 3.42 does not know it.
    assert isinstance(milliseconds, float)


def test_the_databases_own_clock_runs_on_within_a_transaction(database: Database) -> None:
    assert abs(database.clock() - time()) < 1.0
    now = sa.select(database.now_sql())
    with database.transaction() as connection:
        times = [connection.execute(now).scalar_one() for _ in range(200)]
    assert times == sorted(times)
    assert times[0] < times[-1] < times[0] + 60
    assert any(time % 1 for time in times)


class Busy:
    """A connection to a new file that somebody else is making a WAL file of, for some tries."""

    def __init__(self, times: int) -> None:
        self.left = times

    def execute(self, _: str) -> None:
        if self.left:
            self.left -= 1
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error


def test_a_file_that_another_process_makes_a_wal_file_of_is_waited_for() -> None:
    connection = Busy(times=2)
    _use_wal(connection, timeout_s=30.0)  # type: ignore[arg-type]
    assert connection.left == 0
    with pytest.raises(sqlite3.OperationalError):
        _use_wal(Busy(times=9), timeout_s=0.0)  # type: ignore[arg-type]


def test_who_holds_locks_waits_for_no_second_connection(database: Database) -> None:
    """All others may be held by those who wait for the locks."""
    numbers = sa.Table("numbers", sa.MetaData(), sa.Column("n", sa.Integer))
    pool: sa.pool.QueuePool = database.engine.pool  # type: ignore[assignment]
    with ExitStack() as opened:
        connection = opened.enter_context(database.transaction())
        numbers.create(connection)
        connection.execute(sa.insert(numbers).values(n=7))
        busy = pool.checkedout()
        for look in (database.reading, database.glance):
            with look() as own:
                assert own is connection
                assert own.execute(sa.select(numbers.c.n)).scalars().all() == [7]
        assert pool.checkedout() == busy
        connection.execute(sa.insert(numbers).values(n=8))
    with database.reading() as other:
        assert other is not connection
        assert other.execute(sa.select(numbers.c.n)).scalars().all() == [7, 8]


def test_another_thread_reads_what_is_committed(database: Database) -> None:
    seen: list[bool] = []

    def look() -> None:
        with database.reading() as connection:
            seen.append(sa.inspect(connection).has_table("numbers"))

    with database.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE numbers (n INTEGER)")
        thread = Thread(target=look)
        thread.start()
        thread.join()
    assert seen == [False]
