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
from fairlead.adapters.sql.events import COLUMNS, event_of
from fairlead.adapters.sql.schema import anchors, checkpoint_files, checkpoints, events, runs
from fairlead.core.audit import HEADS_MAX, Anchor, Checkpoint, Head, Tree, horizon_after
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
_NEWEST = sa.select(checkpoints).order_by(checkpoints.c.number.desc()).limit(1)

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
            before = _one(connection.execute(_NEWEST).first())
            now = self._now(connection)
            if before is not None and now - before.time < every_s:
                return None
            since = horizon_after(before)
            rows = connection.execute(_HEADS, {"since": since, "most": self._heads_max + 1}).all()
        if not rows and not empty:
            return None
        whole, rows = len(rows) <= self._heads_max, rows[: self._heads_max]
        heads = [Head(chain=row.chain, sequence=row.sequence, hash=row.hash) for row in rows]
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
            newest = _one(connection.execute(_NEWEST).first())
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
            return _one(connection.execute(_NEWEST).first())

    def after(self, number: int, most: int) -> Sequence[Checkpoint]:
        """Return checkpoints above a number, in order."""
        query = sa.select(checkpoints).where(checkpoints.c.number > number)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(checkpoints.c.number).limit(most)).all()
        return [Checkpoint(**row._mapping) for row in rows]

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
        query = sa.select(checkpoints).order_by(checkpoints.c.number)
        for row in self._connection.execute(query).yield_per(ROWS):
            yield Checkpoint(**row._mapping)

    def heads(self, number: int) -> Iterator[tuple[int, Head]]:
        """Yield the heads of a checkpoint with their positions, in order."""
        query = sa.select(anchors).where(anchors.c.checkpoint == number)
        query = query.order_by(anchors.c.position)
        for row in self._connection.execute(query).yield_per(ROWS):
            yield row.position, Head(chain=row.chain, sequence=row.sequence, hash=row.hash)

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
        rows = self._connection.execute(query).yield_per(ROWS)
        for chain, found in itertools.groupby(rows, lambda row: str(row.chain)):
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
            head = Head(chain=row.chain, sequence=row.sequence, hash=row.hash)
            yield Anchor(head=head, checkpoint=row.checkpoint, position=row.position, since=None)

    def written(self, file_id: str) -> int | None:
        """Return which checkpoint a file is known to have; None when the file is not known."""
        query = sa.select(checkpoint_files.c.number).where(checkpoint_files.c.id == file_id)
        found = self._connection.execute(query).scalar()
        return None if found is None else int(found)


def _one(row: sa.Row[Any] | None) -> Checkpoint | None:
    return None if row is None else Checkpoint(**row._mapping)


def _placed(row: Any) -> tuple[Event, Anchor | None]:
    event = event_of(row)
    if row.anchored_by is None:
        return event, None
    head = Head(chain=event.chain, sequence=event.sequence, hash=row.anchored)
    return event, Anchor(
        head=head, checkpoint=row.anchored_by, position=row.position, since=row.since
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
