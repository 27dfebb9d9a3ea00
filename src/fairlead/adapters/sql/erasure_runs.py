"""The runs that got or wrote an item that is erased, with what is bound to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from fairlead.adapters.sql.memory_reach import reach
from fairlead.adapters.sql.pruning import history_of
from fairlead.adapters.sql.references import chunks
from fairlead.adapters.sql.schema import runs
from fairlead.adapters.sql.schema_memory import memory_reads
from fairlead.core.memory import Reader
from fairlead.core.outcome import FINAL_STATES
from fairlead.ports.erasure import Touched
from fairlead.ports.memory import Roots


def touched_by(connection: sa.Connection, reader: Reader, items: Sequence[str]) -> Touched:
    """Find the runs of some items, their families and forks, and the later turns of their talks.

    Args:
        connection: A transaction.
        reader: Whose items they are.
        items: Their ids; those that are gone are known by who read them.
    """
    found = reach(connection, reader, Roots(ids=tuple(items)))
    first = {*found.readers, *found.writers}
    for some in chunks(items):
        got = sa.select(memory_reads.c.run_id).distinct().where(memory_reads.c.item.in_(some))
        first.update(connection.execute(got).scalars())
    histories: dict[str, tuple[str, ...]] = {}
    living: set[str] = set()
    news = first
    while news:
        fresh: set[str] = set()
        for run_id in sorted(news):
            if run_id in histories:
                continue
            rows = [row for row in history_of(connection, run_id).values() if not row.pruned_at]
            members = tuple(sorted(row.id for row in rows))
            histories |= dict.fromkeys(members, members)
            living.update(row.id for row in rows if row.state not in FINAL_STATES)
            fresh.update(members)
        news = {one for one in _later(connection, fresh) if one not in histories}
    at_rest = {members for members in histories.values() if members and living.isdisjoint(members)}
    return Touched(at_rest=tuple(sorted(at_rest)), living=tuple(sorted(living)))


def _later(connection: sa.Connection, run_ids: Iterable[str]) -> set[str]:
    """Return the runs that may have read what some runs said: the later turns of their talks."""
    found: set[str] = set()
    said, reads = runs.alias("said"), runs.alias("reads")
    for some in chunks(run_ids):
        query = (
            sa.select(reads.c.id)
            .join_from(
                said,
                reads,
                (reads.c.tenant == said.c.tenant)
                & (reads.c.conversation == said.c.conversation)
                & (reads.c.turn > said.c.turn),
            )
            .where(said.c.id.in_(some), reads.c.pruned_at.is_(None))
        )
        found.update(connection.execute(query).scalars())
    return found
