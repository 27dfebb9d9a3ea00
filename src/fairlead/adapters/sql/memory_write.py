"""How notes become items: one transaction that refuses, merges, replaces and inserts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.copying import copy_rows
from fairlead.adapters.sql.memory_filter import instead_on_trial
from fairlead.adapters.sql.memory_rows import COLUMNS, Likenesses, row_of
from fairlead.adapters.sql.references import chunks
from fairlead.adapters.sql.schema_memory import (
    memories,
    memory_lineage,
    memory_schemas,
    memory_scopes,
    memory_tombstones,
)
from fairlead.adapters.sql.statement import Statement
from fairlead.core.memory import Note, Reader, Written
from fairlead.ports.memory import Stamp

_TRUSTED = '%"integrity":"trusted"%'
_INSERT = Statement(sa.insert(memories))
_KNOWN = (
    memories.c.number,
    memories.c.id,
    memories.c.scope,
    memories.c.likeness,
    memories.c.slot,
    memories.c.state,
    memories.c.overlay,
    memories.c.valid_from,
    memories.c.valid_to,
    memories.c.write_key,
    memories.c.label.like(_TRUSTED).label("trusted"),
)

REFUSED = Written(id="", state="retracted")
"""A tombstone names it."""


@dataclass(kw_only=True)
class _Known:
    """A current item, on record or new in this write."""

    number: int
    id: str
    state: str
    trusted: bool
    overlay: str
    valid_from: float
    valid_to: float | None
    same: tuple[str, str]
    slot: str | None
    fresh: dict[str, Any] | None = None


@dataclass(kw_only=True)
class Writing:
    """One write.

    Attributes:
        connection: A writing transaction.
        writer: Who writes.
        likenesses: Digests under the store's key.
        now: Seconds since 1970.
        new_id: The beginning of the new items' ids.
    """

    connection: sa.Connection
    writer: Reader
    likenesses: Likenesses
    now: float
    new_id: str
    fresh: list[dict[str, Any]] = field(default_factory=list)
    _same: dict[tuple[str, str], _Known] = field(default_factory=dict)
    _slots: dict[str, list[_Known]] = field(default_factory=dict)
    _named: dict[str, _Known] = field(default_factory=dict)
    _keys: dict[str, _Known] = field(default_factory=dict)
    _retired: dict[int, float] = field(default_factory=dict)
    _seen: dict[int, int] = field(default_factory=dict)
    _refused: frozenset[str] = frozenset()

    def write(self, notes: Sequence[Note], stamp: Stamp) -> list[Written]:
        """Write notes; returns what became of each."""
        rows = [row_of(self.writer, note, self.likenesses, self.now) for note in notes]
        self._look_up(notes, rows)
        written = [
            self._one(note, row, place)
            for place, (note, row) in enumerate(zip(notes, rows, strict=True))
        ]
        self._send(notes, written, stamp)
        return written

    # What is on record.

    def _look_up(self, notes: Sequence[Note], rows: Sequence[dict[str, Any]]) -> None:
        current = memories.c.retired_at.is_(None) & memories.c.overlay.in_(
            ("", self.writer.overlay)
        )
        current &= memories.c.expires_at > self.now
        if self.writer.overlay:
            seen = sa.text(f"NOT EXISTS ({instead_on_trial('memories')})")
            seen = seen.bindparams(overlay=self.writer.overlay)
            current &= sa.or_(memories.c.overlay == self.writer.overlay, seen)
        likenesses = {row["likeness"] for row in rows}
        scopes = list({row["scope"] for row in rows})
        for some in chunks(likenesses):
            within = memories.c.scope.in_(scopes) & memories.c.likeness.in_(some)
            for known in self._rows(within & current):
                self._same[known.scope, known.likeness] = _known(known)
        for some in chunks({row["slot"] for row in rows if row["slot"]}):
            for known in self._rows(memories.c.slot.in_(some) & current):
                self._slots.setdefault(known.slot, []).append(_known(known))
        for some in chunks({note.supersedes for note in notes if note.supersedes}):
            within = memories.c.id.in_(some) & memories.c.scope.in_(scopes)
            for known in self._rows(within & current):
                self._named[known.id] = _known(known)
        for some in chunks({row["write_key"] for row in rows if row["write_key"]}):
            for known in self._rows(memories.c.write_key.in_(some)):
                self._keys[known.write_key] = _known(known)
        self._refused = self._tombstones(notes)

    def _rows(self, where: sa.ColumnElement[bool]) -> Iterable[Any]:
        # The last one counts: the newest one of a trial, or else of what everybody knows.
        query = sa.select(*_KNOWN).where(where).order_by(memories.c.overlay, memories.c.number)
        return self.connection.execute(query).all()

    def _tombstones(self, notes: Sequence[Note]) -> frozenset[str]:
        """Return those tombstones that refuse one of the notes."""
        of_tenant = memory_tombstones.c.tenant == self.writer.tenant
        any_at_all = sa.select(memory_tombstones.c.digest).where(of_tenant).limit(1)
        if self.connection.execute(any_at_all).first() is None:
            return frozenset()
        asked = {digest for note in notes for digest in self.likenesses.refusals(self.writer, note)}
        found: set[str] = set()
        for some in chunks(asked):
            query = sa.select(memory_tombstones.c.digest).where(
                memory_tombstones.c.digest.in_(some)
            )
            found.update(self.connection.execute(query).scalars())
        return frozenset(found)

    # One note.

    def _one(self, note: Note, row: dict[str, Any], place: int) -> Written:
        if row["write_key"] in self._keys:
            before = self._keys[row["write_key"]]
            return Written(id=before.id, state=before.state, merged=True)  # type: ignore[arg-type]
        refusals = self.likenesses.refusals(self.writer, note) if self._refused else ()
        if not self._refused.isdisjoint(refusals):
            return REFUSED
        trusted = note.label.integrity == "trusted" and note.state == "active"
        same = self._same.get((row["scope"], row["likeness"]))
        if same is not None and not _overlap(same, row):
            same = None  # It is so once more, after an interruption.
        better = same is not None and trusted and not (same.trusted and same.state == "active")
        if same is not None and not better:
            if same.fresh is not None:
                same.fresh["seen"] += 1
            else:
                self._seen[same.number] = self._seen.get(same.number, 0) + 1
            return Written(id=same.id, state=same.state, merged=True)  # type: ignore[arg-type]
        return self._new(note, row, place, same if better else None)

    def _new(self, note: Note, row: dict[str, Any], place: int, worse: _Known | None) -> Written:
        trusted = note.label.integrity == "trusted" and row["state"] == "active"
        row["id"] = f"m-{self.new_id}{place:04x}"
        row["number"] = -1 - len(self.fresh)
        held, named = self._held(row), self._named.get(note.supersedes)
        row["supersedes"] = "" if named is None else named.id
        found = (named, held, worse)
        before = list({one.id: one for one in found if one is not None}.values())
        if not trusted and any(one.trusted for one in before):
            # It says otherwise than what is known for certain: a proposal, until somebody agrees.
            row["state"], before = "quarantined", []
        elif held is not None and held.trusted == trusted and _is_late(note, row, held):
            # It tells of an earlier time, and what is known of now stays so.
            # Nobody believed what is only quoted: it has no time in which it held.
            until = row["valid_from"] if row["state"] == "quarantined" else held.valid_from
            row["state"], row["retired_at"] = "superseded", self.now
            row["valid_to"] = _earlier(row["valid_to"], until)
            before = []
        for one in before:
            row["supersedes"] = row["supersedes"] or one.id
            self._retire(one, row["valid_from"])
        known = _Known(
            number=row["number"],
            id=row["id"],
            state=row["state"],
            trusted=trusted,
            overlay=row["overlay"],
            valid_from=row["valid_from"],
            valid_to=row["valid_to"],
            same=(row["scope"], row["likeness"]),
            slot=row["slot"],
            fresh=row,
        )
        self.fresh.append(row)
        if row["retired_at"] is None:
            self._same[known.same] = known
            if row["slot"]:
                self._slots.setdefault(row["slot"], []).append(known)
        if row["write_key"]:
            self._keys[row["write_key"]] = known
        superseded = before[0].id if before else ""
        return Written(id=row["id"], state=row["state"], superseded=superseded)

    def _held(self, row: Mapping[str, Any]) -> _Known | None:
        """Return the current item of a note's slot."""
        found = [one for one in self._slots.get(row["slot"] or "", ()) if one.trusted]
        found = found or list(self._slots.get(row["slot"] or "", ()))
        # What is on trial stands before what it would replace.
        found.sort(key=lambda one: (one.overlay == self.writer.overlay, one.valid_from))
        return found[-1] if found else None

    def _retire(self, before: _Known, since: float) -> None:
        of_slot = self._slots.get(before.slot or "", [])
        self._slots[before.slot or ""] = [one for one in of_slot if one.id != before.id]
        if self._same.get(before.same) is before:
            del self._same[before.same]
        if before.overlay != self.writer.overlay:
            # A trial changes nothing of what everybody knows; the merge does.
            return
        if before.fresh is None:
            self._retired[before.number] = since
            return
        until = _earlier(before.valid_to, max(since, before.valid_from))
        until = before.valid_from if before.state == "quarantined" else until
        before.fresh |= {"state": "superseded", "retired_at": self.now, "valid_to": until}

    # To the database.

    def _send(self, notes: Sequence[Note], written: Sequence[Written], stamp: Stamp) -> None:
        if self.fresh:
            numbers = self._numbers(len(self.fresh))
            for number, row in zip(numbers, self.fresh, strict=True):
                row |= {"number": number, "schema": stamp.schema}
                if stamp.vectors:
                    row["embedder"] = stamp.embedder
            if self.connection.dialect.name == "postgresql":
                copy_rows(self.connection, "memories", COLUMNS, self.fresh)
            else:
                _INSERT.send_many(self.connection, COLUMNS, self.fresh)
        for number, since in self._retired.items():
            self.connection.execute(
                sa.update(memories)
                .where(memories.c.number == number)
                .values(**replaced(since, self.now))
            )
        for number, times in self._seen.items():
            self.connection.execute(
                sa.update(memories)
                .where(memories.c.number == number)
                .values(seen=memories.c.seen + times)
            )
        lineage = [
            {"child": one.id, "parent": parent}
            for note, one in zip(notes, written, strict=True)
            if one.id and not one.merged
            for parent in dict.fromkeys(note.provenance.derived_from)
        ]
        if lineage:
            self.connection.execute(sa.insert(memory_lineage), lineage)
        touch(self.connection, self.fresh)
        self._note_schema(stamp)

    def _numbers(self, many: int) -> Sequence[int]:
        """Return numbers for new items, in order; nobody else gets them."""
        if self.connection.dialect.name == "postgresql":
            # Another tenant's writer may take some meanwhile, so each one is asked for.
            given = sa.text(
                "SELECT nextval(pg_get_serial_sequence('memories', 'number')) "
                "FROM generate_series(1, :many)"
            )
            return sorted(self.connection.execute(given, {"many": many}).scalars())
        newest = self.connection.execute(sa.select(sa.func.max(memories.c.number))).scalar()
        first = int(newest or 0) + 1
        return range(first, first + many)

    def _note_schema(self, stamp: Stamp) -> None:
        if self.fresh:
            noted = {
                "tenant": self.writer.tenant,
                "app": self.writer.app,
                "schema": stamp.schema,
                "overlay": self.writer.overlay,
            }
            put_once(self.connection, memory_schemas, [noted])


