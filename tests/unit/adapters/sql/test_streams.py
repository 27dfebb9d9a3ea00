"""Streams on SQL: an offset holds one item for ever."""

from __future__ import annotations

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.streams import SqlStreamStore
from fairlead.testing import FakeClock


def test_a_reader_goes_on_from_any_offset(database: Database) -> None:
    streams = SqlStreamStore(database, FakeClock())
    for offset in range(5):
        streams.write("r1", "default", offset, {"n": offset})
    streams.write("r1", "other", 0, "x")
    streams.write("r2", "default", 0, "y")
    assert [item["n"] for item in streams.read("r1", "default", 0)] == [0, 1, 2, 3, 4]
    assert [item["n"] for item in streams.read("r1", "default", 3)] == [3, 4]
    assert [item["n"] for item in streams.read("r1", "default", 0, limit=2)] == [0, 1]
    assert streams.read("r1", "default", 5) == []


def test_an_item_that_is_written_again_stays_as_it_was(database: Database) -> None:
    streams = SqlStreamStore(database, FakeClock())
    streams.write("r1", "default", 0, "first")
    streams.write("r1", "default", 0, "second")
    assert streams.read("r1", "default", 0) == ["first"]
