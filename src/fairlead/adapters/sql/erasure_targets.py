"""Which items an erasure is about, and how they are hidden from its first moment on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from fairlead.adapters.sql.memory_reach import reach
from fairlead.adapters.sql.memory_rows import Likenesses, row_of, rows_of, spoken
from fairlead.adapters.sql.memory_write import put_once, touch
from fairlead.adapters.sql.references import chunks
from fairlead.adapters.sql.schema_memory import memories, memory_tombstones
from fairlead.core.erasure import ITEMS_MAX, SAID_CHARS_MIN, VALUE_CHARS_MIN, Erasure, Target
from fairlead.core.errors import ErasureTooLarge, NothingToErase
from fairlead.core.label import Label
from fairlead.core.likeness import extent
from fairlead.core.memory import NOBODY, TIME_MAX, Note, Provenance, Reader
from fairlead.ports.erasure import ValueEraser
from fairlead.ports.memory import Roots

_SAID = (
    *("text", "value", "subject", "predicate", "actor", "thread", "meta"),
    *("source", "by", "derivation", "label"),
)
"""The columns of an item in which a value may stand."""

HIDDEN = "erasure"
"""The trial of what is about to be erased."""


def find(
    connection: sa.Connection, reader: Reader, target: Target, eraser: ValueEraser | None
) -> list[str]:
    """Return the ids of what is named, and of all that was derived from it.

    Args:
        connection: A transaction.
        reader: Whose items they are.
        target: What is named.
        eraser: Finds the further values in items; None for none.

    Raises:
        NothingToErase: An id is unknown, or nothing fits at all.
        ErasureTooLarge: More than ITEMS_MAX items fit.
    """
    own = _own(reader)
    named: dict[str, None] = {}
    for some in chunks(set(target.ids)):
        query = sa.select(memories.c.id).where(own, memories.c.id.in_(some))
        named |= dict.fromkeys(connection.execute(query).scalars())
    missing = sorted(set(target.ids) - set(named))
    if missing:
        message = f"tenant {reader.tenant} has no item {missing[0]} in app {reader.app}"
        raise NothingToErase(message, item=missing[0])
    if target.subject:
        query = sa.select(memories.c.id).where(own, memories.c.subject == target.subject)
        named |= dict.fromkeys(connection.execute(query.limit(ITEMS_MAX + 1)).scalars())
    if target.source:
        # As a retraction finds it: an item may have it from there by way of a run.
        of_source = reach(connection, reader, Roots(source=target.source), derived=False)
        named |= dict.fromkeys(of_source.items)
    if not named and (target.subject or target.source or not target.values):
        message = f"tenant {reader.tenant} remembers nothing of that in app {reader.app}"
        raise NothingToErase(message, tenant=reader.tenant)
    if eraser is not None and eraser.values:
        query = sa.select(memories.c.id, *(memories.c[name] for name in _SAID)).where(own)
        for row in connection.execute(query):
            if any(eraser.count(said) for said in row[1:] if said):
                named[row.id] = None
    found = list(reach(connection, reader, Roots(ids=tuple(named))).items)
    if len(found) > ITEMS_MAX:
        message = f"{len(found)} items fit, and one erasure takes {ITEMS_MAX}"
        raise ErasureTooLarge(message, tenant=reader.tenant)
    return found


def matching(
    connection: sa.Connection, reader: Reader, likenesses: Likenesses, stones: Iterable[str]
) -> list[str]:
    """Return the ids of items that say what one of some tombstones names."""
    wanted = frozenset(stones)
    if not wanted:
        return []
    columns = (memories.c.id, memories.c.subject, memories.c.text, memories.c.value)
    query = sa.select(*columns).where(_own(reader))
    found = []
    for row in connection.execute(query):
        said = said_of(row.text, row.value)
        stones = {likenesses.erased(reader.tenant, text) for text in said}
        stones |= {likenesses.rejected(reader, row.subject, text) for text in said}
        if not wanted.isdisjoint(stones):
            found.append(row.id)
    return found


def said_of(text: str, value: str | None) -> list[str]:
    """Return what an item says: its text, and its value when that is a word or a number.

    Args:
        text: The column `text`.
        value: The column `value`, as JSON.
    """
    return [said for said in (text, spoken(json.loads(value or "null"))) if said]


def common(
    connection: sa.Connection, reader: Reader, ids: Sequence[str], texts: Iterable[str]
) -> frozenset[str]:
    """Return those texts that other items say as well: they tell nothing of whom they are about.

    Args:
        connection: A transaction.
        reader: Whose items they are.
        ids: The items that go.
        texts: What they say.
    """
    gone = frozenset(ids)
    found: set[str] = set()
    for some in chunks(set(texts)):
        query = sa.select(memories.c.id, memories.c.text).where(
            _own(reader), memories.c.text.in_(some)
        )
        found.update(row.text for row in connection.execute(query) if row.id not in gone)
    return frozenset(found)


def _own(reader: Reader) -> sa.ColumnElement[bool]:
    return (memories.c.tenant == reader.tenant) & (memories.c.app == reader.app)


@dataclass(frozen=True, kw_only=True)
class Hiding:
    """Hides items, and keeps what they say from being learned again.

    Attributes:
        connection: A writing transaction.
        reader: Whose items they are.
        likenesses: Digests under the store's key.
        by: Who ordered it.
        now: Seconds since 1970.
    """

    connection: sa.Connection
    reader: Reader
    likenesses: Likenesses
    by: str
    now: float

    def hide(self, ids: Sequence[str], values: Sequence[str]) -> tuple[str, ...]:
        """Retire items, and leave a tombstone of each of their texts and of each value.

        Returns:
            The tombstones.
        """
        rows = []
        for some in chunks(ids):
            found = rows_of(self.connection, sa.select(memories).where(memories.c.id.in_(some)))
            self._retire(some)
            touch(self.connection, found)
            rows += found
        said = [(row["subject"], said_of(row["text"], row["value"])) for row in rows]
        texts = {text for _, of_item in said for text in of_item}
        others = common(self.connection, self.reader, ids, texts)
        stones = dict(
            self._stone(subject, text, text in others) for subject, own in said for text in own
        )
        for value in values:
            stones[self.likenesses.erased(self.reader.tenant, value)] = extent(value)
        for digest, words in stones.items():
            self.bury(digest, words)
        return tuple(stones)

    def _stone(self, subject: str, text: str, common: bool) -> tuple[str, int]:
        """Return a tombstone, and the words of what it keeps out of documents; 0 for nothing."""
        if common or len(text) < VALUE_CHARS_MIN:
            # Of somebody else the same may be remembered: it is no value of this one.
            return self.likenesses.rejected(self.reader, subject, text), 0
        words = extent(text) if len(text) >= SAID_CHARS_MIN else 0
        return self.likenesses.erased(self.reader.tenant, text), words

    def _retire(self, ids: Sequence[str]) -> None:
        # In a trial that nobody takes part in, so that what is asked as of an earlier time does not
        # find it either. It does not expire: it is read until it is taken out everywhere.
        self.connection.execute(
            sa.update(memories)
            .where(memories.c.id.in_(ids))
            .values(
                state="retracted",
                retired_at=self.now,
                expires_at=TIME_MAX,
                audience=NOBODY,
                overlay=HIDDEN,
                write_key=None,
            )
        )

    def bury(self, digest: str, words: int | None = None) -> None:
        """Leave a tombstone.

        Args:
            digest: What may not be remembered.
            words: How many words and symbols it has; None when nobody knows, 0 for what may stand
                in documents.
        """
        stone = {
            "digest": digest,
            "tenant": self.reader.tenant,
            "reason": "erased",
            "by": self.by,
            "at": self.now,
            "words": words,
        }
        put_once(self.connection, memory_tombstones, [stone])


def carriers(
    connection: sa.Connection, reader: Reader, erasure: Erasure, values: Sequence[str]
) -> list[str]:
    """Keep further values where the items are, until those are removed; returns their ids.

    So a process that takes an erasure over knows what to look for, and no other place holds it.
    """
    ids = []
    newest = connection.execute(sa.select(sa.func.max(memories.c.number))).scalar() or 0
    for place, value in enumerate(values):
        note = Note(
            kind="working",
            text=value,
            state="retracted",
            label=Label(readers=()),
            provenance=Provenance(source=f"erasure:{erasure.id}"),
            expires_at=TIME_MAX,
        )
        likenesses = Likenesses(b"")
        row = row_of(reader, note, likenesses, erasure.begun_at)
        row |= {
            "id": f"m-{erasure.id}-{place:02x}",
            "retired_at": erasure.begun_at,
            "overlay": HIDDEN,
            "likeness": "",
            "meta": "",
            "tags": "",
        }
        del row["number"]
        if connection.dialect.name == "sqlite":
            row["number"] = newest + place + 1
        connection.execute(sa.insert(memories).values(row))
        ids.append(row["id"])
    return ids
