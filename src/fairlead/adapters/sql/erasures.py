"""Erasures on SQL: what they hide and remove, and what of it is still there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql import erasure_rows as rows_with
from fairlead.adapters.sql.compaction import compact, files_of
from fairlead.adapters.sql.database import Database, serialize
from fairlead.adapters.sql.erasure_records import Hold, SqlErasureRecords, began
from fairlead.adapters.sql.erasure_runs import touched_by
from fairlead.adapters.sql.erasure_targets import (
    Hiding,
    carriers,
    common,
    find,
    matching,
    said_of,
)
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.memory_changes import purge
from fairlead.adapters.sql.memory_reach import reach
from fairlead.adapters.sql.memory_rows import Likenesses, read_key, rows_of
from fairlead.adapters.sql.memory_write import Writing
from fairlead.adapters.sql.references import chunks
from fairlead.adapters.sql.schema_memory import (
    memories,
    memory_exported,
    memory_exports,
    memory_lineage,
    memory_reads,
    memory_tombstones,
)
from fairlead.core.erasure import (
    SAID_CHARS_MIN,
    Erasure,
    Target,
    Trace,
)
from fairlead.core.likeness import blanked
from fairlead.core.memory import Note, Reader
from fairlead.ports.clock import Clock
from fairlead.ports.erasure import Exported, MakeEraser, Remains, Scrubbed, Touched, ValueEraser
from fairlead.ports.memory import PLAIN, Roots
from fairlead.ports.runs import Order

_UNKNOWN_WORDS = range(1, 13)
"""Words of what is looked for in documents when a tombstone does not say how many it has."""


class _TakenBack(Exception):
    """Takes a rehearsal back."""


class SqlErasureStore(SqlErasureRecords):
    """Keeps erasures, and does in the database what they are made of."""

    def __init__(self, database: Database, clock: Clock, eraser: MakeEraser) -> None:
        """Use a database.

        Args:
            database: The database.
            clock: Time and ids.
            eraser: Returns what finds some values.
        """
        super().__init__(database, clock)
        self._eraser = eraser

    # Hidden at once.

    def begin(self, tenant: str, app: str, target: Target, order: Order) -> Erasure:
        """Hide what is named and all that was derived from it, and leave tombstones."""
        reader = Reader(tenant=tenant, app=app)
        with self._database.transaction() as connection:
            serialize(connection, f"memory:{tenant}/{app}")
            likenesses = Likenesses(read_key(connection))
            eraser = self._eraser(target.values)
            ids = find(connection, reader, target, eraser)
            hiding = self._hiding(connection, reader, likenesses, order)
            stones = hiding.hide(ids, target.values)
            erasure = Erasure(
                id=f"e-{self._clock.id()}",
                tenant=tenant,
                app=app,
                items=tuple(ids),
                tombstones=stones,
                stage="ledger",
                by=order.by,
                reason=eraser.text(order.reason),
                begun_at=self._clock.now(),
                ended_at=None,
                receipt={"items": len(ids), "tombstones": len(stones)},
            )
            # Whatever further is to be found stands in the items' own table until they go.
            more = carriers(connection, reader, erasure, target.values)
            erasure = replace(erasure, items=(*erasure.items, *more))
            self._put(connection, erasure)
            append(connection, self._clock, began(erasure))
        return erasure

    def restore(self, erasure: Erasure, order: Order) -> Sequence[str]:
        """Put an erasure on record again, and hide what is back."""
        reader = Reader(tenant=erasure.tenant, app=erasure.app)
        with self._database.transaction() as connection:
            serialize(connection, f"memory:{reader.tenant}/{reader.app}")
            likenesses = Likenesses(read_key(connection))
            known = list(self._there(connection, erasure.items))
            known += matching(connection, reader, likenesses, erasure.tombstones)
            # No bound here: what was begun must come to its end.
            ids = list(reach(connection, reader, Roots(ids=tuple(known))).items) if known else []
            stones = self._hiding(connection, reader, likenesses, order).hide(ids, ())
            everything = dict.fromkeys((*erasure.tombstones, *stones))
            for digest in everything:
                self._hiding(connection, reader, likenesses, order).bury(digest)
            fresh = replace(
                erasure,
                items=tuple(dict.fromkeys((*erasure.items, *ids))),
                tombstones=tuple(everything),
                receipt={"items": len(ids), "tombstones": len(everything), "again": True},
            )
            self._put(connection, fresh)
            append(connection, self._clock, began(fresh))
        return ids

    def _hiding(
        self, connection: sa.Connection, reader: Reader, likenesses: Likenesses, order: Order
    ) -> Hiding:
        return Hiding(
            connection=connection,
            reader=reader,
            likenesses=likenesses,
            by=order.by,
            now=self._clock.now(),
        )

    def blanking(self, tenant: str) -> Callable[[str], str]:
        """Return what blanks out of a text all that a tenant may not learn again."""
        of_tenant = memory_tombstones.c.tenant == tenant
        query = sa.select(memory_tombstones.c.digest, memory_tombstones.c.words).where(of_tenant)
        with self._database.reading() as connection:
            stones = {row.digest: row.words for row in connection.execute(query) if row.words != 0}
            likenesses = Likenesses(read_key(connection))
        sizes = {words for words in stones.values() if words is not None}
        if None in stones.values():
            sizes.update(_UNKNOWN_WORDS)
        return lambda text: blanked(
            text, sizes, lambda alike: likenesses.stone(tenant, alike) in stones
        )

    # What is looked for.

    def values(self, erasure: Erasure) -> tuple[Sequence[str], int]:
        """Return what is looked for, read from the rows, and how many texts are not."""
        reader = Reader(tenant=erasure.tenant, app=erasure.app)
        found: dict[str, None] = {}
        passed = 0
        with self._database.reading() as connection:
            rows = self._items(connection, erasure)
            said = [(row, said_of(row["text"], row["value"])) for row in rows]
            texts = {text for _, own in said for text in own}
            others = common(connection, reader, erasure.items, texts)
        for row, own in said:
            # Somebody named a further value; what an item says nobody chose.
            named = row["source"] == f"erasure:{erasure.id}"
            for text in own:
                if named or (len(text) >= SAID_CHARS_MIN and text not in others):
                    found[text] = None
                else:
                    passed += 1
        return list(found), passed

    def evidence(self, values: Iterable[str]) -> list[str]:
        """Return how a receipt names values."""
        with self._database.reading() as connection:
            likenesses = Likenesses(read_key(connection))
        return sorted(likenesses.evidence(value) for value in values)

    def _items(self, connection: sa.Connection, erasure: Erasure) -> list[dict[str, Any]]:
        found = []
        own = (memories.c.tenant == erasure.tenant) & (memories.c.app == erasure.app)
        for some in chunks(erasure.items):
            found += rows_of(connection, sa.select(memories).where(own, memories.c.id.in_(some)))
        return found

    def _there(self, connection: sa.Connection, ids: Sequence[str]) -> Iterable[str]:
        for some in chunks(ids):
            query = sa.select(memories.c.id).where(memories.c.id.in_(some))
            yield from connection.execute(query).scalars().all()

    # What is done.

    def touched(self, erasure: Erasure) -> Touched:
        """Find the runs that got or wrote one of the items, and what is bound to them."""
        with self._database.reading() as connection:
            reader = Reader(tenant=erasure.tenant, app=erasure.app)
            return touched_by(connection, reader, erasure.items)

    def scrub(self, erasure: Erasure, eraser: ValueEraser) -> Scrubbed:
        """Take values out of the tenant's rows, except items and the event log."""
        hold = Hold(self._database, self._clock, erasure)
        return rows_with.Scrubbing(self._database, erasure, eraser, hold).scrub()

    def exported(self, erasure: Erasure) -> Sequence[Exported]:
        """Return the files that are known to hold one of the items."""
        held: dict[str, list[str]] = {}
        with self._database.reading() as connection:
            for some in chunks(erasure.items):
                query = sa.select(memory_exported).where(memory_exported.c.item.in_(some))
                for row in connection.execute(query):
                    held.setdefault(row.export, []).append(row.item)
            found = []
            for some in chunks(held):
                query = sa.select(memory_exports).where(memory_exports.c.id.in_(some))
                found += [
                    Exported(id=row.id, path=row.path, digest=row.digest, items=tuple(held[row.id]))
                    for row in connection.execute(query.order_by(memory_exports.c.id))
                ]
        return found

    def rewrote(self, export: Exported, digest: str | None) -> None:
        """Note that a file has none of the items any more."""
        of_export = memory_exported.c.export == export.id
        with self._database.transaction() as connection:
            for some in chunks(export.items):
                gone = of_export & memory_exported.c.item.in_(some)
                connection.execute(sa.delete(memory_exported).where(gone))
            if digest is not None:
                connection.execute(
                    sa.update(memory_exports)
                    .where(memory_exports.c.id == export.id)
                    .values(digest=digest)
                )

    def purge(self, erasure: Erasure) -> int:
        """Remove the items with their vectors, their lineage and who read them."""
        reader = Reader(tenant=erasure.tenant, app=erasure.app)
        with self._database.transaction() as connection:
            serialize(connection, f"memory:{erasure.tenant}/{erasure.app}")
            there = tuple(self._there(connection, erasure.items))
            # Whoever had one of them in hand may have derived another one since. There is no bound:
            # what was begun must come to its end.
            ids = reach(connection, reader, Roots(ids=there)).items if there else ()
            numbers: list[int] = []
            for some in chunks(ids):
                query = sa.select(memories.c.number).where(memories.c.id.in_(some))
                numbers += connection.execute(query).scalars().all()
            purge(connection, numbers)
            for some in chunks(erasure.items):
                for column in (
                    memory_lineage.c.child,
                    memory_lineage.c.parent,
                    memory_reads.c.item,
                ):
                    connection.execute(sa.delete(column.table).where(column.in_(some)))
                # What a row that stays says of it.
                connection.execute(
                    sa.update(memories).where(memories.c.supersedes.in_(some)).values(supersedes="")
                )
            Hold(self._database, self._clock, erasure).commit(connection)
        return len(numbers)

    def compact(self, erasure: Erasure) -> Sequence[str]:
        """Have the database let go of what was removed; returns what could not be done."""
        return compact(self._database, Hold(self._database, self._clock, erasure).beat)

    def files(self) -> Sequence[Path]:
        """Return the files of the database that can be read here."""
        return files_of(self._database)

    # What is left.

    def traces(self, erasure: Erasure, eraser: ValueEraser) -> Sequence[Trace]:
        """Find values in all rows of all tables, whosever they are."""
        hold = Hold(self._database, self._clock, erasure)
        return rows_with.traces(self._database, eraser, hold.beat)

    def remains(self, erasure: Erasure) -> Remains:
        """Find what is still there of an erasure's items."""
        reader = Reader(tenant=erasure.tenant, app=erasure.app)
        stones = memory_tombstones.c.digest
        with self._database.reading() as connection:
            derived: set[str] = set()
            reads = kept = 0
            for some in chunks(erasure.items):
                of_parent = memory_lineage.c.parent.in_(some)
                query = sa.select(memory_lineage.c.child).where(of_parent)
                derived.update(connection.execute(query).scalars())
                counted = sa.select(sa.func.count()).where(memory_reads.c.item.in_(some))
                reads += connection.execute(counted).scalar_one()
            for some in chunks(erasure.tombstones):
                counted = sa.select(sa.func.count()).where(stones.in_(some))
                kept += connection.execute(counted).scalar_one()
            return Remains(
                items=tuple(self._there(connection, erasure.items)),
                derived=tuple(sorted(derived)),
                reads=reads,
                stones=kept,
                known_again=tuple(
                    matching(
                        connection,
                        reader,
                        Likenesses(read_key(connection)),
                        erasure.tombstones,
                    )
                ),
            )

    def feed(self, erasure: Erasure, texts: Sequence[str]) -> tuple[int, int]:
        """Have those texts remembered again that it has tombstones of, and take that back."""
        stones = frozenset(erasure.tombstones)
        fed: list[str] = []
        taken = 0
        try:
            with self._database.transaction() as connection:
                likenesses = Likenesses(read_key(connection))
                fed = [one for one in texts if likenesses.erased(erasure.tenant, one) in stones]
                writing = Writing(
                    connection=connection,
                    writer=Reader(tenant=erasure.tenant, app=erasure.app),
                    likenesses=likenesses,
                    now=self._clock.now(),
                    new_id=self._clock.id(),
                )
                notes = [Note(kind="semantic", text=text) for text in fed]
                notes += [Note(kind="semantic", text="?", value=text) for text in fed]
                taken = sum(not one.refused for one in writing.write(notes, PLAIN))
                raise _TakenBack
        except _TakenBack:
            pass
        return len(fed), taken
