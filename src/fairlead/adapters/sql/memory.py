"""What is remembered, on SQL: written in one place, filtered before it is ranked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql import memory_changes as changes
from fairlead.adapters.sql import memory_embedding as embedding_anew
from fairlead.adapters.sql import memory_reach as reaching
from fairlead.adapters.sql.database import Database, serialize
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.memory_blobs import MemoryBlobs
from fairlead.adapters.sql.memory_filter import Filter, filter_of
from fairlead.adapters.sql.memory_lexical import LexicalIndex, MemoryFts5, MemoryTsvector
from fairlead.adapters.sql.memory_pgvector import MemoryPgvector
from fairlead.adapters.sql.memory_rows import (
    COLUMNS,
    Likenesses,
    items_of,
    read_key,
    visible,
)
from fairlead.adapters.sql.memory_vectors import Nearness, VectorIndex
from fairlead.adapters.sql.memory_write import Writing, put_once
from fairlead.adapters.sql.references import CHUNK, chunks
from fairlead.adapters.sql.schema_memory import memories, memory_reads, memory_schemas
from fairlead.core.digests import Json
from fairlead.core.event import Fact
from fairlead.core.memory import Item, MemoryQuery, MemoryState, Note, Reader, Written
from fairlead.ports.clock import Clock
from fairlead.ports.memory import (
    BY_AGE,
    PLAIN,
    Candidate,
    Candidates,
    Change,
    Embedding,
    MemoryStats,
    Reach,
    Roots,
    Search,
    Stamp,
    Statistics,
)

AT_PLACE_MAX = 4
"""Most items at one place of a thread, on average, that stand beside a candidate."""

_CANDIDATE = (
    memories.c.number,
    memories.c.id,
    memories.c.text,
    memories.c.actor,
    memories.c.valid_from,
    memories.c.scope,
    memories.c.thread,
    memories.c.place,
    memories.c.subject,
)
_ALL = sa.select(*(memories.c[name] for name in COLUMNS))

ITEMS_TOLD_MAX = 20
"""Most ids of new items that an event names."""


class SqlMemoryStore:
    """Keeps what is remembered, and finds it by words and vectors."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Use a database.

        Args:
            database: The database.
            clock: Time and ids.
        """
        self._database = database
        self._clock = clock
        server = database.engine.dialect.name == "postgresql"
        self._words: LexicalIndex = MemoryTsvector() if server else MemoryFts5()
        self._vectors: VectorIndex = MemoryPgvector() if server else MemoryBlobs()
        self._likenesses: Likenesses | None = None

    def write(
        self, writer: Reader, notes: Sequence[Note], stamp: Stamp = PLAIN
    ) -> Sequence[Written]:
        """Remember notes, all or none, in one transaction."""
        if not notes:
            return []
        with self._database.transaction() as connection:
            serialize(connection, f"memory:{writer.tenant}/{writer.app}")
            if writer.overlay and not changes.still_on_trial(connection, writer.overlay):
                # It was activated since the run looked.
                writer = replace(writer, overlay="")
            writing = Writing(
                connection=connection,
                writer=writer,
                likenesses=self._keyed(connection),
                now=self._clock.now(),
                new_id=self._clock.id(),
            )
            written = writing.write(notes, stamp)
            if writing.fresh:
                self._words.insert(connection, writing.fresh)
            if writing.fresh and stamp.vectors:
                given = dict(zip((one.id for one in written), stamp.vectors, strict=True))
                vectors = [given[row["id"]] for row in writing.fresh]
                self._vectors.insert(connection, writing.fresh, vectors)
            # Where nothing new was written, no rule made anything trusted.
            rule = stamp.fact is not None and stamp.fact.type == "memory.endorsed"
            if stamp.fact is not None and (writing.fresh or not rule):
                append(connection, self._clock, said_of(stamp.fact, **_told(written)))
            return written

    def candidates(self, reader: Reader, query: MemoryQuery, search: Search) -> Candidates:
        """Find what may answer a question, among what the reader may see and nothing else."""
        within = filter_of(reader, query, self._clock.now())
        with self._database.reading() as connection:
            numbers: Sequence[int] = []
            items, found_in = 0, {}
            if search.terms:
                numbers, items, counts = self._words.look_up(
                    connection, within, search.terms, search.lexical_max
                )
                found_in = dict(counts)
            cosines: dict[int, float] = {}
            near = None
            if query.vector is not None:
                near = Nearness(vector=query.vector, embedder=query.embedder)
                cosines = self._vectors.nearest(connection, within, near, search.vector_max)
            seeds = [*numbers[: search.seeds_max], *list(cosines)[: search.seeds_max]]
            known = list(dict.fromkeys([*numbers, *cosines]))[: search.most]
            rows = self._rows(connection, known)
            best = [rows[one] for one in seeds if one in rows]
            beside = self._around(connection, within, best, search.around)
            for number, row in beside.items():
                if len(rows) < search.most:
                    rows.setdefault(number, row)
            if near is not None:
                rest = [number for number in rows if number not in cosines]
                cosines |= self._vectors.similarities(connection, rest, near)
        found = [
            Candidate(
                id=row.id,
                text=row.text,
                actor=row.actor,
                at=row.valid_from,
                thread=row.thread,
                place=row.place,
                title=row.subject,
                similarity=cosines.get(number),
            )
            for number, row in rows.items()
        ]
        words = sum(row.text.count(" ") + 1 for row in rows.values())
        statistics = Statistics(
            items=items or len(rows), found_in=found_in, mean_words=words / max(1, len(rows))
        )
        return Candidates(found=found, statistics=statistics)

    def _rows(self, connection: sa.Connection, numbers: Sequence[int]) -> dict[int, sa.Row[Any]]:
        found: dict[int, sa.Row[Any]] = {}
        for start in range(0, len(numbers), CHUNK):
            some = numbers[start : start + CHUNK]
            query = sa.select(*_CANDIDATE).where(memories.c.number.in_(some))
            found.update({row.number: row for row in connection.execute(query)})
        return found

    def _around(
        self,
        connection: sa.Connection,
        within: Filter,
        seeds: Sequence[sa.Row[Any]],
        around: int,
    ) -> dict[int, sa.Row[Any]]:
        """Return what stands beside the best candidates in their threads."""
        places: dict[tuple[str, str], set[int]] = {}
        for row in seeds:
            if row.thread and around:
                near = range(row.place - around, row.place + around + 1)
                places.setdefault((row.scope, row.thread), set()).update(near)
        found: dict[int, sa.Row[Any]] = {}
        names = ", ".join(f"m.{column.name}" for column in _CANDIDATE)
        for (scope, thread), wanted in places.items():
            values = {**within.values, "at_scope": scope, "at_thread": thread}
            listed = ", ".join(str(int(place)) for place in sorted(wanted))
            statement = (
                f"SELECT {names} FROM memories m WHERE m.scope = :at_scope "
                f"AND m.thread = :at_thread AND m.thread <> '' AND m.place IN ({listed}) "
                f"AND {within.sql} ORDER BY m.number LIMIT {AT_PLACE_MAX * len(wanted)}"
            )
            rows = connection.execute(sa.text(statement), values)
            found.update({row.number: row for row in rows})
        own = {(row.scope, row.thread): set[int]() for row in seeds}
        for row in seeds:
            own[row.scope, row.thread].add(row.place)
        # The nearest first: the candidates have a bound.
        nearest = sorted(
            found.values(),
            key=lambda row: (
                min(abs(row.place - place) for place in own[row.scope, row.thread]),
                row.number,
            ),
        )
        return {row.number: row for row in nearest}

    def get(self, reader: Reader, ids: Sequence[str]) -> Sequence[Item]:
        """Return those of the items that the reader may see, in the order of the ids."""
        found: dict[str, Item] = {}
        seen = visible(reader, named=True) & self._kept(reader)
        with self._database.reading() as connection:
            for some in chunks(set(ids)):
                query = _ALL.where(seen, memories.c.id.in_(some))
                found.update({item.id: item for item in items_of(connection, query)})
        return [found[one] for one in dict.fromkeys(ids) if one in found]

    def history(
        self, reader: Reader, subject: str, predicate: str, *, known_at: float | None = None
    ) -> Sequence[Item]:
        """Return what was said of a subject, oldest record first."""
        query = _ALL.where(visible(reader), self._kept(reader), memories.c.subject == subject)
        if subject:
            query = query.where(memories.c.subject != "")
        if predicate:
            query = query.where(memories.c.predicate == predicate)
        if known_at is not None:
            retired = memories.c.retired_at
            query = query.where(
                memories.c.recorded_at <= known_at, retired.is_(None) | (retired > known_at)
            )
        query = query.order_by(memories.c.recorded_at, memories.c.number).limit(10_000)
        with self._database.reading() as connection:
            return items_of(connection, query)

    def items(
        self, reader: Reader, *, states: Sequence[MemoryState], after: str = "", most: int = 1000
    ) -> Sequence[Item]:
        """Return items by id, in order, from behind one."""
        query = _ALL.where(visible(reader, named=True), memories.c.id > after)
        query = query.where(memories.c.state.in_(states)).order_by(memories.c.id).limit(most)
        with self._database.reading() as connection:
            return items_of(connection, query)

    def each(self, reader: Reader) -> Iterator[Item]:
        """Yield every item that the reader may see, whatever its state, by id."""
        after = ""
        while True:
            query = _ALL.where(visible(reader, named=True), memories.c.id > after)
            with self._database.reading() as connection:
                some = items_of(connection, query.order_by(memories.c.id).limit(CHUNK))
            yield from some
            if len(some) < CHUNK:
                return
            after = some[-1].id

    def unembedded(
        self, reader: Reader, embedder: str, *, after: str = "", most: int = 1000
    ) -> Sequence[Item]:
        """Return items without a vector of a model, by id, in order, from behind one."""
        waiting = embedding_anew.waiting(reader, embedder, self._clock.now())
        query = _ALL.where(waiting, memories.c.id > after).order_by(memories.c.id).limit(most)
        with self._database.reading() as connection:
            return items_of(connection, query)

    def embed(self, reader: Reader, embedding: Embedding) -> int:
        """Give items new vectors in place of their old ones, all in one transaction."""
        waiting = embedding_anew.waiting(reader, embedding.embedder, self._clock.now())
        with self._database.transaction() as connection:
            serialize(connection, f"memory:{reader.tenant}/{reader.app}")
            done = embedding_anew.embed(connection, self._vectors, embedding, waiting)
            if embedding.fact is not None and done:
                append(connection, self._clock, said_of(embedding.fact, items=done))
            return done

    def settle(
        self, reader: Reader, ids: Sequence[str], state: MemoryState, change: Change
    ) -> Sequence[str]:
        """Bring current items into a state; returns the ids of those that were changed."""
        with self._database.transaction() as connection:
            serialize(connection, f"memory:{reader.tenant}/{reader.app}")
            settling = changes.Settling(
                connection=connection,
                reader=reader,
                likenesses=self._keyed(connection),
                now=self._clock.now(),
            )
            changed = settling.settle(ids, state, change)
            if change.fact is not None and changed:
                append(connection, self._clock, said_of(change.fact, changed=len(changed)))
            return changed

    def reach(self, reader: Reader, roots: Roots, *, derived: bool = True) -> Reach:
        """Find items by where they come from, and the runs that got or wrote one of them."""
        with self._database.reading() as connection:
            return reaching.reach(connection, reader, roots, derived=derived)

    def note_reads(self, run_id: str, call: int, ids: Sequence[str]) -> None:
        """Note that a run got items; a second time changes nothing."""
        now = self._clock.now()
        noted = [
            {"item": one, "run_id": run_id, "call": call, "read_at": now}
            for one in dict.fromkeys(ids)
        ]
        with self._database.transaction() as connection:
            put_once(connection, memory_reads, noted)

    def merge_overlay(self, app: str, release: str, change: Change) -> int:
        """Make what was remembered in a release's trial everybody's; returns how many items."""
        with self._database.transaction() as connection:
            return changes.merge_overlay(connection, (app, release), change, self._clock)

    def drop_overlay(self, app: str, release: str, change: Change) -> int:
        """Remove what was remembered in a release's trial; returns how many items."""
        with self._database.transaction() as connection:
            return changes.drop_overlay(connection, (app, release), change, self._clock)

    def schemas(self, reader: Reader) -> Sequence[int]:
        """Return the versions of the memory schema that have written what the reader may see."""
        of = memory_schemas.c
        query = (
            sa.select(of.schema).distinct().where(of.tenant == reader.tenant, of.app == reader.app)
        )
        query = query.where(of.overlay.in_(("", reader.overlay))).order_by(of.schema)
        with self._database.glance() as connection:
            return list(connection.execute(query).scalars())

    def expire(self, most: int = 10_000, *, change: Change = BY_AGE, rehearse: bool = False) -> int:
        """Remove items that are past their retention, in every tenant, with an event for each."""
        past = memories.c.expires_at <= self._clock.now()
        if rehearse:
            with self._database.reading() as connection:
                return int(connection.execute(sa.select(sa.func.count()).where(past)).scalar_one())
        with self._database.transaction() as connection:
            query = sa.select(memories.c.number, memories.c.tenant).where(past)
            rows = connection.execute(query.order_by(memories.c.number).limit(most)).all()
            changes.purge(connection, [row.number for row in rows])
            gone = Counter(row.tenant for row in rows)
            append(connection, self._clock, *(_expired(change, *one) for one in gone.items()))
            return len(rows)

    def stats(self, reader: Reader) -> MemoryStats:
        """Count what is kept."""
        with self._database.reading() as connection:
            return changes.stats(connection, reader, self._clock.now())

    def _kept(self, reader: Reader) -> sa.ColumnElement[bool]:
        """Return that an item is not past its retention; an operator sees it until it goes."""
        return memories.c.expires_at > self._clock.now() if reader.user else sa.true()

    def _keyed(self, connection: sa.Connection) -> Likenesses:
        if self._likenesses is None:
            self._likenesses = Likenesses(read_key(connection))
        return self._likenesses


def said_of(fact: Fact, **more: Json) -> Fact:
    """Return a fact with what only the transaction knows."""
    return replace(fact, data={**fact.data, **more})


def _told(written: Sequence[Written]) -> dict[str, Json]:
    fresh = [one.id for one in written if one.id and not one.merged]
    return {
        "written": len(fresh),
        "merged": sum(one.merged for one in written),
        "refused": sum(one.refused for one in written),
        "items": fresh[:ITEMS_TOLD_MAX],
    }


def _expired(change: Change, tenant: str, items: int) -> Fact:
    data = {"by": change.by, "reason": change.reason, "items": items}
    return Fact(chain=f"memory:{tenant}", type="memory.expired", data=data)
