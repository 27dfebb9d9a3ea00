"""Budgets: what is left of them, shared by all workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fairlead.core.amounts import Amount
from fairlead.core.budget import Charge, Exhausted
from fairlead.core.calls import Call


@dataclass(frozen=True, kw_only=True)
class PotRecord:
    """A pot in its present window.

    Attributes:
        app: The app whose budget it is.
        name: The budget's name.
        scope: Whose use is counted together.
        value: Whose pot it is.
        limit: The bound of each unit that has one, as the last release said that reserved.
        used: What is reserved and used.
        leased: What workers have leased and not spent.
        begins_at: When the window began, in seconds since 1970.
        ends_at: When it ends; None for a run's, which does not.
        exhausted_at: When a call was refused first in this window; None for never.
    """

    app: str
    name: str
    scope: str
    value: str
    limit: dict[str, int]
    used: Amount
    leased: Amount
    begins_at: float
    ends_at: float | None
    exhausted_at: float | None


class BudgetStore(Protocol):
    """Keeps pots, chunks of them, and what is reserved for each call.

    A reservation is settled by `Journal.finish`, in the transaction that records the outcome.
    """

    def reserve(
        self, call: Call, charges: Sequence[Charge], worker_id: str, *, forced: bool = False
    ) -> Exhausted | None:
        """Reserve for a call from all pots that concern it, or from none.

        What is reserved under the call's place in its run is not reserved again.

        Args:
            call: The call.
            charges: The pots, and what is needed of each.
            worker_id: The worker whose chunks are used.
            forced: Whether it is reserved even when there is not enough, and so booked.

        Returns:
            The pot that had not enough; None when it is reserved.
        """
        ...

    def note(self, call: Call, *, busy_s: float, charged: bool) -> None:
        """Add what a failed try used to what is reserved for its call.

        Args:
            call: The call.
            busy_s: Seconds for which the try was executed.
            charged: Whether as many tokens and as much money as were reserved count as used.
        """
        ...

    def list(self, *, limit: int = 100) -> Sequence[PotRecord]:
        """Return pots in their present windows; those that were used last first, of runs last.

        Args:
            limit: Most pots.
        """
        ...
