"""Our own engine and stores hold the published suite, on each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.testing.conformance import (
    DatabaseUnderTest,
    EngineConformance,
    PostgresDatabase,
    SqliteDatabase,
)
from fairlead.testing.postgres import PostgresServer
from tests.databases import TEMPLATE, make_template

pytestmark = pytest.mark.acceptance


class TestSqlite(EngineConformance):
    """SQLite in WAL mode, one file for all workers."""

    @pytest.fixture
    def database_under_test(self, tmp_path: Path) -> DatabaseUnderTest:
        return SqliteDatabase(tmp_path / "fairlead.db")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of this file's own, which keeps fsync on and is killed now and then."""
    made = PostgresServer(fsync=True)
    try:
        made.start()
        made.execute(f"CREATE DATABASE {TEMPLATE}")
        make_template(made.url(TEMPLATE))
        yield made
    finally:
        made.close()


@pytest.mark.postgresql
class TestPostgresql(EngineConformance):
    """PostgreSQL 18."""

    @pytest.fixture
    def database_under_test(self, server: PostgresServer) -> Iterator[DatabaseUnderTest]:
        with server.database(template=TEMPLATE) as url:
            yield PostgresDatabase(server, url)
