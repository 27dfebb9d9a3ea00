"""Our own memory stores hold the published suite, and so does the one in a dict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.memory import SqlMemoryStore
from fairlead.ports.clock import Clock
from fairlead.testing import FakeMemoryStore
from fairlead.testing.conformance import MemoryStoreConformance, OpenStore
from fairlead.testing.conformance.memory_site import MemorySite
from fairlead.testing.postgres import PostgresServer
from tests.databases import TEMPLATE


def opening(url: str) -> Iterator[OpenStore]:
    """Yield what opens stores, each with connections of its own."""
    opened: list[Database] = []

    def open_store(clock: Clock) -> SqlMemoryStore:
        opened.append(Database(url, synchronous="normal"))
        return SqlMemoryStore(opened[-1], clock)

    yield open_store
    for database in opened:
        database.close()


class TestSqlite(MemoryStoreConformance):
    """SQLite, one file."""

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Iterator[OpenStore]:
        yield from opening(f"sqlite:///{tmp_path}/fairlead.db")


@pytest.mark.postgresql
class TestPostgresql(MemoryStoreConformance):
    """PostgreSQL 18 with pgvector."""

    @pytest.fixture
    def open_store(self, postgres: PostgresServer) -> Iterator[OpenStore]:
        with postgres.database(template=TEMPLATE) as url:
            yield from opening(url)

    @pytest.mark.soak
    def test_any_sequence_is_answered_as_by_a_plain_model(self, memory: MemorySite) -> None:
        """The same code writes both databases; each case takes a second here."""
        super().test_any_sequence_is_answered_as_by_a_plain_model(memory)

    @pytest.mark.soak
    def test_what_was_found_is_found_again_as_of_then(self, memory: MemorySite) -> None:
        """As above."""
        super().test_what_was_found_is_found_again_as_of_then(memory)


class TestFake(MemoryStoreConformance):
    """The store in a dict: whoever opens it gets the same one."""

    @pytest.fixture
    def open_store(self) -> Callable[[Clock], FakeMemoryStore]:
        kept: list[FakeMemoryStore] = []

        def open_store(clock: Clock) -> FakeMemoryStore:
            kept.append(kept[0] if kept else FakeMemoryStore(clock))
            return kept[-1]

        return open_store
