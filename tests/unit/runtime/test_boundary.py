"""The call protocol: numbers, keys, refusals, records and replays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fairlead import Context, Principal
from fairlead.core.calls import CallKind, Usage
from fairlead.core.errors import (
    CallFailed,
    CostExceeded,
    Denied,
    EffectUnknown,
    FairleadError,
    OutsideRun,
    ReplayDiverged,
    ResultNotJson,
    StepsExceeded,
)
from fairlead.core.intent import IntentPage
from fairlead.core.limits import Limits
from fairlead.core.release import ToolContract, WorkflowTerms
from fairlead.guardrails.decide import Bundle
from fairlead.guardrails.shapes import SchemaCheck
from fairlead.ports.boundary import Driven, DriverError, current_call
from fairlead.runtime.boundary import Boundary
from fairlead.runtime.scope import Family, Rules, RunScope, Services
from fairlead.runtime.switches import Switches
from fairlead.testing import (
    FakeApprovals,
    FakeAuthorizer,
    FakeBudgets,
    FakeClock,
    FakeConversations,
    FakeDispatch,
    FakeEffects,
    FakeEngine,
    FakeJournal,
    FakeKills,
    FakeMemoryStore,
    FakePrices,
    FakeSeat,
    FakeStreams,
    FakeTelemetry,
    FakeThrottle,
    FakeWaits,
)
from tests.unit.runtime.bench import SLO_OF_TESTS, FakeRuns, memory_of

ANYTHING = {"type": "object"}


def contract(name: str, effect: Any) -> ToolContract:
    return ToolContract(
        name=name, description=name, effect=effect, scope="s", targets=(), parameters=ANYTHING
    )


class ProcessDied(BaseException):
    """Nothing catches it: as if the process were gone."""


class Bench:
    """A boundary on fakes, with one tool for each effect."""

    def __init__(
        self, *, denied: tuple[str, ...] = (), asks: tuple[str, ...] = (), **limits: Any
    ) -> None:
        self.clock, self.engine, self.runs = FakeClock(), FakeEngine(), FakeRuns()
        self.throttle = FakeThrottle(self.clock)
        self.budgets, self.kills = FakeBudgets(self.clock), FakeKills(self.clock)
        self.prices = FakePrices()
        self.telemetry, self.executed = FakeTelemetry(), 0
        self.waits = FakeWaits(self.clock)
        self.effects = FakeEffects(self.clock, waits=self.waits)
        self.journal = FakeJournal(settle=self.effects.settle, book=self.budgets.settle)
        self.approvals, self.dispatch = FakeApprovals(self.waits), FakeDispatch(self.waits)
        self.seat, self.streams = FakeSeat(self.clock, self.waits), FakeStreams()
        self.conversations = FakeConversations()
        contracts = {name: contract(name, name) for name in ("read", "idempotent", "once")}
        terms = WorkflowTerms(
            name="w",
            intent=IntentPage(summary="s", owner="o"),
            model="",
            prompt="",
            tools=tuple(contracts),
            guardrails=(),
            recall=None,
            limits=Limits(**limits),
            slo=SLO_OF_TESTS,
            input_schema={},
            output_schema={},
        )
        self.scope = RunScope(
            context=Context(run_id="r1", workflow="w", release="d", principal=Principal()),
            terms=terms,
            rules=Rules(
                bundle=Bundle(
                    contracts=contracts,
                    authorizer=FakeAuthorizer(denied=frozenset(denied), asking=frozenset(asks)),
                ),
                arguments={name: SchemaCheck(ANYTHING) for name in contracts},
            ),
            lineage="root",
            family=Family(root_id="r1", limits=terms.limits),
            seat=self.seat,
        )
        self.again(self.engine)

    def again(self, engine: FakeEngine) -> None:
        """Go on in a new process."""
        self.engine = engine
        self.services = Services(
            journal=self.journal,
            effects=self.effects,
            approvals=self.approvals,
            waits=self.waits,
            dispatch=self.dispatch,
            runs=self.runs,
            conversations=self.conversations,
            streams=self.streams,
            clock=self.clock,
            telemetry=self.telemetry,
            throttle=self.throttle,
            budgets=self.budgets,
            prices=self.prices,
            switches=Switches(self.kills, self.clock),
            memory=memory_of(FakeMemoryStore(self.clock)),
        )
        self.boundary = Boundary(self.scope, engine, self.services, self.clock.now())

    @property
    def slept(self) -> list[float]:
        """How long each durable sleep of a call was, in seconds."""
        timers = [wait for wait in self.waits.waits.values() if wait.kind == "timer"]
        return [round(wait.due_at - wait.opened_at, 6) for wait in timers]

    def driver(self, body: Callable[[Context], Any]) -> Callable[[Context], Awaitable[Driven]]:
        async def drive(context: Context) -> Driven:
            self.executed += 1
            found = body(context)
            return found if isinstance(found, Driven) else Driven(value=found)

        return drive

    def call(
        self,
        name: str,
        arguments: Any = None,
        body: Any = lambda _: "done",
        *,
        approve_within: timedelta | None = None,
        kind: CallKind = "tool",
    ) -> Any:
        made = self.boundary.call(
            kind, name, arguments or {}, self.driver(body), approve_within=approve_within
        )
        return asyncio.run(made)


def raising(error: BaseException) -> Callable[[Context], Any]:
    def body(_: Context) -> Any:
        raise error

    return body


def test_calls_are_numbered_and_keyed_by_lineage() -> None:
    bench = Bench()
    keys = [bench.call("read", body=lambda context: context.idempotency_key) for _ in range(3)]
    assert keys == ["root:1", "root:2", "root:3"]
    records = bench.journal.of_run("r1")
    assert [(r.number, r.state, r.attempts) for r in records] == [(n, "done", 1) for n in (1, 2, 3)]
    assert [name for name, _ in bench.engine.steps] == [f"tool read #{n}" for n in (1, 2, 3)]


def test_a_fork_keeps_the_keys_of_what_it_inherits() -> None:
    bench = Bench()
    bench.scope = replace(bench.scope, context=replace(bench.scope.context, run_id="fork"))
    bench.again(FakeEngine())
    assert bench.call("read", body=lambda context: context.idempotency_key) == "root:1"


def test_the_context_of_a_body_is_that_of_its_call_and_ends_with_it() -> None:
    bench = Bench()
    assert bench.call("read", body=lambda _: current_call.get().idempotency_key) == "root:1"
    assert current_call.get() is None


def test_a_call_inside_a_body_is_refused() -> None:
    bench = Bench()

    async def nested() -> None:
        async def outer(_: Context) -> Driven:
            value = await bench.boundary.call("tool", "read", {}, bench.driver(lambda _: 1))
            return Driven(value=value)

        await bench.boundary.call("tool", "read", {}, outer)

    with pytest.raises(OutsideRun):
        asyncio.run(nested())
    assert bench.executed == 0


@pytest.mark.parametrize("arguments", [{"x": {1, 2}}, {"x": float("nan")}, {"x": object()}])
def test_arguments_that_are_not_json_are_no_call(arguments: Any) -> None:
    bench = Bench()
    with pytest.raises(ResultNotJson):
        bench.call("read", arguments)
    assert bench.journal.records == {}
    assert bench.engine.steps == []


@pytest.mark.parametrize("value", [{1, 2}, float("inf"), object()])
def test_a_result_that_is_not_json_fails_its_call(value: Any) -> None:
    bench = Bench()
    with pytest.raises(ResultNotJson):
        bench.call("read", body=lambda _: value)
    assert bench.journal.records["r1", 1].state == "failed"


def test_a_refusal_is_recorded_once_with_its_reason_and_executes_nothing() -> None:
    bench = Bench(denied=("once",))
    with pytest.raises(Denied) as error:
        bench.call("once")
    assert error.value.ids == {"run": "r1", "call": "root:1"}
    record = bench.journal.records["r1", 1]
    assert (record.state, record.reason) == ("denied", "denied by policy: denied-by-name")
    assert bench.journal.decisions["r1", 1].said != "allowed"
    assert bench.executed == 0
    bench.again(bench.engine.replay())
    with pytest.raises(Denied):
        bench.call("once")
    assert bench.engine.executed == []


def test_a_step_that_is_on_record_is_not_executed() -> None:
    bench = Bench()
    assert bench.call("once", {"x": 1}) == "done"
    bench.again(bench.engine.replay())
    assert bench.call("once", {"x": 1}, raising(AssertionError())) == "done"
    assert bench.executed == 1


def test_a_step_that_is_on_record_is_not_decided_again() -> None:
    """What was decided is on record; a takeover of many runs has no time to decide it anew."""
    bench = Bench()
    authorizer = bench.scope.rules.bundle.authorizer
    assert isinstance(authorizer, FakeAuthorizer)
    bench.call("once")
    assert len(authorizer.asked) == 1
    bench.again(bench.engine.replay())
    bench.call("once")
    assert len(authorizer.asked) == 1


def test_an_outcome_that_only_the_journal_knows_is_not_executed_again() -> None:
    bench = Bench()
    assert bench.call("once") == "done"
    bench.again(bench.engine.replay(keep=0))
    assert bench.call("once", body=raising(AssertionError())) == "done"
    assert bench.executed == 1


@pytest.mark.parametrize("keep", [0, 1])
def test_another_call_than_on_record_is_an_error(keep: int) -> None:
    """The engine's record says so, or the journal's alone."""
    bench = Bench()
    bench.call("read", {"x": 1})
    bench.again(bench.engine.replay(keep=keep))
    with pytest.raises(ReplayDiverged):
        bench.call("read", {"x": 2})
    assert bench.executed == 1


def test_an_effect_has_its_intent_on_record_before_it_is_executed() -> None:
    for name, state in (("read", None), ("idempotent", "intended"), ("once", "intended")):
        bench = Bench()
        found: list[Any] = []
        bench.call(name, body=lambda _, b=bench, f=found: f.append(b.journal.find("r1", 1)))
        assert (found[0] and found[0].state) == state, name


@pytest.mark.parametrize(("name", "again"), [("idempotent", 1), ("once", 0)])
def test_invariant_02_an_intent_without_an_outcome(name: str, again: int) -> None:
    """`idempotent` is executed again under its key; `once` is unknown, and stays unknown."""
    bench = Bench()
    with pytest.raises(ProcessDied):
        bench.call(name, body=raising(ProcessDied()))
    for _ in range(2):
        bench.again(bench.engine.replay(keep=0))
        if again:
            assert bench.call(name, body=lambda context: context.idempotency_key) == "root:1"
        else:
            with pytest.raises(EffectUnknown):
                bench.call(name)
            assert bench.journal.records["r1", 1].state == "unknown"
    assert bench.executed == 1 + again


def test_steps_and_money_are_bounded() -> None:
    bench = Bench(steps=2)
    assert [bench.call("read") for _ in range(2)] == ["done"] * 2
    with pytest.raises(StepsExceeded):
        bench.call("read")
    bench = Bench(cost_usd=0.1)
    bench.call("read", body=lambda _: Driven(value=1, usage=Usage(cost_usd=0.1)))
    with pytest.raises(CostExceeded):
        bench.call("read")
    assert bench.executed == 1


def test_a_limit_of_no_money_still_allows_what_costs_nothing() -> None:
    bench = Bench(cost_usd=0.0)
    assert [bench.call("read") for _ in range(2)] == ["done"] * 2


def test_what_was_used_counts_again_after_a_recovery() -> None:
    bench = Bench(cost_usd=0.1, steps=9)
    bench.call("read", body=lambda _: Driven(value=1, usage=Usage(cost_usd=0.1)))
    bench.again(bench.engine.replay())
    bench.call("read")
    with pytest.raises(CostExceeded):
        bench.call("read")


ERRORS = [
    pytest.param(ValueError("wrong"), CallFailed, "failed", id="a mistake"),
    pytest.param(StepsExceeded("from below"), StepsExceeded, "failed", id="an error of ours"),
    pytest.param(DriverError("no", transient=False), CallFailed, "failed", id="final"),
    pytest.param(
        DriverError("no", transient=False, code="FL-600"), FairleadError, "failed", id="with a code"
    ),
]


@pytest.mark.parametrize(("raised", "expected", "state"), ERRORS)
def test_what_a_body_raises_becomes_a_recorded_failure(
    raised: Exception, expected: type[FairleadError], state: str
) -> None:
    bench = Bench()
    for name in ("read", "once"):
        with pytest.raises(expected):
            bench.call(name, body=raising(raised))
    assert {record.state for record in bench.journal.records.values()} == {state}
    assert bench.executed == 2


def test_a_long_reason_from_outside_is_cut() -> None:
    bench = Bench()
    with pytest.raises(CallFailed):
        bench.call("read", body=raising(ValueError("x" * 10_000)))
    assert len(bench.journal.records["r1", 1].reason) == 500
