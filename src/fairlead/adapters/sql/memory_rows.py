"""Between what is remembered and its rows: scopes, tags, digests, columns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.references import chunks
from fairlead.adapters.sql.schema_memory import memories, memory_keys, memory_lineage
from fairlead.core.digests import canonical_json
from fairlead.core.label import label_from_json, label_to_json
from fairlead.core.likeness import keyed, likeness
from fairlead.core.memory import (
    RETENTION_S,
    Item,
    Note,
    Provenance,
    Reader,
    audience_of,
)

COLUMNS = tuple(column.name for column in memories.columns)
"""Every column of an item, in the order in which rows are written."""

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a calendar day, for its words
_SEPARATOR = "\x1f"


def word_of(kind: str, *names: str) -> str:
    """Return names as one word of the search index: a digest, since names may hold anything.

    It ends in a digit, because the index would cut an English ending off a word.

    Args:
        kind: One letter that tells the kinds of words apart.
        names: What is named.
    """
    name = json.dumps(names).encode()
    return f"{kind}{hashlib.sha256(name).hexdigest()[:32]}0"


@lru_cache(maxsize=10_000)
def scope_of(tenant: str, app: str, audience: str) -> str:
    """Return tenant, app and audience as one word."""
    return word_of("s", tenant, app, audience)


@lru_cache(maxsize=10_000)
def house_of(tenant: str, app: str) -> str:
    """Return tenant and app as one word: what an operator looks at."""
    return word_of("h", tenant, app)


@lru_cache(maxsize=10_000)
def subject_of(subject: str) -> str:
    """Return a subject as one word."""
    return word_of("u", subject)


def kind_of(kind: str) -> str:
    """Return a kind of memory as one word."""
    return f"k{kind}0"


@lru_cache(maxsize=4_096)
def _day(number: int) -> str:
    """Return the words of a day, counted from 1970: `monday 8 may 2023`."""
    at = _EPOCH + timedelta(days=number)
    return f"{at:%A} {at.day} {at:%B} {at.year}"


def meta_of(note: Note, at: float) -> str:
    """Return what an item is found by beside its text: who says it, of what, and when."""
    return f"{note.actor} {note.subject} {_day(int(at // 86_400))}"


class Likenesses:
    """Digests of what items say, under the store's key.

    Args:
        key: The key.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, note: Note) -> str:
        """Return under what an item of the same audience counts as the same."""
        # What was said twice in a series happened twice.
        at = (note.thread, str(note.place)) if note.kind == "episodic" and note.thread else ()
        named = (note.kind, note.subject, note.predicate, *at)
        return keyed(self._key, *named, likeness(note.text))

    def erased(self, tenant: str, text: str) -> str:
        """Return the tombstone of what nobody of a tenant may remember again."""
        return self.stone(tenant, likeness(text))

    def stone(self, tenant: str, alike: str) -> str:
        """Return the tombstone of what has a likeness."""
        return keyed(self._key, "erased", tenant, alike)

    def rejected(self, reader: Reader, subject: str, text: str, predicate: str = "") -> str:
        """Return the tombstone of what may not be remembered again of a subject.

        That of a trial holds in the trial alone.
        """
        of = (subject, predicate) if predicate else (subject,)
        kind = ("rejected on trial", reader.overlay) if reader.overlay else ("rejected",)
        return keyed(self._key, *kind, reader.tenant, reader.app, *of, likeness(text))

    def refusals(self, writer: Reader, note: Note) -> tuple[str, ...]:
        """Return the tombstones that would refuse a note."""
        said = spoken(note.value)
        digests = [self.erased(writer.tenant, one) for one in (note.text, said) if one]
        for reader in {writer, replace(writer, overlay="")}:
            digests.append(self.rejected(reader, note.subject, note.text))
            if said and note.predicate:
                digests.append(self.rejected(reader, note.subject, said, note.predicate))
        return tuple(digests)

    def evidence(self, value: str) -> str:
        """Return how a receipt names a value that is gone."""
        return keyed(self._key, "receipt", value)


def spoken(value: Any) -> str:
    """Return a value as words, when it is a text or a number; empty for everything else."""
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value) if plain else ""


def read_key(connection: sa.Connection) -> bytes:
    """Return the store's key."""
    return bytes(connection.execute(sa.select(memory_keys.c.key)).scalar_one())


def slot_of(scope: str, note: Note) -> str | None:
    """Return the place that one current item has: a subject's predicate; None without one."""
    if not note.predicate:
        return None
    name = _SEPARATOR.join((scope, note.subject, note.predicate)).encode(errors="replace")
    return hashlib.sha256(name).hexdigest()[:32]


def write_key_of(writer: Reader, key: str) -> str | None:
    """Return the key of a write within a tenant's app; None without one."""
    return word_of("w", writer.tenant, writer.app, key) if key else None


