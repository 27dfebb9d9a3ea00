"""The database's own errors become ours."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from fairlead.adapters.sql.faults import translated
from fairlead.core.errors import (
    FairleadError,
    StoreCorrupt,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    StoreUnavailable,
)


def engine(file: Path, query: str = "") -> sa.Engine:
    return sa.create_engine(f"sqlite:///file:{file}?{query}&uri=true", poolclass=sa.NullPool)


def write(made: sa.Engine, *before: str) -> None:
    with translated("x.db"), made.connect() as connection:
        for statement in before:
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql("CREATE TABLE t AS SELECT randomblob(100000) AS b")
        connection.commit()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE first (a)")
    database.close()
    return path


def raised(error: type[FairleadError], made: sa.Engine, *before: str) -> FairleadError:
    with pytest.raises(error, match=r"x\.db") as caught:
        write(made, *before)
    assert isinstance(caught.value.__cause__, sa.exc.DBAPIError)
    return caught.value


def test_a_database_that_is_open_for_reading_only(file: Path) -> None:
    assert raised(StoreReadOnly, engine(file, "mode=ro")).code == "FL-200"


def test_a_full_database(file: Path) -> None:
    assert raised(StoreFull, engine(file), "PRAGMA max_page_count = 3").code == "FL-201"


def test_a_database_that_another_one_holds(file: Path) -> None:
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert raised(StoreLocked, engine(file), "PRAGMA busy_timeout = 10").code == "FL-202"
    holder.close()


def test_a_file_that_is_no_database(file: Path) -> None:
    file.write_bytes(b"no database at all " * 100)
    assert raised(StoreCorrupt, engine(file)).code == "FL-203"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    made = engine(tmp_path / "no" / "x.db", "mode=rw")
    assert raised(StoreUnavailable, made).code == "FL-205"


def test_a_mistake_in_our_own_sql_is_not_the_operators(file: Path) -> None:
    with pytest.raises(sa.exc.OperationalError):
        write(engine(file), "SELECT * FROM no_such")


@pytest.mark.parametrize("name", ["checkpoints", "main.events"])
def test_a_table_of_ours_that_is_gone(file: Path, name: str) -> None:
    assert raised(StoreCorrupt, engine(file), f"SELECT * FROM {name}").code == "FL-203"


def test_a_column_of_ours_that_is_gone(file: Path) -> None:
    gone = raised(StoreCorrupt, engine(file), "SELECT events.data FROM first AS events")
    assert gone.code == "FL-203"
