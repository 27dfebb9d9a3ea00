"""How notes become items: one transaction that refuses, merges, replaces and inserts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.copying import copy_rows
from fairlead.adapters.sql.memory_filter import instead_on_trial
from fairlead.adapters.sql.memory_rows import COLUMNS, Likenesses, meta_of, row_of, write_key_of
from fairlead.adapters.sql.memory_slots import KNOWN, Known, ends_again, known_of, replaced
from fairlead.adapters.sql.references import chunks
from fairlead.adapters.sql.schema_memory import (
    memories,
    memory_lineage,
    memory_schemas,
    memory_scopes,
    memory_tombstones,
)
from fairlead.adapters.sql.statement import Statement
from fairlead.core.errors import MemoryKeyTaken
from fairlead.core.memory import Note, Reader, Written
from fairlead.core.memory_times import earlier, fate_of, next_begin
from fairlead.ports.memory import Stamp

_INSERT = Statement(sa.insert(memories))

REFUSED = Written(id="", state="retracted")
"""A tombstone names it."""


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
    _same: dict[tuple[str, str], Known] = field(default_factory=dict)
    _slots: dict[str, list[Known]] = field(default_factory=dict)
    _named: dict[str, Known] = field(default_factory=dict)
    _keys: dict[str, Known] = field(default_factory=dict)
    _retired: dict[int, float] = field(default_factory=dict)
    _ended: dict[int, float | None] = field(default_factory=dict)
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
            seen = seen.bindparams(overlay=self.writer.overlay, now=self.now)
            current &= sa.or_(memories.c.overlay == self.writer.overlay, seen)
        likenesses = {row["likeness"] for row in rows}
        keys = {key for key in map(self._own_key, notes) if key}
        keys |= {row["write_key"] for row in rows if row["write_key"]}
        scopes = list({row["scope"] for row in rows})
        for some in chunks(likenesses):
            within = memories.c.scope.in_(scopes) & memories.c.likeness.in_(some)
            for known in self._rows(within & current):
                self._same[known.scope, known.likeness] = known_of(known)
        for some in chunks({row["slot"] for row in rows if row["slot"]}):
            for known in self._rows(memories.c.slot.in_(some) & current):
                self._slots.setdefault(known.slot, []).append(known_of(known))
        for some in chunks({note.supersedes for note in notes if note.supersedes}):
            within = memories.c.id.in_(some) & memories.c.scope.in_(scopes)
            for known in self._rows(within & current):
                self._named[known.id] = known_of(known)
        for some in chunks(keys):
            for known in self._rows(memories.c.write_key.in_(some), memories.c.value):
                self._keys[known.write_key] = known_of(known)
        self._refused = self._tombstones(notes)

    def _rows(self, where: sa.ColumnElement[bool], *more: Any) -> Iterable[Any]:
        # The last one counts: the newest one of a trial, or else of what everybody knows.
        query = (
            sa.select(*KNOWN, *more).where(where).order_by(memories.c.overlay, memories.c.number)
        )
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
        origin = None
        if note.key:
            before, origin = self._under_key(note, row)
            if before is not None:
                return _merged(before)
        refusals = self.likenesses.refusals(self.writer, note) if self._refused else ()
        if not self._refused.isdisjoint(refusals):
            return REFUSED
        self._begin_as_named(note, row)
        same = self._same.get((row["scope"], row["likeness"]))
        if same is not None and not self._overlap(same, row):
            same = None  # It is so once more, after an interruption.
        trusted = note.label.integrity == "trusted" and note.state == "active"
        better = same is not None and trusted and not (same.trusted and same.state == "active")
        if same is not None and not better:
            if same.fresh is not None:
                same.fresh["seen"] += 1
            else:
                self._seen[same.number] = self._seen.get(same.number, 0) + 1
            return _merged(same)
        return self._new(note, row, place, [origin, same if better else None])

    def _own_key(self, note: Note) -> str | None:
        """Return the key of one run's own write, beside that of all runs of its lineage."""
        made = note.provenance
        own = "\x1f".join((note.key, made.run_id, made.release))
        return write_key_of(self.writer, own) if note.key and made.run_id else None

    def _under_key(self, note: Note, row: dict[str, Any]) -> tuple[Known | None, Known | None]:
        """Return what a note repeats under its key; else what it says otherwise than.

        A corrected fork of a run keeps the keys of the run's calls. What it writes instead is an
        item under a key of its own, and takes the place of what the run wrote.
        """
        own = self._own_key(note)
        for key in (own, row["write_key"]):
            before = self._keys.get(key or "")
            if before is None:
                continue
            alike = before.same == (row["scope"], row["likeness"]) and before.value == row["value"]
            if own is not None and before.run != (row["run_id"], row["release"]):
                seen = before.retired_at is None and before.overlay in ("", self.writer.overlay)
                if not (alike and seen):
                    row["write_key"] = own
                    return None, before if seen else None
            if not alike:
                raise MemoryKeyTaken.of(note.key, before.id)
            return before, None
        return None, None

    def _begin_as_named(self, note: Note, row: dict[str, Any]) -> None:
        """Have what corrects an item that is still to begin, begin with it, unless it says when."""
        named = self._named.get(note.supersedes)
        if named is not None and note.valid_from is None and named.waits(self.now):
            row["valid_from"] = named.valid_from
            row["meta"] = meta_of(note, named.valid_from)

    def _new(
        self, note: Note, row: dict[str, Any], place: int, more: Sequence[Known | None]
    ) -> Written:
        trusted = note.label.integrity == "trusted" and row["state"] == "active"
        row["id"] = f"m-{self.new_id}{place:04x}"
        row["number"] = -1 - len(self.fresh)
        named = self._named.get(note.supersedes)
        held, later = self._held(row)
        row["supersedes"] = "" if named is None else named.id
        found = (named, held, *more)
        before = list({one.id: one for one in found if one is not None}.values())
        if not trusted and any(one.trusted for one in before):
            # It says otherwise than what is known for certain: a proposal, until somebody agrees.
            row["state"], before = "quarantined", []
        elif held is not None and held.trusted == trusted and _is_late(note, row, held):
            # It tells of an earlier time, and what is known of now stays so.
            # Nobody believed what is only quoted: it has no time in which it held.
            until = row["valid_from"] if row["state"] == "quarantined" else held.valid_from
            row |= {"state": "superseded", "retired_at": self.now}
            row["valid_to"], before = earlier(row["valid_to"], until), []
        else:
            before += self._until(row, trusted, [one for one in later if one not in before])
        for one in before:
            row["supersedes"] = row["supersedes"] or one.id
            self._give_way(one, row)
        known = known_of({**row, "trusted": trusted}, fresh=row)
        self.fresh.append(row)
        if row["retired_at"] is None:
            self._same[known.same] = known
            if row["slot"]:
                self._slots.setdefault(row["slot"], []).append(known)
        if row["write_key"]:
            self._keys[row["write_key"]] = known
        return Written(id=row["id"], state=row["state"], superseded=before[0].id if before else "")

    # What stands in a slot before it and after it.

    def _held(self, row: Mapping[str, Any]) -> tuple[Known | None, list[Known]]:
        """Return the current item of a note's slot, and those that begin after the note."""
        of_slot = self._slots.get(row["slot"] or "", [])
        later = [
            one for one in of_slot if one.waits(self.now) and one.valid_from > row["valid_from"]
        ]
        found = [one for one in of_slot if one not in later]
        found = [one for one in found if one.trusted] or found
        # What is on trial stands before what it would replace.
        found.sort(key=lambda one: (one.overlay == self.writer.overlay, one.valid_from))
        return found[-1] if found else None, later

    def _until(self, row: dict[str, Any], trusted: bool, later: Sequence[Known]) -> list[Known]:
        """End a note where the next item of its slot begins; returns what it replaces of them."""
        worse = []
        for one in later:
            if one.overlay != self.writer.overlay:
                continue
            if one.trusted or not trusted:
                row["valid_to"] = earlier(row["valid_to"], one.valid_from)
            elif one.state == "active":
                worse.append(one)
        return worse

    def _give_way(self, before: Known, row: Mapping[str, Any]) -> None:
        """Retire what an item replaces; what holds until the item begins ends then."""
        own = before.overlay == self.writer.overlay
        waiting = before.waits(self.now)
        since = row["valid_from"]
        fate = fate_of(before.valid_from, since, waiting=waiting, later=since > self.now)
        if fate == "ends":
            # A trial changes nothing of what everybody knows; the merge does.
            if own:
                self._end(before, earlier(before.valid_to, since))
            return
        of_slot = self._slots.get(before.slot or "", [])
        of_slot[:] = [one for one in of_slot if one.id != before.id]
        if self._same.get(before.same) is before:
            del self._same[before.same]
        if not own:
            return
        if before.fresh is None:
            self._retired[before.number] = since
        else:
            until = earlier(before.valid_to, max(since, before.valid_from))
            until = before.valid_from if before.state == "quarantined" else until
            before.fresh |= {"state": "superseded", "retired_at": self.now, "valid_to": until}
        if waiting and of_slot:
            for one, until in ends_again(before, of_slot):
                begins = [since] if row["slot"] == one.slot else []
                begins += [] if until is None else [until]
                self._end(one, next_begin(one.valid_from, begins))

    def _end(self, known: Known, until: float | None) -> None:
        known.valid_to = until
        if known.fresh is None:
            self._ended[known.number] = until
        else:
            known.fresh["valid_to"] = until

    def _overlap(self, known: Known, row: Mapping[str, Any]) -> bool:
        """Say whether an item and a new one are so at the same time."""
        if known.valid_to is not None and known.valid_to <= row["valid_from"]:
            return False
        if row["slot"] and known.waits(self.now) and row["valid_from"] < known.valid_from:
            return False  # It is so already, and not only from then on.
        return row["valid_to"] is None or bool(known.valid_from < row["valid_to"])

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
        for number, until in self._ended.items():
            self.connection.execute(
                sa.update(memories).where(memories.c.number == number).values(valid_to=until)
            )
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


def _is_late(note: Note, row: Mapping[str, Any], held: Known) -> bool:
    return not note.supersedes and bool(row["valid_from"] < held.valid_from)


def _merged(before: Known) -> Written:
    return Written(id=before.id, state=before.state, merged=True)  # type: ignore[arg-type]
