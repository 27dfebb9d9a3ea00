"""The rules of environments, each version of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fairlead.core.environments import EnvironmentRules
from fairlead.ports.runs import Order


@dataclass(frozen=True, kw_only=True)
class Ruled:
    """Rules as somebody has set them.

    Attributes:
        environment: For which environment; `*` for all that have none of their own.
        number: Their number in its series, from 1; the last one is in force.
        rules: The rules.
        by: Who set them.
        reason: Why.
        time: Seconds since 1970.
    """

    environment: str
    number: int
    rules: EnvironmentRules
    by: str
    reason: str
    time: float


class EnvironmentStore(Protocol):
    """Keeps the rules of environments, each version of them."""

    def rules(self, environment: str) -> EnvironmentRules:
        """Return what holds in an environment: its own rules, those of `*`, or NO_RULES.

        Raises:
            StoreCorrupt: They are not as they were set.
        """
        ...

    def standing(self, environment: str) -> Ruled | None:
        """Return the rules in force under a name; None when nobody has set any."""
        ...

    def list(self) -> Sequence[Ruled]:
        """Return all rules that are in force, by name."""
        ...

    def set(self, environment: str, rules: EnvironmentRules, order: Order) -> Ruled:
        """Put rules in force, with their event."""
        ...