def touch(connection: sa.Connection, rows: Iterable[Mapping[str, Any]], removed: int = 0) -> None:
    """Count a write of each scope of some rows, so that a copy in memory knows that it is old.

    Args:
        connection: A writing transaction.
        rows: Rows with tenant, app, audience and scope.
        removed: 1 when vectors were removed, 0 when not.
    """
    scopes = {
        row["scope"]: {
            "scope": row["scope"],
            "tenant": row["tenant"],
            "app": row["app"],
            "audience": row["audience"],
        }
        for row in rows
    }
    if not scopes:
        return
    put_once(
        connection,
        memory_scopes,
        [{**scopes[name], "written": 0, "removed": 0} for name in sorted(scopes)],
    )
    counted = sa.update(memory_scopes).values(
        written=memory_scopes.c.written + 1, removed=memory_scopes.c.removed + removed
    )
    for some in chunks(scopes):
        connection.execute(counted.where(memory_scopes.c.scope.in_(some)))


def put_once(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; one whose key is there is left out."""
    if rows:
        names = ", ".join(f'"{name}"' for name in rows[0])
        given = ", ".join(f":{name}" for name in rows[0])
        statement = f"INSERT INTO {table.name} ({names}) VALUES ({given}) ON CONFLICT DO NOTHING"
        connection.execute(sa.text(statement), [dict(row) for row in rows])


def replaced(since: float, now: float) -> dict[str, Any]:
    """Return what becomes of the row of an item that another one replaces.

    It held until the other one began, or until its own end; what was only quoted never held.

    Args:
        since: Seconds since 1970 from which the other one is so.
        now: Seconds since 1970.
    """
    begun, ended = memories.c.valid_from, memories.c.valid_to
    until = sa.case((begun > since, begun), else_=since)
    until = sa.case((memories.c.state == "quarantined", begun), (ended < until, ended), else_=until)
    return {"state": "superseded", "retired_at": now, "valid_to": until}


def _overlap(known: _Known, row: Mapping[str, Any]) -> bool:
    """Say whether an item and a new one are so at the same time."""
    if known.valid_to is not None and known.valid_to <= row["valid_from"]:
        return False
    return row["valid_to"] is None or bool(known.valid_from < row["valid_to"])


def _is_late(note: Note, row: Mapping[str, Any], held: _Known) -> bool:
    return not note.supersedes and bool(row["valid_from"] < held.valid_from)


def _earlier(one: float | None, other: float) -> float:
    return other if one is None else min(one, other)


def _known(row: Any) -> _Known:
    return _Known(
        number=row.number,
        id=row.id,
        state=row.state,
        trusted=bool(row.trusted) and row.state == "active",
        overlay=row.overlay,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        same=(row.scope, row.likeness),
        slot=row.slot,
    )
