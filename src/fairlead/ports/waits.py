"""What a run waits for: a time, a signal, a person, a child. Each wait is a row, and so durable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from fairlead.core.digests import Json

WaitKind: TypeAlias = Literal["timer", "signal", "approval", "child", "effect"]


@dataclass(frozen=True, kw_only=True)
class Wait:
    """One durable wait.

    Attributes:
        run_id: The run that waits.
        key: Its name within the run; the same on every replay.
        kind: What can end it.
        topic: Which one: a signal's name, or the id of an approval, a child or an effect.
        due_at: Seconds since 1970, by the database's clock, after which it is over unanswered.
        opened_at: When it began; the same clock.
        ended_at: When it ended, or how long it has lasted so far; the same clock.
        over: Whether it is over.
        answered: Whether an answer ended it.
        answer: The answer; None without one.
    """

    run_id: str
    key: str
    kind: WaitKind
    topic: str
    due_at: float
    opened_at: float = 0.0
    ended_at: float = 0.0
    over: bool = False
    answered: bool = False
    answer: Json = None


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A message for a run.

    Attributes:
        run_id: The run.
        name: What it waits for by.
        payload: The message, as JSON.
        by: Who sends it.
        dedup_key: A second message under it is dropped; None for none.
        tenant: The run must be this tenant's; None for any.
    """

    run_id: str
    name: str
    payload: Json
    by: str
    dedup_key: str | None = None
    tenant: str | None = None


class WaitStore(Protocol):
    """Keeps waits and the signals that end them."""

    def open(self, run_id: str, key: str, kind: WaitKind, *, topic: str, within_s: float) -> Wait:
        """Begin a wait, unless it has begun already; a signal that came before ends it at once.

        Args:
            run_id: The run.
            key: The wait's name within the run.
            kind: What can end it.
            topic: Which one.
            within_s: Seconds after which it is over unanswered.
        """
        ...

    def look(self, run_id: str, key: str) -> Wait | None:
        """Return a wait as it stands, by the database's clock; None when it is not on record."""
        ...

    def close(self, run_id: str, key: str) -> Wait:
        """Return how a wait ended; one whose time is up takes no answer any more."""
        ...

    def send(self, signal: Signal) -> bool:
        """Keep a signal, and wake the run that waits for it, in one transaction.

        Returns:
            False when a signal with the same `dedup_key` was there already.

        Raises:
            UnknownRun: There is no such run.
            RunFinished: The run has ended.
            InboxFull: Too many signals wait for it untaken.
        """
        ...