def row_of(writer: Reader, note: Note, likenesses: Likenesses, now: float) -> dict[str, Any]:
    """Return a note as a new row; its number, id and schema are still to be set."""
    audience = audience_of(note.label, writer.tenant)
    if note.kind == "working" and audience != "-":
        audience = f"run:{writer.run_root}"
    scope = scope_of(writer.tenant, writer.app, audience)
    made = note.provenance
    at = now if note.valid_from is None else note.valid_from
    return {
        "number": 0,
        "id": "",
        "tenant": writer.tenant,
        "app": writer.app,
        "audience": audience,
        "scope": scope,
        "tags": " ".join(
            (
                scope,
                house_of(writer.tenant, writer.app),
                kind_of(note.kind),
                subject_of(note.subject),
            )
        ),
        "meta": meta_of(note, at),
        "kind": note.kind,
        "state": note.state,
        "subject": note.subject,
        "predicate": note.predicate,
        "text": note.text,
        "value": None if note.value is None else canonical_json(note.value),
        "label": _written_label(note),
        "valid_from": at,
        "valid_to": note.valid_to,
        "recorded_at": now,
        "retired_at": None,
        "expires_at": now + RETENTION_S[note.kind] if note.expires_at is None else note.expires_at,
        "actor": note.actor,
        "thread": note.thread,
        "place": note.place,
        "run_id": made.run_id,
        "call": made.call,
        "release": made.release,
        "by": made.by,
        "source": made.source,
        "derivation": made.derivation,
        "slot": slot_of(scope, note),
        "likeness": likenesses.of(note),
        "supersedes": note.supersedes,
        "seen": 1,
        "schema": 1,
        "overlay": writer.overlay,
        "embedder": "",
        "write_key": write_key_of(writer, note.key),
    }


def _written_label(note: Note) -> str:
    return _label_text(note.label)


@lru_cache(maxsize=1_024)
def _label_text(label: Any) -> str:
    return canonical_json(label_to_json(label))


def item_of(row: Mapping[str, Any], derived_from: Sequence[str] = ()) -> Item:
    """Return a row as an item.

    Args:
        row: All columns by name.
        derived_from: Ids of what it was made of.
    """
    return Item(
        id=row["id"],
        tenant=row["tenant"],
        app=row["app"],
        kind=row["kind"],
        text=row["text"],
        subject=row["subject"],
        predicate=row["predicate"],
        value=None if row["value"] is None else json.loads(row["value"]),
        label=label_from_json(json.loads(row["label"])),
        state=row["state"],
        audience=row["audience"],
        provenance=Provenance(
            run_id=row["run_id"],
            call=row["call"],
            release=row["release"],
            by=row["by"],
            source=row["source"],
            derivation=row["derivation"],
            derived_from=tuple(derived_from),
        ),
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
        recorded_at=row["recorded_at"],
        retired_at=row["retired_at"],
        expires_at=row["expires_at"],
        actor=row["actor"],
        thread=row["thread"],
        place=row["place"],
        supersedes=row["supersedes"],
        seen=row["seen"],
        schema=row["schema"],
        overlay=row["overlay"],
        embedder=row["embedder"],
    )


def rows_of(connection: sa.Connection, query: sa.Select[Any]) -> list[dict[str, Any]]:
    """Return the rows of a selection by the names of their columns."""
    return [dict(row._mapping) for row in connection.execute(query)]


def items_of(connection: sa.Connection, query: sa.Select[Any]) -> list[Item]:
    """Return the rows of a selection of `memories` as items, with what they were made of."""
    rows = rows_of(connection, query)
    parents: dict[str, list[str]] = {}
    derived = [row["id"] for row in rows if row["derivation"]]
    for some in chunks(derived):
        found = sa.select(memory_lineage.c.child, memory_lineage.c.parent).where(
            memory_lineage.c.child.in_(some)
        )
        for child, parent in connection.execute(found.order_by(memory_lineage.c.parent)):
            parents.setdefault(child, []).append(parent)
    return [item_of(row, parents.get(row["id"], ())) for row in rows]


def visible(reader: Reader, *, named: bool = False) -> sa.ColumnElement[bool]:
    """Return the condition that stands before everything: rows that a reader may see.

    Args:
        reader: Who looks.
        named: Whether rows are looked for by their ids, or in their order. SQLite would read all
            of the tenant's rows instead: it takes that index for the better one.
    """
    tenant = sa.func.coalesce(memories.c.tenant, "") if named else memories.c.tenant
    own = (tenant == reader.tenant) & (memories.c.app == reader.app)
    audiences = reader.audiences
    if audiences is not None:
        own &= memories.c.audience.in_(audiences)
    trial = ("", reader.overlay) if reader.overlay else ("",)
    # An operator sees what is on trial as well.
    return own if audiences is None else own & memories.c.overlay.in_(trial)
