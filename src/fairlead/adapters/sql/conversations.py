"""Conversations on SQL: which run is which turn, what was said, and what a run reads of it.

A turn appends what it said itself and names what it read: so a conversation grows with its turns,
and not with their square. Who takes a place holds the conversation's row until its transaction
ends, so that places are given in the order in which the turns are on record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

import sqlalchemy as sa

from fairlead.adapters.sql.blobs import get_json
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.schema import blobs, conversations, history, runs
from fairlead.core.errors import ConversationBusy, ConversationForeign, UnknownConversation
from fairlead.core.history import Turn, compact, turn_from_json
from fairlead.core.limits import Limits
from fairlead.core.outcome import OPEN_STATES
from fairlead.ports.conversations import ConversationRecord, Read, TurnRecord
from fairlead.ports.runs import RunRecord

_BEGIN = sa.text(
    'INSERT INTO conversations (tenant, id, "user", turns, created_at, asked_at) '
    "VALUES (:tenant, :id, :user, 0, :at, :at) ON CONFLICT (tenant, id) DO NOTHING"
)
_MESSAGES_PER_TURN = 2
"""Fewest messages of a turn, which bounds how many of them are looked at."""


class SqlConversationStore:
    """Keeps what runs of a conversation say, and finds what they read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, run_id: str, limits: Limits) -> Read:
        """Choose what a run reads, and put the choice on record with it."""
        mine = sa.select(runs).where(runs.c.id == run_id)
        with self._database.transaction() as connection:
            row = connection.execute(mine).one()
            before = (
                _turns_of(row.tenant, row.conversation)
                & (runs.c.turn < row.turn)
                & (runs.c.state == "succeeded")
                & runs.c.said_digest.is_not(None)
            )
            # A fork has what its origin read, which may be pruned by now.
            said = _read(connection, run_id) if row.aside else ()
            if not said:
                said = _choose(connection, before, limits)
                connection.execute(sa.delete(history).where(history.c.run_id == run_id))
                if said:
                    rows = [
                        {"run_id": run_id, "position": place, "said_digest": name}
                        for place, name in enumerate(said)
                    ]
                    connection.execute(sa.insert(history), rows)
            count = sa.select(sa.func.count()).select_from(runs).where(before)
            return Read(said=said, dropped=connection.execute(count).scalar_one() - len(said))

    def said(self, names: Sequence[str]) -> Sequence[Turn]:
        """Return what was said, by the names of `Read`."""
        with self._database.reading() as connection:
            return [turn_from_json(get_json(connection, name)) for name in names]

    def get(self, tenant: str, id: str) -> ConversationRecord:
        """Return a conversation.

        Raises:
            UnknownConversation: The tenant has none of this id.
        """
        query = _conversations().where(conversations.c.tenant == tenant, conversations.c.id == id)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            message = f"tenant {tenant} has no conversation {id!r}"
            raise UnknownConversation(message, conversation=id)
        return _record(row)

    def turns(self, tenant: str, id: str, limit: int) -> Sequence[TurnRecord]:
        """Return the newest turns of a conversation, oldest first."""
        query = (
            sa.select(runs).where(_turns_of(tenant, id)).order_by(runs.c.turn.desc()).limit(limit)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
            return [_turn(connection, row) for row in reversed(rows)]

    def list(self, *, tenant: str | None = None, limit: int = 50) -> Sequence[ConversationRecord]:
        """Return conversations, of which the latest turn was asked last first."""
        query = _conversations().order_by(conversations.c.asked_at.desc(), conversations.c.id)
        if tenant is not None:
            query = query.where(conversations.c.tenant == tenant)
        with self._database.reading() as connection:
            return [_record(row) for row in connection.execute(query.limit(limit))]


def take_turn(connection: sa.Connection, run: RunRecord, waiting_turns: int | None) -> RunRecord:
    """Give a run the place behind all others of its conversation, which begins with its first.

    Args:
        connection: A writing transaction, which then records the run.
        run: The run.
        waiting_turns: Most turns behind the one that is answered; None for no bound.

    Raises:
        ConversationBusy: So many wait already.
        ConversationForeign: The conversation belongs to another user.
    """
    id, tenant, user = str(run.conversation), run.principal.tenant, run.principal.user
    at = run.created_at
    connection.execute(_BEGIN, {"tenant": tenant, "id": id, "user": user, "at": at})
    row = connection.execute(
        sa.update(conversations)
        .where(conversations.c.tenant == tenant, conversations.c.id == id)
        .values(turns=conversations.c.turns + 1, asked_at=at)
        .returning(conversations.c.turns, conversations.c.user)
    ).one()
    if row.user != user:
        message = f"conversation {id!r} of tenant {tenant} belongs to another user than {user}"
        raise ConversationForeign(message, conversation=id)
    if waiting_turns is not None:
        count = sa.select(sa.func.count()).where(_open(tenant, id))
        if connection.execute(count.select_from(runs)).scalar_one() > waiting_turns:
            message = (
                f"{waiting_turns} turns of conversation {id!r} wait already, and no more are taken"
            )
            raise ConversationBusy(message, conversation=id)
    return replace(run, turn=row.turns)


def its_turn() -> sa.ColumnElement[bool]:
    """Return the condition that no earlier turn of a run's conversation is open."""
    earlier = runs.alias("earlier")
    before = (
        (earlier.c.tenant == runs.c.tenant)
        & (earlier.c.conversation == runs.c.conversation)
        & earlier.c.state.in_(sorted(OPEN_STATES))
        & (earlier.c.turn < runs.c.turn)
        & earlier.c.aside.is_(False)
    )
    return runs.c.conversation.is_(None) | runs.c.aside.is_(True) | ~sa.exists().where(before)


def _turns_of(tenant: str, id: str | None) -> sa.ColumnElement[bool]:
    return (runs.c.tenant == tenant) & (runs.c.conversation == id) & runs.c.aside.is_(False)


def _open(tenant: Any, id: Any) -> sa.ColumnElement[bool]:
    return _turns_of(tenant, id) & runs.c.state.in_(sorted(OPEN_STATES))


def _read(connection: sa.Connection, run_id: str) -> tuple[str, ...]:
    """Return the names of what a run is on record to have read."""
    query = sa.select(history.c.said_digest).where(history.c.run_id == run_id)
    return tuple(connection.execute(query.order_by(history.c.position)).scalars())


def _choose(
    connection: sa.Connection, before: sa.ColumnElement[bool], limits: Limits
) -> tuple[str, ...]:
    """Return the names of the turns that are read; their payloads are held for the transaction."""
    newest = (
        sa.select(runs.c.said_digest, runs.c.pruned_at)
        .where(before)
        .order_by(runs.c.turn.desc())
        .limit(limits.history_messages // _MESSAGES_PER_TURN)
    )
    # Behind what was pruned there is nothing: a history with a hole would say what nobody said.
    found = connection.execute(newest).all()
    names = [row.said_digest for row in takewhile(lambda row: row.pruned_at is None, found)]
    # Shared, as in `put_json`: nobody removes what is about to be referred to.
    held = sa.select(blobs.c.digest).where(blobs.c.digest.in_(names)).with_for_update(read=True)
    there = set(connection.execute(held).scalars())
    names = list(takewhile(there.__contains__, names))[::-1]
    kept = compact([turn_from_json(get_json(connection, name)) for name in names], limits)
    return tuple(names[len(names) - len(kept) :])


def _conversations() -> sa.Select[Any]:
    count = (
        sa.select(sa.func.count())
        .select_from(runs)
        .where(_open(conversations.c.tenant, conversations.c.id))
        .correlate(conversations)
        .scalar_subquery()
    )
    return sa.select(conversations, count.label("open"))


def _record(row: sa.Row[Any]) -> ConversationRecord:
    return ConversationRecord(
        id=row.id,
        tenant=row.tenant,
        user=row.user,
        turns=row.turns,
        open=row.open,
        created_at=row.created_at,
        asked_at=row.asked_at,
    )


def _turn(connection: sa.Connection, row: sa.Row[Any]) -> TurnRecord:
    left = row.pruned_at is None
    said = get_json(connection, row.said_digest) if left else None
    return TurnRecord(
        number=row.turn,
        run_id=row.id,
        workflow=row.workflow,
        release=row.release,
        state=row.state,
        reason=row.reason or "",
        input=get_json(connection, row.input_digest) if left else None,
        created_at=row.created_at,
        finished_at=row.finished_at,
        said=None if said is None else turn_from_json(said),
    )
