"""Values in the rows of all tables: taken out where that is allowed, else counted.

Tables are taken as the database has them, the engine's included, so that a new one is not
forgotten. A row belongs to the tenant that it names, or that its run, its document or its payload
belongs to; the rows of others are never changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql import index_tsvector
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.erasure_records import Hold
from fairlead.adapters.sql.memory_write import put_once
from fairlead.adapters.sql.references import CHUNK, REFERENCES, chunks
from fairlead.adapters.sql.schema import blobs, documents, runs
from fairlead.adapters.sql.schema_memory import erased_blobs
from fairlead.core.erasure import Erasure, Trace
from fairlead.ports.erasure import Scrubbed, ValueEraser

ENGINE_SCHEMA = "dbos"
"""Where PostgreSQL keeps the engine's tables; SQLite keeps them beside ours."""

_NOT_OURS_TO_CHANGE = {
    "events": "the event log is never rewritten",
    "checkpoints": "the event log is never rewritten",
    "memories": "an item that is remembered",
    "releases": "a release is what its digest says",
    "archives": "a release is what its digest says",
    "baselines": "a baseline is what its digest says",
    "gate_evidence": "evidence is what its digest says",
    "environments": "rules are what their digest says",
}
_PASSED_OVER = ("memory_", "erasures", "erased_blobs", "anchors", "alembic_", "dbos_migrations")
_SHADOW = ("memories_fts", "passages_fts", "sqlite_", "memory_vectors")
"""Tables of an index, which follows the rows that it is of."""

_OF_RUN = ("run_id", "workflow_uuid", "destination_uuid")
_TOLD = frozenset(
    (
        *("reason", "by", "label", "title", "text"),
        # The engine's.
        *("inputs", "output", "error", "request", "message", "value", "attributes", "context"),
    )
)
"""Columns in which somebody's words stand. All others are names, states and digests that rows are
found and understood by: whoever has such a word remembered and erased would lose them."""

_KEEPS_PLACES = ("documents", "passages")
"""Tables whose texts are cut by places: what is taken out of them is as long as it was."""


def _tables(connection: sa.Connection) -> Iterator[sa.Table]:
    """Yield every table of the database as it is, except those of an index."""
    inspector = sa.inspect(connection)
    schemas: list[str | None] = [None]
    if connection.dialect.name == "postgresql" and inspector.has_schema(ENGINE_SCHEMA):
        schemas.append(ENGINE_SCHEMA)
    known = sa.MetaData()
    for schema in schemas:
        for name in sorted(inspector.get_table_names(schema=schema)):
            if not name.startswith(_SHADOW):
                yield sa.Table(name, known, schema=schema, autoload_with=connection)


def _readable(table: sa.Table) -> list[sa.Column[Any]]:
    """Return the columns in which a value may stand."""
    kinds = (sa.String, sa.LargeBinary, sa.JSON)
    return [column for column in table.columns if isinstance(column.type, kinds)]


def _said(value: Any) -> str | bytes | None:
    """Return what stands in a column; None for nothing that can be read."""
    if isinstance(value, str | bytes):
        return value
    if isinstance(value, memoryview):
        return bytes(value)
    return json.dumps(value) if isinstance(value, dict | list) else None


def traces(
    database: Database, eraser: ValueEraser, beat: Callable[[], None] = lambda: None
) -> Sequence[Trace]:
    """Find values in all rows of all tables, whosever they are.

    Args:
        database: The database.
        eraser: Finds them.
        beat: Is called now and then.
    """
    found: dict[tuple[str, str], int] = {}
    with database.reading() as connection:
        for table in list(_tables(connection)):
            columns: list[Any] = list(_readable(table))
            if connection.dialect.name == "postgresql":
                # An index of words is none of the kinds that are changed, but it holds words.
                columns += [
                    sa.cast(column, sa.Text).label(column.name)
                    for column in table.columns
                    if str(column.type) == "TSVECTOR"
                ]
            if not columns:
                continue
            # Texts as they are kept: a JSON column need not be read as JSON.
            rows = connection.execution_options(yield_per=CHUNK).execute(sa.select(*columns))
            for row in rows:
                beat()
                for column, value in zip(columns, row, strict=True):
                    said = _said(value)
                    count = eraser.count(said) if said else 0
                    if count:
                        place = (f"{table.name}.{column.name}", _why(table.name))
                        found[place] = found.get(place, 0) + count
    return [Trace(place=place, count=count, why=why) for (place, why), count in found.items()]


