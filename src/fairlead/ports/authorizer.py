"""The policy engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from fairlead.core.policy import Decision, Query, Rule


class Authorizer(Protocol):
    """A compiled set of policies: pure, total, and deny by default."""

    @property
    def rules(self) -> Sequence[Rule]:
        """The heads of all rules, for static checks."""
        ...

    def decide(self, query: Query) -> Decision:
        """Decide one query; what cannot be decided is denied."""
        ...


class PolicyCompiler(Protocol):
    """Compiles policy texts."""

    def __call__(self, policies: Mapping[str, str]) -> Authorizer:
        """Compile policy texts by path.

        Raises:
            InvalidConfig: A text is no valid policy; the message names the path.
        """
        ...
