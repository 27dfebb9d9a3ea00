"""Which items went into which file, on SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice

import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.schema_memory import memory_exported, memory_exports
from fairlead.core.event import Fact
from fairlead.ports.clock import Clock
from fairlead.ports.memory_exports import MemoryExport

_BATCH = 5_000


class SqlMemoryExports:
    """Records exports of memory."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Use a database.

        Args:
            database: The database.
            clock: Time and ids.
        """
        self._database = database
        self._clock = clock

    def record(self, export: MemoryExport, items: Iterable[str], fact: Fact) -> None:
        """Record an export, the ids of its items and its event, in one transaction."""
        rest = iter(items)
        with self._database.transaction() as connection:
            connection.execute(sa.insert(memory_exports), asdict(export))
            while some := [{"export": export.id, "item": one} for one in islice(rest, _BATCH)]:
                connection.execute(sa.insert(memory_exported), some)
            append(connection, self._clock, fact)
