"""Erasure: what is to go, how far it has come, and what it leaves behind.

Neither the row of an erasure nor its events hold a value: ids, counts and keyed digests alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from fairlead.core.digests import Json

Stage: TypeAlias = Literal[
    "ledger", "runs", "scrub", "rows", "exports", "compact", "verify", "receipt", "done"
]
"""In this order; each may be done twice. Whatever is hidden is so from the first moment."""

STAGES: tuple[Stage, ...] = get_args(Stage)

ERASED = "[erased]"
"""What stands where a value stood."""

VALUE_CHARS_MIN = 6
"""A shorter value is a part of too many texts: taking it out would damage what is innocent."""

VALUE_CHARS_MAX = 100_000
VALUES_MAX = 100
"""Most further values of one erasure."""

SAID_CHARS_MIN = 12
"""An item's own text is looked for elsewhere from this length on, because nobody chose it."""

ITEMS_MAX = 10_000
"""Most items of one erasure, with all that was derived from them."""

HOLD_S = 300.0
"""Seconds after which the work of a process that died is taken over."""

RENEW_S = HOLD_S / 6
"""Seconds after which a process that is at work says so again."""

RUNS_WAIT_S = 7 * 86_400.0
"""Seconds that an erasure waits for runs that got an item and still live; then it goes on and
names them."""

LEFT_MAX = 100
"""Most places that a receipt names one by one; all are counted."""


def following(stage: Stage) -> Stage:
    """Return the stage behind one."""
    return STAGES[STAGES.index(stage) + 1]


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is to be erased, within one tenant and app.

    Attributes:
        ids: Ids of items.
        subject: All that is remembered of this subject; empty for none.
        source: All that came from this source; empty for none.
        values: Further values, such as a passport number: whatever holds one of them is erased.
    """

    ids: tuple[str, ...] = ()
    subject: str = ""
    source: str = ""
    values: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """An erasure on record.

    Attributes:
        id: Its id, such as `e-019a3f...`.
        tenant: Whose items they are.
        app: The app that remembered them.
        items: Ids of the items, with all that was derived from them.
        tombstones: Keyed digests of what may not be remembered again.
        stage: What is to be done next; `done` when it has ended.
        by: Who ordered it.
        reason: Why.
        begun_at: Seconds since 1970, UTC.
        ended_at: The same; None while it is under way.
        receipt: What was done so far: counts, digests, and what is left.
        holder: The process that holds it, and that alone may commit; empty for none.
    """

    id: str
    tenant: str
    app: str
    items: tuple[str, ...]
    tombstones: tuple[str, ...]
    stage: Stage
    by: str
    reason: str
    begun_at: float
    ended_at: float | None
    receipt: dict[str, Json]
    holder: str = ""

    @property
    def ended(self) -> bool:
        """Whether it has come to its end."""
        return self.stage == "done"

    @property
    def left(self) -> tuple[str, ...]:
        """What could not be erased, in words."""
        return tuple(self.receipt.get("left", ()))


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Something of what was erased that is still there.

    Attributes:
        place: Where, such as `events.data` or a file.
        count: How often.
        why: Why it is there, or what it is.
    """

    place: str
    count: int
    why: str

    def __str__(self) -> str:
        return f"{self.place}: {self.count} ({self.why})"
