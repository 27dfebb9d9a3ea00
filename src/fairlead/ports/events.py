"""The event log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from fairlead.core.event import Event, Fact


class EventLog(Protocol):
    """Appends facts to their chains, and reads them back."""

    def append(self, facts: Sequence[Fact]) -> None:
        """Append facts, in one transaction."""
        ...

    def list(
        self, *, chain: str | None = None, tenant: str | None = None, limit: int = 100
    ) -> Sequence[Event]:
        """Return the newest events, newest last.

        Args:
            chain: Of this chain; None for all.
            tenant: Without the chains of other tenants' runs; None for all.
            limit: Most events.
        """
        ...

    def chains(self) -> Iterator[Sequence[Event]]:
        """Yield each chain whole, in order."""
        ...

    def gaps(self) -> Sequence[str]:
        """Name what other tables say and the log does not: a cut tail, or a changed row."""
        ...
