"""Whoever still reads what was removed is waited for within a bound, and it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.adapters.sql import compaction
from fairlead.adapters.sql.database import Database
from fairlead.core.errors import StoreLocked
from fairlead.testing.postgres import PostgresServer
from tests.databases import TEMPLATE


@pytest.mark.postgresql
def test_a_transaction_that_still_reads_old_rows_is_not_passed_over(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "READERS_WAIT_S", 0.0)
    with postgres.database(template=TEMPLATE) as url:
        database, other = Database(url), Database(url)
        with other.reading() as reader:
            # A view of all rows as they are now, and no lock on any table.
            reader.exec_driver_sql("SELECT pg_current_snapshot()").scalar()
            with database.transaction() as connection:
                connection.exec_driver_sql("SELECT pg_current_xact_id()")
            with pytest.raises(StoreLocked, match="still reads"):
                compaction.compact(database)
        assert list(compaction.compact(database)) == []
        other.close()
        database.close()


def test_a_reader_of_the_log_is_waited_for_within_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "READERS_WAIT_S", 0.0)
    database = Database(f"sqlite:///{tmp_path}/a.db", busy_timeout_s=0.05)
    with database.reading() as reader:
        reader.exec_driver_sql("SELECT count(*) FROM memories").scalar()
        with pytest.raises(StoreLocked, match="cannot be emptied"):
            compaction.compact(database)
    assert list(compaction.compact(database)) == []
    assert (tmp_path / "a.db-wal").stat().st_size == 0
    database.close()
