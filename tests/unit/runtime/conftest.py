"""What tests of memory in a run share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.adapters.sql.database import Database
from tests.unit.runtime.shelf import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    """A shelf on a fresh SQLite database."""
    database = Database(f"sqlite:///{tmp_path}/memory.db", synchronous="normal")
    try:
        yield Shelf(database)
    finally:
        database.close()
