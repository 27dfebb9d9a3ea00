"""How far something reached: items by where they come from, and all that was made out of them."""

from __future__ import annotations

import json
from collections.abc import Iterable

import sqlalchemy as sa

from fairlead.adapters.sql.memory_rows import visible
from fairlead.adapters.sql.references import chunks
from fairlead.adapters.sql.schema_memory import memories, memory_lineage, memory_reads
from fairlead.core.digests import canonical_json
from fairlead.core.label import OTHERS, label_from_json
from fairlead.core.memory import Reader
from fairlead.ports.memory import Reach, Roots


def reach(
    connection: sa.Connection, reader: Reader, roots: Roots, *, derived: bool = True
) -> Reach:
    """Find items by where they come from, and the runs that got or wrote one of them.

    Args:
        connection: A transaction.
        reader: Whose items.
        roots: Where they come from.
        derived: Whether what was made out of them is found as well.
    """
    found = dict.fromkeys(_roots(connection, reader, roots))
    fresh = list(found) if derived else []
    while fresh:
        made = dict.fromkeys(_made_of(connection, reader, fresh))
        fresh = [one for one in made if one not in found]
        found |= dict.fromkeys(fresh)
    unsure = _unsure(connection, reader) if roots.source else ()
    readers: set[str] = set()
    writers: set[str] = set()
    for some in chunks(found):
        got = sa.select(memory_reads.c.run_id).distinct().where(memory_reads.c.item.in_(some))
        readers.update(connection.execute(got).scalars())
        wrote = sa.select(memories.c.run_id).distinct().where(memories.c.id.in_(some))
        writers.update(connection.execute(wrote).scalars())
    return Reach(
        items=tuple(found),
        readers=tuple(sorted(readers)),
        writers=tuple(sorted(writers - {""})),
        unsure=tuple(one for one in unsure if one not in found),
    )


def _roots(connection: sa.Connection, reader: Reader, roots: Roots) -> Iterable[str]:
    own = visible(reader)
    if roots.source:
        # The label is text: what may name the origin is read, and then held against it.
        named = memories.c.label.contains(canonical_json(roots.source), autoescape=True)
        query = sa.select(memories.c.id, memories.c.source, memories.c.label)
        query = query.where(own, named | (memories.c.source == roots.source))
        for row in connection.execute(query.order_by(memories.c.id)):
            label = label_from_json(json.loads(row.label))
            if roots.source in (row.source, *label.origins):
                yield row.id
    if roots.release:
        query = sa.select(memories.c.id).where(own, memories.c.release == roots.release)
        yield from connection.execute(query.order_by(memories.c.id)).scalars()
    yield from _own(connection, reader, roots.ids)


def _unsure(connection: sa.Connection, reader: Reader) -> Iterable[str]:
    """Yield what has more origins than its label names."""
    named = memories.c.label.contains(canonical_json(OTHERS), autoescape=True)
    query = sa.select(memories.c.id, memories.c.label).where(visible(reader), named)
    for row in connection.execute(query.order_by(memories.c.id)):
        if OTHERS in label_from_json(json.loads(row.label)).origins:
            yield row.id


def _made_of(connection: sa.Connection, reader: Reader, parents: Iterable[str]) -> Iterable[str]:
    for some in chunks(parents):
        # In two steps: joined, the planner goes through all of the tenant's items.
        children = sa.select(memory_lineage.c.child).where(memory_lineage.c.parent.in_(some))
        made = set(connection.execute(children).scalars())
        yield from _own(connection, reader, made)


def _own(connection: sa.Connection, reader: Reader, ids: Iterable[str]) -> Iterable[str]:
    for some in chunks(set(ids)):
        query = sa.select(memories.c.id)
        query = query.where(visible(reader, named=True), memories.c.id.in_(some))
        yield from connection.execute(query.order_by(memories.c.id)).scalars()
