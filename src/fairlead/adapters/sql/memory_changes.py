"""What happens to items later: endorsed, taken back, merged from a trial, removed, counted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.database import serialize
from fairlead.adapters.sql.events import append
from fairlead.adapters.sql.memory_rows import Likenesses, read_key, rows_of, spoken, visible
from fairlead.adapters.sql.memory_slots import known_of, reopen, take_place
from fairlead.adapters.sql.memory_write import put_once, touch
from fairlead.adapters.sql.references import chunks
from fairlead.adapters.sql.schema_memory import (
    memories,
    memory_lineage,
    memory_reads,
    memory_schemas,
    memory_tombstones,
)
from fairlead.adapters.sql.schema_releases import activations
from fairlead.core.digests import canonical_json
from fairlead.core.label import label_from_json, label_to_json
from fairlead.core.memory import CURRENT, TAKEN_BACK, MemoryState, Reader
from fairlead.ports.clock import Clock
from fairlead.ports.memory import Change, MemoryStats

SOURCES_MAX = 50
"""Most sources that statistics name."""


@dataclass(frozen=True, kw_only=True)
class Settling:
    """Brings items into a state.

    Attributes:
        connection: A writing transaction.
        reader: Who does it.
        likenesses: Digests under the store's key.
        now: Seconds since 1970.
    """

    connection: sa.Connection
    reader: Reader
    likenesses: Likenesses
    now: float

    def settle(self, ids: Sequence[str], state: MemoryState, change: Change) -> list[str]:
        """Bring current items into a state; returns the ids of those that were changed."""
        changed: list[str] = []
        for some in chunks(set(ids)):
            where = visible(self.reader, named=True) & memories.c.id.in_(some)
            if self.reader.overlay:
                # A trial changes nothing of what everybody knows.
                where &= memories.c.overlay == self.reader.overlay
            current: sa.ColumnElement[bool] = memories.c.retired_at.is_(None)
            if state == "retracted":
                current |= memories.c.state == "superseded"
            rows = rows_of(
                self.connection,
                sa.select(memories).where(where & current & (memories.c.state != state)),
            )
            if state == "active":
                rows = [row for row in rows if self._endorse(row)]
            elif state == "quarantined":
                self._update([row["number"] for row in rows], state=state)
            else:
                # An end that a replacement brought is taken back with what it ended: as of a time
                # before the replacement it had none.
                until = sa.case((memories.c.state == "superseded", None), else_=memories.c.valid_to)
                since = sa.func.coalesce(memories.c.retired_at, self.now)
                self._update(
                    [row["number"] for row in rows], state=state, retired_at=since, valid_to=until
                )
                self.bury(rows, change)
            if state != "active":
                self._go_on(rows)
            touch(self.connection, rows)
            changed += [str(row["id"]) for row in rows]
        return changed

    def _update(self, numbers: Sequence[int], **values: Any) -> None:
        self.connection.execute(
            sa.update(memories).where(memories.c.number.in_(numbers)).values(**values)
        )

    def _go_on(self, rows: Iterable[Any]) -> None:
        """Have what was to end where one of these begins go on: it never will begin."""
        for row in rows:
            known = known_of({**row, "trusted": False}, fresh=row)
            if row["retired_at"] is None and known.waits(self.now):
                reopen(self.connection, known)

    def _endorse(self, row: Any) -> bool:
        """Make one item trusted; it then replaces what it had only proposed to replace."""
        label = replace(label_from_json(json.loads(row["label"])), integrity="trusted")
        take_place(self.connection, row, self.now)
        self._update([row["number"]], state="active", label=canonical_json(label_to_json(label)))
        return True

    def bury(self, rows: Iterable[Any], change: Change) -> None:
        """Leave tombstones, so that what was taken back is not learned again."""
        digests = dict.fromkeys(
            self.likenesses.rejected(self.reader, row["subject"], text, predicate)
            for row in rows
            for text, predicate in _said(row)
            if text
        )
        stones = [
            {
                "digest": digest,
                "tenant": self.reader.tenant,
                "reason": change.reason,
                "by": change.by,
                "at": self.now,
                "words": 0,
            }
            for digest in digests
        ]
        put_once(self.connection, memory_tombstones, stones)


def _said(row: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return what an item says, each with the predicate for which alone it is said."""
    value = spoken(json.loads(row["value"] or "null"))
    # A value such as `yes` is wrong for its predicate alone, however it is worded.
    return (row["text"], ""), (value, ""), (value, row["predicate"])


def still_on_trial(connection: sa.Connection, release: str) -> bool:
    """Say whether a release was never activated; until the transaction ends it stays so.

    Args:
        connection: A writing transaction.
        release: Digest of the release.
    """
    serialize(connection, f"trial:{release}")
    ever = sa.select(activations.c.release).where(activations.c.release == release).limit(1)
    return connection.execute(ever).first() is None


