"""The engine's tables: whole before anything is queued, and made once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from dbos import DBOS
from dbos._migration import get_dbos_migrations, sqlite_migrations

from fairlead.adapters.dbos.queue import TABLES_VERSION, DbosRunQueue
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.faults import translated
from fairlead.core.errors import StoreLocked


def test_the_version_of_the_engines_tables_is_the_one_that_we_wait_for() -> None:
    assert len(sqlite_migrations) == TABLES_VERSION
    assert len(get_dbos_migrations("dbos", True, False)) == TABLES_VERSION


def test_a_run_is_queued_in_our_own_transaction(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = database.make_engine(immediate=False)
    queue = DbosRunQueue(database.url, engine)
    schema = "dbos." if engine.dialect.name == "postgresql" else ""
    count = sa.text(f"SELECT count(*) FROM {schema}workflow_status WHERE status = 'ENQUEUED'")

    with database.transaction() as connection:
        queue.start(connection, "one", "worker", "code")
    with pytest.raises(RuntimeError), database.transaction() as connection:
        queue.start(connection, "two", "worker", "code")
        raise RuntimeError
    with database.reading() as connection:
        assert connection.execute(count).scalar() == 1
    queue.close()

    monkeypatch.setattr(DBOS, "migrate", lambda _: pytest.fail("they are there"))
    DbosRunQueue(database.url, engine).close()
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE {schema}dbos_migrations SET version = 3"))
    with pytest.raises(pytest.fail.Exception, match="they are there"):
        DbosRunQueue(database.url, engine)
    engine.dispose()


@pytest.mark.parametrize(
    "ask",
    [
        lambda queue: queue.open("worker", 1),
        lambda queue: queue.close_queue("worker"),
    ],
    ids=["open", "close"],
)
def test_a_database_that_another_process_holds_is_an_error_of_ours(
    tmp_path: Path, ask: Callable[[DbosRunQueue], None]
) -> None:
    """The engine itself tries the other methods again until it may write."""
    database = Database(f"sqlite:///{tmp_path / 'app.db'}", busy_timeout_s=0.01)
    engine = database.make_engine(immediate=False)
    queue = DbosRunQueue(database.url, engine, partial(translated, database.where))
    with database.transaction(), pytest.raises(StoreLocked):
        ask(queue)
    queue.close()
    engine.dispose()
    database.close()
