"""What each action does to calls, stores, clocks and queues, short of ending the process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from fairlead import Context, Principal
from fairlead.core.calls import Call, CallKind
from fairlead.core.errors import StoreFull, StoreLocked
from fairlead.ports.boundary import Driven, DriverError
from fairlead.ports.faults import NO_FAULTS
from fairlead.testing import FakeClock, FaultyClock
from fairlead.testing.faults import (
    Action,
    Answer,
    Delay,
    Fail,
    Fault,
    FaultPlan,
    Injector,
    Mutate,
    Repeat,
    Skew,
    Waits,
)

CONTEXT = Context(run_id="r1", workflow="w", release="d", principal=Principal())


def call_of(kind: CallKind = "tool", name: str = "pay", number: int = 1) -> Call:
    return Call(
        run_id="r1",
        number=number,
        kind=kind,
        name=name,
        arguments={},
        effect="once",
        lineage="r1",
    )


@dataclass
class Paid:
    """A body that counts its executions."""

    times: int = 0

    async def __call__(self, _: Context) -> Driven:
        self.times += 1
        return Driven(value={"paid": 5, "to": {"name": "Ada", "iban": "DE"}})


def struck(*faults: Fault, call: Call | None = None) -> tuple[Any, Paid]:
    """Execute a body under faults; return its value or its error, and the body."""
    body = Paid()
    driver = Injector(FaultPlan(*faults)).body(call or call_of(), body)
    try:
        return asyncio.run(_awaited(driver)), body
    except (DriverError, ConnectionError, TimeoutError, RuntimeError) as error:
        return error, body


async def _awaited(driver: Any) -> Any:
    return (await driver(CONTEXT)).value


def test_a_body_that_fails_before_is_not_executed_and_one_that_fails_inside_is() -> None:
    for moment, times in (("before", 0), ("inside", 1)):
        action = Fail(reason="busy", transient=True, retry_after_s=3.0, code="FL-600")
        error, body = struck(Fault(boundary="tool", moment=moment, action=action))
        assert isinstance(error, DriverError)
        assert (str(error), error.transient, error.retry_after_s, error.code) == (
            "busy",
            True,
            3.0,
            "FL-600",
        )
        assert body.times == times


@pytest.mark.parametrize(
    ("kind", "cls"),
    [("connection", ConnectionError), ("timeout", TimeoutError), ("bug", RuntimeError)],
)
def test_a_body_fails_as_python_does(kind: Any, cls: type[Exception]) -> None:
    error, _ = struck(Fault(boundary="call", action=Fail(error=kind)))
    assert type(error) is cls


def test_a_tool_that_lies() -> None:
    patch = {"paid": 50, "to": {"iban": None}}
    lie, body = struck(Fault(boundary="tool", moment="inside", action=Mutate(patch=patch)))
    assert lie == {"paid": 50, "to": {"name": "Ada"}}
    assert body.times == 1
    lie, _ = struck(Fault(boundary="tool", moment="inside", action=Mutate(value=None)))
    assert lie is None
    truth, _ = struck(Fault(boundary="model", moment="inside", action=Mutate(value=None)))
    assert truth["paid"] == 5


def test_a_delay_is_spent_on_the_waits_that_were_given() -> None:
    clock, slept = FakeClock(), list[float]()
    faults = Injector(
        FaultPlan(
            Fault(boundary="tool", action=Delay(seconds=7.0)),
            Fault(boundary="store", name="thing.act", action=Delay(seconds=9.0)),
        ),
        waits=Waits(pause=clock.pause, sleep=slept.append),
    )
    asyncio.run(_awaited(faults.body(call_of(), Paid())))
    faults.store("thing", Thing()).act(1)
    assert (clock.pauses, slept) == ([7.0], [9.0])


@dataclass
class Thing:
    """A store."""

    acted: list[int] = field(default_factory=list)
    value: int = 3

    def act(self, number: int) -> int:
        self.acted.append(number)
        return number


def test_a_stores_method_fails_before_or_after_it_did_its_work() -> None:
    for moment, acted in (("before", [1, 3]), ("after", [1, 2, 3])):
        inner = Thing()
        fault = Fault(
            boundary="store", name="thing.act", call=2, moment=moment, action=Fail(error="locked")
        )
        store = Injector(FaultPlan(fault)).store("thing", inner)
        assert store.act(1) == 1
        with pytest.raises(StoreLocked, match=r"thing\.act: planned fault"):
            store.act(2)
        assert store.act(3) == 3
        assert (inner.acted, store.value) == (acted, 3)


def test_a_fault_of_one_run_leaves_other_runs_alone() -> None:
    fault = Fault(boundary="store", name="runs.*", run="r2", action=Fail(error="full"))

    class Runs:
        def begin(self, run_id: str) -> str:
            return run_id

    runs = Injector(FaultPlan(fault)).store("runs", Runs())
    assert runs.begin("r1") == "r1"
    with pytest.raises(StoreFull):
        runs.begin("r2")


def test_a_clock_jumps_at_a_reading_and_stays_off() -> None:
    clock = FakeClock(time=100.0)
    faulty = Injector(
        FaultPlan(
            Fault(boundary="clock", call=2, action=Skew(seconds=60.0)),
            Fault(boundary="clock", call=4, action=Skew(seconds=-90.0)),
        )
    ).clock(clock)
    assert [faulty.now() for _ in range(5)] == [100.0, 160.0, 160.0, 70.0, 70.0]
    asyncio.run(faulty.pause(5.0))
    assert (faulty.now(), clock.pauses, faulty.chance()) == (75.0, [5.0], clock.luck)
    assert FaultyClock(clock, offset_s=-3.0).now() == 102.0


def test_a_persons_answer_is_replaced() -> None:
    fault = Fault(boundary="human", name="refund", moment="answered", action=Answer(how="expire"))
    faults = Injector(FaultPlan(fault))
    moments: list[Any] = ["asked", "answered", "answered"]
    got = [asyncio.run(faults.human(moment, "refund", "r1")) for moment in moments]
    assert got == [None, "expire", None]


class Queue:
    """A queue that remembers what was queued again."""

    def __init__(self) -> None:
        self.adopted: list[str] = []

    def resume(self, run_ids: list[str], worker_id: str) -> None:
        assert worker_id == "w1"
        self.adopted += run_ids

    def cancel(self, run_id: str) -> None: ...


def test_a_claim_is_repeated_while_its_run_is_executed() -> None:
    begun: list[str] = []

    class Host:
        engine: Any = None
        worker_id = "w1"

        def launch(self, body: Any) -> None:
            asyncio.run(body("r1"))
            asyncio.run(body("r2"))

        def stop(self) -> None: ...

    async def body(run_id: str) -> None:
        begun.append(run_id)

    queue: Any = Queue()
    fault = Fault(boundary="queue", name="claim", moment="after", run="r2", action=Repeat())
    Injector(FaultPlan(fault)).host(Host(), queue).launch(body)
    assert (begun, queue.adopted) == (["r1", "r2"], ["r2"])


def test_a_queues_method_fails() -> None:
    fault = Fault(boundary="queue", name="resume", action=Fail(error="locked"))
    inner: Any = Queue()
    queue = Injector(FaultPlan(fault)).queue(inner)
    with pytest.raises(StoreLocked):
        queue.resume(["r1"], "w1")
    queue.resume(["r2"], "w1")
    assert inner.adopted == ["r2"]


@pytest.mark.parametrize("faults", [NO_FAULTS, Injector(FaultPlan())], ids=["none", "empty plan"])
def test_without_faults_everything_is_left_as_it_is(faults: Any) -> None:
    clock, store, queue, host = FakeClock(), Thing(), Queue(), object()
    assert faults.clock(clock) is clock
    assert faults.store("thing", store) is store
    assert faults.queue(queue) is queue
    assert faults.host(host, queue) is host
    assert asyncio.run(faults.call("after", call_of())) is None
    assert asyncio.run(faults.human("asked", "refund", "r1")) is None
    assert asyncio.run(_awaited(faults.body(call_of(), Paid())))["paid"] == 5
    faults.connections(None)


def actions_at(name: str, *faults: Fault) -> list[Action]:
    injector = Injector(FaultPlan(*faults))
    struck: list[Action] = []
    for kind in ("tool", "model"):
        error: Any = None
        try:
            asyncio.run(_awaited(injector.body(call_of(kind, name), Paid())))  # type: ignore[arg-type]
        except DriverError as raised:
            error = raised
        struck += [Fail(reason=str(error))] if error else []
    return struck


def test_a_boundary_is_one_kind_of_call_or_all_of_them() -> None:
    fail = Fail(reason="f")
    assert actions_at("a", Fault(boundary="model", action=fail)) == [fail]
    assert actions_at("a", Fault(boundary="call", call=(1, 2), action=fail)) == [fail, fail]
    assert actions_at("a", Fault(boundary="call", name="b", action=fail)) == []
