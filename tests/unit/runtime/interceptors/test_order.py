"""Invariant 4: no effect without all that comes before it, in its order, and an outcome after it.

A real boundary on fakes; whatever it asks of them is written down in the order in which it asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pytest

from fairlead.core.budget import Budget
from fairlead.core.errors import (
    ApprovalDenied,
    ArgumentsInvalid,
    BudgetExhausted,
    CallFailed,
    ContractMissing,
    Denied,
    FairleadError,
    LeaseLost,
)
from fairlead.guardrails.shapes import SchemaCheck
from fairlead.ports.boundary import DriverError
from fairlead.ports.runs import Order
from fairlead.ports.waits import Wait
from fairlead.runtime import interceptors
from fairlead.runtime.boundary import Boundary
from fairlead.testing import FakeAuthorizer
from tests.unit.runtime.test_boundary import Bench, raising

ROOT = Path(__file__).resolve().parents[4]

Asks: TypeAlias = Literal["rule", "workflow", "both", "nobody"]
"""Who wants a person to agree first."""

ASKS: tuple[Asks, ...] = ("rule", "workflow", "both", "nobody")

QUESTION = ("question", "answer")
BEFORE = ("contract", "schema", "decision", *QUESTION, "approval used", "budget")
"""What comes before an effect."""

ORDER = (*BEFORE, "intent of the call", "intent in the ledger", "body", "outcome")

REFUSING: dict[str, tuple[str, type[FairleadError]]] = {
    "contract": ("contract", ContractMissing),
    "schema": ("schema", ArgumentsInvalid),
    "decision": ("decision", Denied),
    "person": ("answer", ApprovalDenied),
    "budget": ("budget", BudgetExhausted),
}
"""Who may refuse, in order: the last thing that is asked then, and the error."""

TABLE = {"order": {"type": "integer"}}


class Watched:
    """A part whose methods, some of them, are written down when they are called."""

    def __init__(self, inner: Any, log: list[str], **names: str) -> None:
        self._inner, self._log, self._names = inner, log, names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in self._names:
            return found

        def noted(*args: Any, **kwargs: Any) -> Any:
            self._log.append(self._names[name])
            return found(*args, **kwargs)

        return noted


class Contracts(dict[str, Any]):
    """Contracts by tool; writes down when somebody asks whether a tool has one."""

    log: list[str]

    def __contains__(self, name: object) -> bool:
        self.log.append("contract")
        return super().__contains__(name)


class Play:
    """One call of a `once` tool, the second call of its run."""

    def __init__(self, asks: Asks, refusing: tuple[str, ...] = ()) -> None:
        self.asks: Asks = asks
        self.log: list[str] = []
        self.bench = bench = Bench()
        log, rules = self.log, bench.scope.rules
        contracts = Contracts(rules.contracts)
        contracts.log = log
        if "contract" in refusing:
            del contracts["once"]
        authorizer = FakeAuthorizer(
            denied=frozenset(["once"] if "decision" in refusing else []),
            asking=frozenset(["once"] if asks in ("rule", "both") else []),
        )
        checks: Any = {
            "read": SchemaCheck({"type": "object"}),
            "once": Watched(
                SchemaCheck({"type": "object", "required": ["order"], "properties": TABLE}),
                log,
                finding="schema",
            ),
        }
        calls = 1 if "budget" in refusing else 2
        watched: Any = Watched(authorizer, log, decide="decision")
        rules = replace(
            rules,
            bundle=replace(rules.bundle, contracts=contracts, authorizer=watched),
            arguments=checks,
            budgets=(Budget(name="few", scope="run", calls=calls),),
        )
        bench.scope = replace(bench.scope, rules=rules)
        bench.seat.answer = self._answer(approved="person" not in refusing)
        approvals: Any = Watched(
            bench.approvals, log, ask="question", answer="answer", consume="approval used"
        )
        bench.approvals = approvals
        services: Any = {
            "approvals": approvals,
            "budgets": Watched(bench.budgets, log, reserve="budget"),
            "journal": Watched(bench.journal, log, intend="intent of the call", finish="outcome"),
            "effects": Watched(bench.effects, log, intend="intent in the ledger"),
        }
        bench.services = replace(bench.services, **services)
        bench.boundary = Boundary(bench.scope, bench.engine, bench.services, bench.clock.now())
        bench.call("read")
        log.clear()
        self.arguments = {} if "schema" in refusing else {"order": 7}

    def _answer(self, *, approved: bool) -> Callable[[Wait], None]:
        def answer(wait: Wait) -> None:
            self.bench.approvals.answer(wait.topic, approved, Order(by="ann", reason=""))

        return answer

    def call(self, body: Callable[[Any], Any] = lambda _: "paid") -> Any:
        """Make the call."""

        def noted(context: Any) -> Any:
            self.log.append("body")
            return body(context)

        asked = self.asks in ("workflow", "both")
        within = timedelta(hours=1) if asked else None
        return self.bench.call("once", self.arguments, noted, approve_within=within)


def order(asks: Asks) -> list[str]:
    """Return all that happens, in order."""
    unasked = (*QUESTION, "approval used")
    return [part for part in ORDER if asks != "nobody" or part not in unasked]


@pytest.mark.parametrize("asks", ASKS)
def test_invariant_04_all_that_an_effect_needs_comes_before_it_in_order(asks: Asks) -> None:
    play = Play(asks)
    assert play.call() == "paid"
    assert play.log == order(asks)
    (record,) = play.bench.effects.list()
    assert (record.state, play.bench.journal.records["r1", 2].state) == ("done", "done")


SETS = [
    pytest.param(asks, some, id=f"{asks}: {' and '.join(some)}")
    for most in range(1, len(REFUSING) + 1)
    for some in combinations(REFUSING, most)
    for asks in ASKS
    if asks != "nobody" or "person" not in some
]
"""Whoever may refuse, alone and together, by who wants a person to agree."""


@pytest.mark.parametrize(("asks", "refusing"), SETS)
def test_invariant_04_the_first_that_refuses_is_the_last_that_is_asked(
    asks: Asks, refusing: tuple[str, ...]
) -> None:
    """Whatever else would refuse, too: no intent and no body, and the refusal is on record."""
    play = Play(asks, refusing)
    last, error = REFUSING[refusing[0]]
    with pytest.raises(error):
        play.call()
    everything = order(asks)
    assert play.log == [*everything[: everything.index(last) + 1], "outcome"]
    assert list(play.bench.effects.list()) == []
    record = play.bench.journal.records["r1", 2]
    assert (record.state, record.attempts) == ("denied", 0)


@pytest.mark.parametrize("asks", ASKS)
def test_invariant_04_what_cannot_be_intended_is_not_executed(asks: Asks) -> None:
    """Another worker has the run by now: this one leaves no body and no outcome."""
    play = Play(asks)

    def lost(*_: Any, **__: Any) -> Any:
        raise LeaseLost("another worker has it")

    play.bench.effects.intend = lost  # type: ignore[method-assign]
    # A suspended run's code sees that it is cancelled.
    with pytest.raises(asyncio.CancelledError):
        play.call()
    everything = order(asks)
    assert play.log == everything[: everything.index("body")]


def test_invariant_04_an_effect_that_fails_has_its_outcome_after_it() -> None:
    play = Play("nobody")
    with pytest.raises(CallFailed):
        play.call(raising(DriverError("refused by the other side", transient=False)))
    assert play.log == order("nobody")
    assert play.bench.journal.records["r1", 2].state == "failed"


def test_the_page_on_calls_names_the_interceptors_in_their_order() -> None:
    page = (ROOT / "docs/explanation/how-a-call-runs.md").read_text()
    block = page.partition("```text")[2].partition("```")[0]
    before = block.partition("before:")[2].partition("\n")[0]
    inside = block.partition("inside:")[2].partition("W3")[0]
    named = [name.strip() for name in before.split("->")]
    # The workflow's guardrails are no interceptor; fault plans and a replay's answers step aside
    # in production.
    assert named == [*_names(interceptors.BEFORE), "tool guardrails"]
    named = [" ".join(name.split()) for name in inside.replace(")", "").split("(")]
    assert named == [*_names(interceptors.INSIDE), "driver"]


def _names(order: tuple[Any, ...]) -> list[str]:
    names = [interceptor.__name__ for interceptor in order]
    shown = [name.removesuffix("_again").replace("_", " ") for name in names]
    return [name for name in shown if not name.endswith(("faults", "answers"))]
