"""The event log."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
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

    def of_types(self, types: Collection[str], *, since: float = 0.0) -> Iterator[Event]:
        """Yield the events of some types, chain by chain, each chain in its order.

        Args:
            types: Their types.
            since: From here on, in seconds since 1970.
        """
        ...

    def chains(self) -> Iterator[Sequence[Event]]:
        """Yield each chain whole, in order."""
        ...

    def gaps(self) -> Sequence[str]:
        """Name what other tables say and the log does not: a cut tail, or a changed row."""
        ...
