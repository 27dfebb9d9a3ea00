"""Stores of memory and of erasures on one database, for tests of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.blobs import get_json, put_json
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.erasures import SqlErasureStore
from fairlead.adapters.sql.memory import SqlMemoryStore
from fairlead.adapters.sql.schema import runs
from fairlead.core.erasure import Erasure, Target
from fairlead.core.memory import Note, Provenance, Reader
from fairlead.guardrails.content.erasing import Eraser
from fairlead.ports.memory import Stamp
from fairlead.ports.runs import Order
from fairlead.testing import FakeClock

ORDER = Order(by="ann", reason="asked for by VALUE-4471")
OWN = Reader(tenant="acme", app="a")
CANARY = "kX7vQ2mZ9tR4wB8n"
TEXT = f'She said "{CANARY}", at home'


@dataclass
class Office:
    """Stores on one database."""

    database: Database
    clock: FakeClock
    memory: SqlMemoryStore
    store: SqlErasureStore

    def write(self, *notes: Note, who: Reader = OWN, stamp: Stamp | None = None) -> list[str]:
        return [one.id for one in self.memory.write(who, notes, stamp or Stamp())]

    def begin(self, **target: Any) -> Erasure:
        return self.store.begin("acme", "a", Target(**target), ORDER)

    def texts(self, who: Reader = OWN) -> list[str]:
        return [one.text for one in self.memory.each(who)]

    def all(self, query: sa.Select[Any]) -> list[Any]:
        with self.database.reading() as connection:
            return list(connection.execute(query).all())

    def do(self, *statements: Any) -> None:
        with self.database.transaction() as connection:
            for statement in statements:
                connection.execute(statement)

    def run(self, run_id: str, tenant: str = "acme", **columns: Any) -> None:
        """Leave a run on record."""
        row = {
            "id": run_id,
            "workflow": "w",
            "release": "r",
            "code_digest": "c",
            "tenant": tenant,
            "user": "ada",
            "purpose": "user",
            "state": "succeeded",
            "input_digest": "-",
            "created_at": 1.0,
            "root_id": run_id,
            "lineage": run_id,
        }
        self.do(sa.insert(runs).values({**row, **columns}))

    def put(self, value: Any) -> str:
        with self.database.transaction() as connection:
            return put_json(connection, value, 1.0)

    def get(self, name: str) -> Any:
        with self.database.reading() as connection:
            return get_json(connection, name)


def office_of(database: Database) -> Office:
    """Return the stores on a database."""
    clock = FakeClock()
    return Office(
        database=database,
        clock=clock,
        memory=SqlMemoryStore(database, clock),
        store=SqlErasureStore(database, clock, Eraser),
    )


def note(text: str, subject: str = "c:1", **more: Any) -> Note:
    return Note(kind="semantic", text=text, subject=subject, **more)


def derived(text: str, *parents: str) -> Note:
    made = Provenance(derivation="sum@1", derived_from=parents)
    return Note(kind="semantic", text=text, subject="summary", provenance=made)
