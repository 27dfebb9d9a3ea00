"""Conversations: series of runs, one at a time, each of which reads what was said before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fairlead.core.digests import Json
from fairlead.core.history import Turn
from fairlead.core.limits import Limits
from fairlead.core.outcome import RunState


@dataclass(frozen=True, kw_only=True)
class ConversationRecord:
    """A conversation as it is on record.

    Attributes:
        id: Its name, which the caller chose.
        tenant: Whose it is.
        user: Who may go on with it.
        turns: How many turns it has had.
        open: Turns that have not ended: the one that is answered, and those that wait behind it.
        created_at: Seconds since 1970, UTC.
        asked_at: When its latest turn was asked, the same way.
    """

    id: str
    tenant: str
    user: str
    turns: int
    open: int
    created_at: float
    asked_at: float


@dataclass(frozen=True, kw_only=True)
class TurnRecord:
    """A turn of a conversation as it is on record.

    Attributes:
        number: Its place, from 1.
        run_id: Its run.
        workflow: The run's workflow.
        release: What the run is pinned to.
        state: How far it is.
        reason: Why it did not succeed; empty otherwise.
        input: What was asked, as JSON; None once it was pruned.
        created_at: Seconds since 1970, UTC.
        finished_at: The same; None until it ends.
        said: What it said; None unless it succeeded and was not pruned.
    """

    number: int
    run_id: str
    workflow: str
    release: str
    state: RunState
    reason: str
    input: Json
    created_at: float
    finished_at: float | None
    said: Turn | None


@dataclass(frozen=True, kw_only=True)
class Read:
    """What of a conversation a run reads, by name.

    Attributes:
        said: Payloads of the turns, oldest first.
        dropped: Older turns that are left out.
    """

    said: tuple[str, ...] = ()
    dropped: int = 0


class ConversationStore(Protocol):
    """Keeps what runs of a conversation say, and finds what they read."""

    def read(self, run_id: str, limits: Limits) -> Read:
        """Choose what a run reads: the newest turns before it that succeeded, within its limits.

        The choice is put on record with the run, so that it is kept for as long as the run is.
        """
        ...

    def said(self, names: Sequence[str]) -> Sequence[Turn]:
        """Return what was said, by the names of `Read`.

        Raises:
            StoreCorrupt: It is not there, or was changed.
        """
        ...

    def get(self, tenant: str, id: str) -> ConversationRecord:
        """Return a conversation.

        Raises:
            UnknownConversation: The tenant has none of this id.
        """
        ...

    def turns(self, tenant: str, id: str, limit: int) -> Sequence[TurnRecord]:
        """Return the newest turns of a conversation, oldest first."""
        ...

    def list(self, *, tenant: str | None = None, limit: int = 50) -> Sequence[ConversationRecord]:
        """Return conversations, of which the latest turn was asked last first."""
        ...
