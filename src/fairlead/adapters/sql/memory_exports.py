"""Which items went into which file, on SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice

import sqlalchemy as sa

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.erasure_targets import HIDDEN
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.references import chunks
from fairlead.adapters.sql.schema_memory import memories, memory_exported, memory_exports
from fairlead.core.errors import MemoryExportFailed
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
        """Record an export, the ids of its items and its event, in one transaction.

        Raises:
            MemoryExportFailed: An item is gone since it was read; nothing was recorded. An erasure
                that has passed the exports would never look at this one.
        """
        rest = iter(items)
        with self._database.transaction() as connection:
            connection.execute(sa.insert(memory_exports), asdict(export))
            while some := [{"export": export.id, "item": one} for one in islice(rest, _BATCH)]:
                connection.execute(sa.insert(memory_exported), some)
                self._check(connection, export, [one["item"] for one in some])
            append(connection, self._clock, fact)

    @staticmethod
    def _check(connection: sa.Connection, export: MemoryExport, items: list[str]) -> None:
        there = 0
        for ids in chunks(items):
            query = sa.select(sa.func.count()).select_from(memories)
            query = query.where(memories.c.id.in_(ids), memories.c.overlay != HIDDEN)
            there += connection.execute(query).scalar_one()
        if there < len(items):
            raise MemoryExportFailed(
                f"{len(items) - there} items were erased or removed while {export.path} was "
                "written: export again",
                file=export.path,
            )