def merge_overlay(
    connection: sa.Connection, trial: tuple[str, str], change: Change, clock: Clock
) -> int:
    """Make what was remembered in a trial everybody's; what it replaced is replaced now.

    Args:
        connection: A writing transaction.
        trial: The app and the release.
        change: Who merges it, and why.
        clock: Time and ids.
    """
    app, release = trial
    serialize(connection, f"trial:{release}")
    on_trial = (memories.c.app == app) & (memories.c.overlay == release)
    rows = rows_of(connection, sa.select(memories).where(on_trial).order_by(memories.c.number))
    known, now = Likenesses(read_key(connection)), clock.now()
    for row in rows:
        if row["state"] == "active":
            take_place(connection, {**row, "overlay": ""}, now)
        elif row["state"] == "superseded":
            # It took the place of something, until another one of the trial took its own.
            take_place(connection, {**row, "overlay": "", "slot": None}, now)
        elif row["state"] in TAKEN_BACK:
            whose = Reader(tenant=row["tenant"], app=app)
            settling = Settling(connection=connection, reader=whose, likenesses=known, now=now)
            settling.bury([row], change)
    connection.execute(sa.update(memories).where(on_trial).values(overlay=""))
    seen = {(row["tenant"], row["schema"]) for row in rows}
    for tenant, version in sorted(seen):
        noted = {"tenant": tenant, "app": app, "schema": version, "overlay": ""}
        put_once(connection, memory_schemas, [noted])
    _close_trial(connection, trial)
    touch(connection, rows)
    if change.fact is not None and rows:
        append(connection, clock, change.fact)
    return len(rows)


def drop_overlay(
    connection: sa.Connection, trial: tuple[str, str], change: Change, clock: Clock
) -> int:
    """Remove what was remembered in a trial.

    Args:
        connection: A writing transaction.
        trial: The app and the release.
        change: Who drops it, and why.
        clock: Time and ids.
    """
    app, release = trial
    query = sa.select(memories.c.number).where(memories.c.app == app, memories.c.overlay == release)
    numbers = list(connection.execute(query).scalars())
    purge(connection, numbers)
    _close_trial(connection, trial)
    if change.fact is not None and numbers:
        append(connection, clock, change.fact)
    return len(numbers)


def _close_trial(connection: sa.Connection, trial: tuple[str, str]) -> None:
    app, release = trial
    connection.execute(
        sa.delete(memory_schemas).where(
            memory_schemas.c.app == app, memory_schemas.c.overlay == release
        )
    )


def purge(connection: sa.Connection, numbers: Sequence[int]) -> None:
    """Remove items with their vectors, their lineage and who read them.

    Args:
        connection: A writing transaction.
        numbers: The items' numbers.
    """
    for start in range(0, len(numbers), 500):
        some = numbers[start : start + 500]
        where = memories.c.number.in_(some)
        rows = rows_of(connection, sa.select(memories).where(where))
        ids = [row["id"] for row in rows]
        if connection.dialect.name == "sqlite":
            # PostgreSQL's go with their items.
            connection.exec_driver_sql(
                "DELETE FROM memory_vectors WHERE number = ?", [(number,) for number in some]
            )
        for table, column in (
            (memory_lineage, memory_lineage.c.child),
            (memory_lineage, memory_lineage.c.parent),
            (memory_reads, memory_reads.c.item),
        ):
            connection.execute(sa.delete(table).where(column.in_(ids)))
        connection.execute(sa.delete(memories).where(where))
        touch(connection, rows, removed=1)


def stats(connection: sa.Connection, reader: Reader, now: float) -> MemoryStats:
    """Count what is kept of a tenant's memory in an app."""
    own = visible(reader)
    current = own & memories.c.state.in_(CURRENT)
    number = sa.func.count()

    def counted(*columns: Any, where: sa.ColumnElement[bool], most: int = 10_000) -> list[Any]:
        query = sa.select(*columns, number).where(where).group_by(*columns)
        return list(connection.execute(query.order_by(number.desc(), *columns).limit(most)))

    def by_source(where: sa.ColumnElement[bool]) -> dict[str, int]:
        rows = counted(memories.c.source, where=where, most=SOURCES_MAX)
        return dict(tuple(row) for row in rows)

    versions = (
        sa.select(memory_schemas.c.schema)
        .distinct()
        .where(memory_schemas.c.tenant == reader.tenant, memory_schemas.c.app == reader.app)
    )
    stones = sa.select(number).select_from(memory_tombstones)
    expired = sa.select(number).where(own, memories.c.expires_at <= now)
    return MemoryStats(
        items={
            (kind, state): count
            for kind, state, count in counted(memories.c.kind, memories.c.state, where=own)
        },
        sources=by_source(current),
        quarantined=by_source(own & (memories.c.state == "quarantined")),
        embedders=dict(tuple(row) for row in counted(memories.c.embedder, where=current)),
        schemas=tuple(connection.execute(versions.order_by(memory_schemas.c.schema)).scalars()),
        overlays=dict(
            tuple(row)
            for row in counted(memories.c.overlay, where=own & (memories.c.overlay != ""))
        ),
        tombstones=connection.execute(
            stones.where(memory_tombstones.c.tenant == reader.tenant)
        ).scalar_one(),
        expired=connection.execute(expired).scalar_one(),
    )
