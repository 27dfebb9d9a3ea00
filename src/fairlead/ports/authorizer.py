"""The policy engine."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fairlead.core.policy import Decision, Query, Rule
from fairlead.core.release import ToolContract


class Authorizer(Protocol):
    """A compiled set of policies: pure, total, and deny by default."""

    @property
    def rules(self) -> Sequence[Rule]:
        """The heads of all rules, for static checks."""
        ...

    def decide(self, query: Query) -> Decision:
        """Decide one query; what cannot be decided is denied."""
        ...

    def findings(
        self,
        contracts: Mapping[str, ToolContract] | None,
        *,
        workflows: Collection[str] = (),
        shared: bool = False,
    ) -> Sequence[str]:
        """Find what the rules say that cannot be, held against the contracts.

        Args:
            contracts: Contracts by tool; None when no app is known, and a tool may be anything.
            workflows: Names of the workflows; empty when that is not to be checked.
            shared: Whether the rules stand above other apps as well. Then a rule may well never
                apply here, and only what cannot be evaluated is found.

        Returns:
            One line per finding, which names the rule; none means that all is well.
        """
        ...

    def reads(self) -> frozenset[str]:
        """Return the facts of `context` that some rule reads, such as `seen.integrity`."""
        ...

    def mutants(self) -> Iterator[PolicyMutant]:
        """Yield these policies with one small mistake each, to try the tests of them."""
        ...


@dataclass(frozen=True, kw_only=True)
class PolicyMutant:
    """Policies with one small mistake.

    Attributes:
        rule: Id of the rule that has it.
        change: What was changed, in words.
        authorizer: The policies.
    """

    rule: str
    change: str
    authorizer: Authorizer


class PolicyCompiler(Protocol):
    """Compiles policy texts."""

    def __call__(self, policies: Mapping[str, str]) -> Authorizer:
        """Compile policy texts by path.

        Raises:
            InvalidConfig: A text is no valid policy; the message names the path.
        """
        ...
