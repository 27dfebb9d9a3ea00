"""Kill switches: what operators stopped, for all workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fairlead.core.kill import Kill, KillScope
from fairlead.ports.runs import Order


class KillStore(Protocol):
    """Keeps the switches that are pulled, each change with its event."""

    def active(self) -> Sequence[Kill]:
        """Return every switch that is pulled, the newest first."""
        ...

    def pull(self, scope: KillScope, which: str, order: Order) -> tuple[Kill, bool]:
        """Pull a switch.

        Args:
            scope: What kind of thing is stopped.
            which: Its name; a release's whole digest.
            order: Who and why.

        Returns:
            The switch, and whether it is new; one that is pulled already stays as it is.

        Raises:
            KillsFull: Too many are pulled.
        """
        ...

    def lift(self, scope: KillScope, which: str, order: Order) -> Kill:
        """Lift a switch, and return it as it was.

        Raises:
            KillNotFound: It is not pulled.
        """
        ...
