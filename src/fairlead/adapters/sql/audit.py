"""Checkpoints on SQL: heads are read on one view, and written when nobody was faster."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from fairlead.adapters.sql.database import Database, serialize
from fairlead.adapters.sql.events import COLUMNS, event_of, visible_to
from fairlead.adapters.sql.schema import anchors, checkpoint_files, checkpoints, events, runs
from fairlead.adapters.sql.stored import NEVER, as_count, as_text, as_time, as_truth
from fairlead.core.audit import (
    HEADS_MAX,
    NUMBER_MAX,
    Anchor,
    Checkpoint,
    Head,
    Tree,
    horizon_after,
)
from fairlead.core.errors import AuditBroken
from fairlead.core.event import GENESIS, Event
from fairlead.ports.audit import ExportScope, Signer

ROWS = 1000
"""Rows that are held in memory at a time."""

TRIES_MAX = 20
"""So often a checkpoint is begun anew because another process made one meanwhile."""

_INSERT: dict[str, Callable[[sa.Table], Any]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}
_CHECKPOINTS = sa.select(
    # As it is kept: a driver's truth is whatever is not 0.
    *(
        sa.type_coerce(column, sa.Integer).label(column.name) if column.name == "whole" else column
        for column in checkpoints.c
    )
)
_NEWEST = _CHECKPOINTS.order_by(checkpoints.c.number.desc()).limit(1)

_grown = (
    sa.select(events.c.chain, sa.func.max(events.c.sequence).label("sequence"))
    .where(events.c.time >= sa.bindparam("since", type_=sa.Float))
    .group_by(events.c.chain)
    .subquery()
)
_covered = (
    sa.select(sa.func.max(anchors.c.sequence))
    .where(anchors.c.chain == _grown.c.chain)
    .correlate(_grown)
    .scalar_subquery()
)
_HEADS = (
    sa.select(
        _grown.c.chain,
        _grown.c.sequence,
        events.c.hash,
        sa.func.coalesce(_covered, 0).label("covered"),
    )
    .join(
        events,
        (events.c.chain == _grown.c.chain) & (events.c.sequence == _grown.c.sequence),
    )
    .where(_grown.c.sequence > sa.func.coalesce(_covered, 0))
    .order_by(_grown.c.chain)
    .limit(sa.bindparam("most", type_=sa.Integer))
)


class SqlAuditStore:
    """Keeps checkpoints."""

    def __init__(
        self,
        database: Database,
        *,
        now: Callable[[], float] | None = None,
        heads_max: int = HEADS_MAX,
    ) -> None:
        """Keep them in a database.

        Args:
            database: The database; its clock says when a checkpoint was made.
            now: Stands in place of that clock; None for that.
            heads_max: Most heads of one checkpoint.
        """
        self._database = database
        self._given_now = now
        self._heads_max = heads_max

    def checkpoint(self, signer: Signer, *, every_s: float, empty: bool) -> Checkpoint | None:
        """Make the next checkpoint; None when it is not due, or nothing grew."""
        for _ in range(TRIES_MAX):
            read = self._read(signer, every_s=every_s, empty=empty)
            if read is None or self._put(*read):
                return None if read is None else read[0]
            # Another process was faster; what grew since is still to be covered.
        return None

    def _read(
        self, signer: Signer, *, every_s: float, empty: bool
    ) -> tuple[Checkpoint, list[Head]] | None:
        """Read what is to be covered, and sign it."""
        with self._database.reading() as connection:
            # The view is taken first and the time next: what the view has not is not older.
            before = _last(connection)
            now = self._now(connection)
            if before is not None and now - before.time < every_s:
                return None
            since = horizon_after(before)
            found = connection.execute(_HEADS, {"since": since, "most": self._heads_max + 1}).all()
        whole = len(found) <= self._heads_max
        # What somebody wrote over is not signed; the verification finds it.
        rows = [row for row in found[: self._heads_max] if _is_head(row)]
        if not rows and not empty:
            return None
        heads = [_head(row) for row in rows]
        tree = Tree()
        for head in heads:
            tree.add(head.leaf)
        made = Checkpoint(
            number=1 if before is None else before.number + 1,
            time=now if before is None else max(now, before.time),
            since=since,
            whole=whole,
            heads=len(heads),
            root=tree.root,
            chains=(0 if before is None else before.chains) + sum(not row.covered for row in rows),
            events=(0 if before is None else before.events)
            + sum(row.sequence - row.covered for row in rows),
            previous=GENESIS if before is None else before.digest,
            key=signer.key,
        )
        return replace(made, signature=signer.sign(made.message)), heads

    def _put(self, made: Checkpoint, heads: Sequence[Head]) -> bool:
        with self._database.transaction() as connection:
            serialize(connection, "audit")
            newest = _last(connection)
            if (GENESIS if newest is None else newest.digest) != made.previous:
                return False
            connection.execute(sa.insert(checkpoints).values(asdict(made)))
            rows = [
                {"checkpoint": made.number, "position": position, **asdict(head)}
                for position, head in enumerate(heads)
            ]
            if rows:
                connection.execute(sa.insert(anchors), rows)
            return True

    def newest(self) -> Checkpoint | None:
        """Return the newest checkpoint, or None."""
        with self._database.glance() as connection:
            row = connection.execute(_NEWEST).first()
        return None if row is None else _checkpoint(row)

    def after(self, number: int, most: int) -> Sequence[Checkpoint]:
        """Return checkpoints above a number, in order."""
        query = _CHECKPOINTS.where(checkpoints.c.number > number)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(checkpoints.c.number).limit(most)).all()
        # Somebody may have written over a number; whoever goes on from it must not go back.
        return [found for found in map(_checkpoint, rows) if found.number > number]

    def know(self, file_id: str, where: str) -> None:
        """Remember a file, before it is made."""
        with self._database.transaction() as connection:
            insert = _INSERT[connection.dialect.name](checkpoint_files)
            values = {"id": file_id, "where": where, "number": 0, "written_at": self._now_sql()}
            connection.execute(insert.values(values).on_conflict_do_nothing())

    def knows(self, file_id: str) -> bool:
        """Whether a file is one that this database had made."""
        with self._database.glance() as connection:
            return SqlAuditView(connection).written(file_id) is not None

    def wrote(self, file_id: str, number: int) -> None:
        """Remember which checkpoint a file has."""
        mine = sa.update(checkpoint_files).where(
            checkpoint_files.c.id == file_id, checkpoint_files.c.number < number
        )
        with self._database.transaction() as connection:
            connection.execute(mine.values(number=number, written_at=self._now_sql()))

    @contextmanager
    def view(self) -> Iterator[SqlAuditView]:
        """Open a view of one moment."""
        with self._database.reading() as connection:
            yield SqlAuditView(connection)

    def _now(self, connection: sa.Connection) -> float:
        return float(connection.execute(sa.select(self._now_sql())).scalar_one())

    def _now_sql(self) -> Any:
        if self._given_now is not None:
            return sa.literal(self._given_now(), sa.Float)
        return self._database.now_sql()


class SqlAuditView:
    """The event log and its checkpoints at one moment."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def checkpoints(self) -> Iterator[Checkpoint]:
        """Yield all checkpoints, by number."""
        query = _CHECKPOINTS.order_by(checkpoints.c.number)
        yield from map(_checkpoint, self._connection.execute(query).yield_per(ROWS))

    def heads(self, number: int) -> Iterator[tuple[int, Head]]:
        """Yield the heads of a checkpoint with their positions, in order."""
        query = sa.select(anchors).where(anchors.c.checkpoint == number)
        query = query.order_by(anchors.c.position)
        for row in self._connection.execute(query).yield_per(ROWS):
            yield as_count(row.position), _head(row)

    def chains(
        self, wanted: ExportScope | None = None
    ) -> Iterator[tuple[str, Iterator[tuple[Event, Anchor | None]]]]:
        """Yield chains, and their events in order; the events must be read chain by chain."""
        place = (anchors.c.chain == events.c.chain) & (anchors.c.sequence == events.c.sequence)
        query = (
            sa.select(
                *COLUMNS,
                anchors.c.checkpoint.label("anchored_by"),
                anchors.c.position,
                anchors.c.hash.label("anchored"),
                checkpoints.c.since,
            )
            .join_from(events, anchors, place, isouter=True)
            .join(checkpoints, checkpoints.c.number == anchors.c.checkpoint, isouter=True)
            .order_by(events.c.chain, events.c.sequence, anchors.c.checkpoint)
        )
        if wanted is not None:
            query = query.where(events.c.chain.in_(_wanted(wanted)))
            if wanted.tenant is not None:
                query = query.where(visible_to(wanted.tenant))
        rows = self._connection.execute(query).yield_per(ROWS)
        for chain, found in itertools.groupby(rows, lambda row: as_text(row.chain)):
            yield chain, map(_placed, found)

    def missing(self) -> Iterator[Anchor]:
        """Yield heads that name an event which is not there."""
        place = (anchors.c.chain == events.c.chain) & (anchors.c.sequence == events.c.sequence)
        query = (
            sa.select(anchors)
            .join_from(anchors, events, place, isouter=True)
            .where(events.c.chain.is_(None))
            .order_by(anchors.c.chain, anchors.c.sequence)
        )
        for row in self._connection.execute(query).yield_per(ROWS):
            yield Anchor(
                head=_head(row),
                checkpoint=as_count(row.checkpoint),
                position=as_count(row.position),
                since=None,
            )

    def written(self, file_id: str) -> int | None:
        """Return which checkpoint a file is known to have; None when the file is not known."""
        query = sa.select(checkpoint_files.c.number).where(checkpoint_files.c.id == file_id)
        found = as_count(self._connection.execute(query).scalar())
        return None if found == NEVER else found