def _why(table: str) -> str:
    return _NOT_OURS_TO_CHANGE.get(table, "a row of the database")


@dataclass(frozen=True)
class Scrubbing:
    """Takes values out of one tenant's rows.

    Attributes:
        database: The database.
        erasure: On whose behalf.
        eraser: Finds and takes out.
        hold: What it commits by.
    """

    database: Database
    erasure: Erasure
    eraser: ValueEraser
    hold: Hold

    def scrub(self) -> Scrubbed:
        """Take values out of every table, in transactions of some hundred rows."""
        places: dict[str, int] = {}
        left: dict[tuple[str, str], int] = {}
        with self.database.reading() as connection:
            tables = list(_tables(connection))
        for table in tables:
            if table.name.startswith(_PASSED_OVER) or not self.eraser.values:
                continue
            if table.name == "memories":
                # What goes is removed as a whole, and others' items are looked at afterwards.
                continue
            if table.name == blobs.name:
                self._payloads(places, left)
                continue
            within = self._within(table)
            why = _NOT_OURS_TO_CHANGE.get(
                table.name, "" if within is not None else "not a tenant's"
            )
            self._table(table, within, why, (places, left))
        return Scrubbed(
            places=places,
            left=tuple(Trace(place=at, count=n, why=why) for (at, why), n in left.items()),
        )

    # Rows.

    def _within(self, table: sa.Table) -> sa.ColumnElement[bool] | None:
        """Return which of a table's rows are the tenant's; None when they are nobody's."""
        tenant = self.erasure.tenant
        if "tenant" in table.c:
            own: sa.ColumnElement[bool] = table.c.tenant == tenant
            return own
        for name in _OF_RUN:
            if name in table.c:
                of_tenant = sa.select(runs.c.id).where(runs.c.tenant == tenant)
                return table.c[name].in_(of_tenant)
        if "document_id" in table.c:
            return table.c.document_id.in_(
                sa.select(documents.c.id).where(documents.c.tenant == tenant)
            )
        return None

    def _table(
        self,
        table: sa.Table,
        within: sa.ColumnElement[bool] | None,
        why: str,
        found: tuple[dict[str, int], dict[tuple[str, str], int]],
    ) -> None:
        places, left = found
        keys = list(table.primary_key.columns)
        columns = _readable(table)
        if not columns:
            return
        query = sa.select(*keys, *columns)
        # Of a tenant's table the rows of others are not even looked at.
        query = query if within is None else query.where(within)
        held: list[tuple[Any, ...]] = []
        with self.database.reading() as connection:
            for row in connection.execution_options(yield_per=CHUNK).execute(query):
                self.hold.beat()
                texts = dict(zip(columns, row[len(keys) :], strict=True))
                changed = False
                for column, value in texts.items():
                    said = _said(value)
                    if not said or not self.eraser.count(said):
                        continue
                    fixed = why or self._fixed(table, column)
                    if fixed:
                        place = (f"{table.name}.{column.name}", fixed)
                        left[place] = left.get(place, 0) + 1
                    changed = changed or not fixed
                if changed:
                    held.append(tuple(row[: len(keys)]))
        for start in range(0, len(held), CHUNK):
            self._rows(table, held[start : start + CHUNK], places)

    @staticmethod
    def _fixed(table: sa.Table, column: sa.Column[Any]) -> str:
        told = column.name in _TOLD and not column.primary_key and table.primary_key.columns
        return "" if told else "rows are found by it"

    def _rows(
        self, table: sa.Table, held: Sequence[tuple[Any, ...]], places: dict[str, int]
    ) -> None:
        keys = list(table.primary_key.columns)
        columns = [column for column in _readable(table) if not self._fixed(table, column)]
        with self.database.transaction() as connection:
            for key in held:
                one = sa.and_(*(column == value for column, value in zip(keys, key, strict=True)))
                row = connection.execute(sa.select(*columns).where(one)).first()
                fresh = {} if row is None else self._fresh(table, row._mapping)
                if not fresh:
                    continue
                connection.execute(sa.update(table).where(one).values(**fresh))
                for name in fresh:
                    place = f"{table.name}.{name}"
                    places[place] = places.get(place, 0) + 1
            if table.name == "passages" and connection.dialect.name == "postgresql":
                # SQLite has triggers for it.
                index_tsvector.replace(connection, [key[0] for key in held])
            self.hold.commit(connection)

    def _fresh(self, table: sa.Table, row: Mapping[Any, Any]) -> dict[str, Any]:
        """Return those columns of a row that change."""
        fresh: dict[str, Any] = {}
        for name, value in row.items():
            said = _said(value)
            if not said:
                continue
            text = said if isinstance(said, str) else said.decode("utf-8", "surrogateescape")
            kept = table.name in _KEEPS_PLACES
            left = self.eraser.text(text, "*") if kept else self.eraser.text(text)
            if left == text:
                continue
            if isinstance(said, bytes):
                fresh[str(name)] = left.encode("utf-8", "surrogateescape")
            else:
                fresh[str(name)] = left if isinstance(value, str) else json.loads(left)
        return fresh

    # Payloads.

    def _payloads(self, places: dict[str, int], left: dict[tuple[str, str], int]) -> None:
        """Take values out of payloads; their names stay, and it is noted that they do not fit."""
        held: list[str] = []
        with self.database.reading() as connection:
            query = sa.select(blobs.c.digest, blobs.c.data)
            for name, data in connection.execution_options(yield_per=CHUNK).execute(query):
                self.hold.beat()
                if self.eraser.count(bytes(data)):
                    held.append(name)
        for some in chunks(held):
            with self.database.transaction() as connection:
                owners = _owners(connection, some)
                for name in some:
                    if owners.get(name, set()) - {self.erasure.tenant}:
                        shared = ("blobs.data", "another tenant has it too")
                        left[shared] = left.get(shared, 0) + 1
                    elif self._payload(connection, name):
                        places["blobs.data"] = places.get("blobs.data", 0) + 1
                self.hold.commit(connection)

    def _payload(self, connection: sa.Connection, name: str) -> bool:
        one = blobs.c.digest == name
        data = connection.execute(sa.select(blobs.c.data).where(one)).scalar()
        if data is None:
            return False
        text = bytes(data).decode("utf-8", "surrogateescape")
        fresh = self.eraser.text(text)
        if fresh == text:
            return False
        changed = fresh.encode("utf-8", "surrogateescape")
        connection.execute(sa.update(blobs).where(one).values(data=changed))
        put_once(connection, erased_blobs, [{"digest": name, "erasure": self.erasure.id}])
        return True


def _owners(connection: sa.Connection, names: Sequence[str]) -> dict[str, set[str]]:
    """Return whose runs refer to payloads."""
    found: dict[str, set[str]] = {}
    for run_id, digest, _ in REFERENCES:
        query = sa.select(digest, runs.c.tenant).distinct().where(digest.in_(names))
        if run_id.table is not runs:
            query = query.join_from(run_id.table, runs, runs.c.id == run_id)
        for name, tenant in connection.execute(query):
            found.setdefault(name, set()).add(tenant)
    return found
