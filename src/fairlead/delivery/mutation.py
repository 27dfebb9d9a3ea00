"""Tries the guardrail tests of a candidate with small mistakes: do they notice?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fairlead.core.digests import Json
from fairlead.core.label import Label, joined
from fairlead.core.release import ToolContract
from fairlead.delivery.decisions import decision_findings
from fairlead.guardrails.decide import Bundle
from fairlead.ports.decisions import DecisionCase

MUTANTS_MAX = 5000
"""Mistakes that are tried at most."""

SECONDS_MAX = 120.0
"""For how long mistakes are tried at most."""


@dataclass(frozen=True, kw_only=True)
class Survivor:
    """A mistake that no test noticed.

    Attributes:
        where: `rule NAME` or `contract NAME`.
        change: What was changed, in words.
    """

    where: str
    change: str


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """How many mistakes the guardrail tests notice.

    Attributes:
        mutants: Mistakes that were tried.
        survivors: Those that no test noticed.
        complete: False when there was no time for all of them.
    """

    mutants: int
    survivors: tuple[Survivor, ...] = field(default=())
    complete: bool = True

    @property
    def score(self) -> float:
        """The share of mistakes that were noticed, from 0.0 to 1.0; without any mistake 1.0."""
        return 1.0 - len(self.survivors) / self.mutants if self.mutants else 1.0

    def as_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        return {
            "score": round(self.score, 4),
            "mutants": self.mutants,
            "complete": self.complete,
            "survivors": [{"where": one.where, "change": one.change} for one in self.survivors],
        }


def mutate(
    bundle: Bundle,
    cases: Sequence[DecisionCase],
    *,
    now: Callable[[], float] = time.monotonic,
) -> Mutation:
    """Put one small mistake after the other into rules and contracts, and see who notices.

    A mistake in a fact that no rule reads changes no decision, so it is no mutant. Nor is one in a
    rule that is shadowed, which the check of policies reports by itself.

    Args:
        bundle: What decides; all cases hold.
        cases: The guardrail tests.
        now: A clock that only runs on, in seconds.
    """
    until, tried = now() + SECONDS_MAX, 0
    survivors: list[Survivor] = []
    for where, change, mutant in _mutants(bundle):
        if tried >= MUTANTS_MAX or now() > until:
            return Mutation(mutants=tried, survivors=tuple(survivors), complete=False)
        tried += 1
        if next(decision_findings(mutant, cases), None) is None:
            survivors.append(Survivor(where=where, change=change))
    return Mutation(mutants=tried, survivors=tuple(survivors))


def _mutants(bundle: Bundle) -> Iterator[tuple[str, str, Bundle]]:
    for mutant in bundle.authorizer.mutants():
        yield (
            f"rule {mutant.rule}",
            mutant.change,
            replace(bundle, authorizer=mutant.authorizer),
        )
    read = bundle.authorizer.reads()
    for name, contract in bundle.contracts.items():
        for change, changed in contract_mutants(contract, read):
            contracts: Mapping[str, ToolContract] = {**bundle.contracts, name: changed}
            yield f"contract {name}", change, replace(bundle, contracts=contracts)


def contract_mutants(
    contract: ToolContract, read: frozenset[str]
) -> Iterator[tuple[str, ToolContract]]:
    """Yield a contract with one mistake each, of those that some rule could notice.

    Args:
        contract: The contract.
        read: The facts of `context` that some rule reads.
    """
    if _reads(read, "effect"):
        for effect in ("read", "idempotent", "once"):
            if effect != contract.effect:
                yield f"effect {effect}", replace(contract, effect=effect)
    if _reads(read, "scope") and contract.scope:
        yield "without its scope", replace(contract, scope="")
    if _reads(read, "egress"):
        word = "without egress" if contract.egress else "with egress"
        yield word, replace(contract, egress=not contract.egress)
    if _reads(read, "targets"):
        for name in contract.targets:
            rest = tuple(one for one in contract.targets if one != name)
            yield f"without target {name}", replace(contract, targets=rest)
    if _reads(read, "payload"):
        for name in contract.payload:
            rest = tuple(one for one in contract.payload if one != name)
            yield f"without payload {name}", replace(contract, payload=rest)
    yield from _label_mutants(contract, read)


def _label_mutants(
    contract: ToolContract, read: frozenset[str]
) -> Iterator[tuple[str, ToolContract]]:
    """Yield a contract of which one field counts as trusted and is not.

    Who may read a field is no mutant: a run is private from its first word, which is its asker's.
    """
    places = ("seen", "labels", "targets", "payload")
    if not any(_reads(read, f"{place}.integrity") for place in places):
        return
    for path, label in contract.labels.items():
        others = joined(one for at, one in contract.labels.items() if at != path)
        # With another untrusted field beside it, the whole is untrusted all the same.
        if label.integrity == "untrusted" and others.integrity == "trusted":
            labels = {**contract.labels, path: replace(label, integrity="trusted")}
            yield f"label of {path or 'the rest'} is trusted", replace(contract, labels=labels)
    if not contract.labels:
        yield "its result is trusted", replace(contract, labels={"": Label(readers=("tenant",))})


def _reads(read: frozenset[str], fact: str) -> bool:
    """Return whether some rule reads a fact, all of what it is part of, or a part of it."""
    top = fact.partition(".")[0]
    inner = f"{fact}."
    return "" in read or fact in read or top in read or any(one.startswith(inner) for one in read)