def _last(connection: sa.Connection) -> Checkpoint | None:
    """Return the checkpoint that the next one follows, or None.

    Raises:
        AuditBroken: Somebody wrote over it, and nothing can follow it.
    """
    row = connection.execute(_NEWEST).first()
    found = None if row is None else _checkpoint(row)
    if found is not None and not 1 <= found.number < NUMBER_MAX:
        raise AuditBroken("the newest checkpoint of the database was changed, so none can follow")
    return found


def _checkpoint(row: Any) -> Checkpoint:
    return Checkpoint(
        number=as_count(row.number),
        time=as_time(row.time),
        since=as_time(row.since),
        whole=as_truth(row.whole),
        heads=as_count(row.heads),
        root=as_text(row.root),
        chains=as_count(row.chains),
        events=as_count(row.events),
        previous=as_text(row.previous),
        key=as_text(row.key),
        signature=as_text(row.signature),
    )


def _head(row: Any) -> Head:
    return Head(chain=as_text(row.chain), sequence=as_count(row.sequence), hash=as_text(row.hash))


def _is_head(row: Any) -> bool:
    head = _head(row)
    return (head.chain, head.sequence, head.hash) == (row.chain, row.sequence, row.hash) and (
        as_count(row.covered) != NEVER
    )


def _placed(row: Any) -> tuple[Event, Anchor | None]:
    event = event_of(row)
    if row.anchored_by is None:
        return event, None
    head = Head(chain=event.chain, sequence=event.sequence, hash=as_text(row.anchored))
    return event, Anchor(
        head=head,
        checkpoint=as_count(row.anchored_by),
        position=as_count(row.position),
        since=None if row.since is None else as_time(row.since),
    )


def _wanted(wanted: ExportScope) -> Any:
    """Return the names of chains: one run's or those of a span, with the releases of the runs."""
    if wanted.run_id is not None:
        named = sa.select(sa.literal(f"run:{wanted.run_id}").label("chain"))
        of_runs = runs.c.id == wanted.run_id
    else:
        named = (
            sa.select(events.c.chain)
            .where(events.c.time >= wanted.since, events.c.time <= wanted.until)
            .distinct()
        )
        of_runs = (sa.literal("run:") + runs.c.id).in_(named)
    return sa.union_all(named, sa.select(sa.literal("release:") + runs.c.release).where(of_runs))
