"""What a workflow's body may ask of its run: each answer is the same on every replay."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

import fairlead as fl
from fairlead.ports.runs import Order as Said
from fairlead.ports.waits import Signal, Wait
from fairlead.runtime import boundary
from fairlead.runtime.run import SLEEP_S_MAX
from tests.unit.runtime.bench import Bench
from tests.unit.runtime.test_execute import bench_of, look


def steps_of(bench: Bench) -> list[str]:
    return [name for name, _ in bench.engine.steps]


def again(bench: Bench, keep: int | None = -1) -> Any:
    """Execute the run again from its record, without its end; return its answer."""
    bench.forget_end()
    return bench.execute(bench.engine.replay(keep=keep)).outcome


def other(bench: Bench, **values: Any) -> None:
    """Let there be another run, `r2`."""
    given = {"id": "r2", "state": "waiting", **values}
    bench.runs.records["r2"] = replace(bench.runs.records["r1"], **given)


# ----------------------------------------------------------------------- time, chance and streams


async def asks(run: Any, _: str) -> str:
    return f"{(await run.now()).isoformat()} {await run.random()} {await run.uuid()}"


def test_time_and_chance_are_the_same_on_every_replay() -> None:
    bench = bench_of(asks)
    bench.clock.luck = 0.25
    first = bench.execute().outcome
    now, random, uuid = first["answer"].split()
    assert datetime.fromisoformat(now) == datetime.fromtimestamp(bench.clock.now(), tz=UTC)
    assert (random, UUID(uuid).version) == ("0.25", 4)
    assert steps_of(bench) == ["now", "random", "uuid", "finish"]
    bench.clock.time += 1000
    bench.clock.luck = 0.75
    assert again(bench) == first
    # Without a record they are others: so it is the record that makes them the same.
    assert again(bench, keep=0) != first


async def streams(run: Any, _: str) -> str:
    await run.stream({"step": 1})
    await run.stream("log", name="log")
    await run.stream({"step": 2})
    return "done"


def test_each_item_of_a_stream_is_kept_once_and_in_order() -> None:
    bench = bench_of(streams)
    bench.execute()
    assert bench.streams.read("r1", "default", 0) == [{"step": 1}, {"step": 2}]
    assert bench.streams.read("r1", "log", 0) == ["log"]
    assert steps_of(bench) == ["stream default", "stream log", "stream default", "finish"]
    for keep in range(4):
        again(bench, keep)
        assert len(bench.streams.items) == 3, keep


def test_an_item_that_is_not_json_is_refused() -> None:
    async def wrong(run: Any, _: str) -> str:
        await run.stream(object())
        return "not reached"

    bench = bench_of(wrong)
    assert bench.execute().outcome["code"] == "FL-406"
    assert bench.streams.items == {}


# -------------------------------------------------------------------------------------- sleeping


@pytest.mark.parametrize(
    ("asked_s", "lasts_s"),
    [(90.0, 90.0), (0.0, 0.0), (-5.0, 0.0), (10 * SLEEP_S_MAX, SLEEP_S_MAX)],
)
def test_invariant_11_a_sleep_has_an_end_and_no_negative_length(
    asked_s: float, lasts_s: float
) -> None:
    async def naps(run: Any, _: str) -> str:
        await run.sleep(timedelta(seconds=asked_s))
        return "rested"

    bench = bench_of(naps)
    began = bench.clock.now()
    assert bench.execute().state == "succeeded"
    assert bench.clock.now() - began == lasts_s


def test_a_restart_does_not_begin_a_sleep_anew() -> None:
    async def naps(run: Any, _: str) -> str:
        await run.sleep(timedelta(seconds=90))
        return "rested"

    bench = bench_of(naps)
    began = bench.clock.now()
    bench.execute()
    assert bench.clock.now() == began + 90
    for keep in (2, 1, 0):
        assert again(bench, keep)["answer"] == "rested"
    assert (bench.clock.now(), bench.seat.rests) == (began + 90, 1)


def test_a_sleep_is_no_time_at_work() -> None:
    async def naps(run: Any, _: str) -> str:
        await run.sleep(timedelta(hours=5))
        return str(await run.call(look))

    bench = bench_of(naps, limits=fl.Limits(wall_time=timedelta(seconds=30)))
    assert bench.execute().outcome["answer"] == "seen"
    assert again(bench, keep=2)["answer"] == "seen"


# -------------------------------------------------------------------------------------- signals


@dataclass(frozen=True)
class Order:
    """What the signal carries."""

    number: int


async def listens(run: Any, _: str) -> str:
    order = await run.signal("order", Order, within=timedelta(minutes=5))
    assert isinstance(order, Order)
    return f"order {order.number}"


def send(bench: Bench, payload: Any, name: str = "order") -> None:
    bench.waits.send(Signal(run_id="r1", name=name, payload=payload, by="ann"))


def test_a_signal_that_comes_while_a_run_waits_is_its_value() -> None:
    bench = bench_of(listens)
    bench.seat.answer = lambda _: send(bench, {"number": 7})
    ended = bench.execute()
    assert ended.outcome["answer"] == "order 7"
    wait = bench.waits.waits["r1", "w1"]
    assert (wait.kind, wait.topic, wait.due_at - wait.opened_at) == ("signal", "order", 300.0)
    assert again(bench) == ended.outcome
    assert bench.seat.rests == 1


def test_signals_come_in_the_order_in_which_they_were_sent_and_by_name() -> None:
    async def takes(run: Any, _: str) -> str:
        words = [await run.signal(name, str) for name in ("a", "b", "a")]
        return " ".join(words)

    bench = bench_of(takes)
    for name, payload in (("a", "first"), ("a", "second"), ("b", "other"), ("a", "third")):
        send(bench, payload, name)
    assert bench.execute().outcome["answer"] == "first other second"
    assert [signal.payload for signal in bench.waits.signals] == ["third"]


def test_invariant_11_a_signal_that_does_not_come_ends_the_wait() -> None:
    bench = bench_of(listens)
    ended = bench.execute()
    assert (ended.state, ended.outcome["code"]) == ("failed", "FL-414")
    bench.forget_end()
    send(bench, {"number": 7})
    assert bench.execute(bench.engine.replay(keep=1)).outcome == ended.outcome


def test_a_payload_that_does_not_fit_fails_the_run() -> None:
    bench = bench_of(listens)
    send(bench, {"number": "seven"})
    ended = bench.execute()
    assert (ended.state, ended.outcome["code"]) == ("failed", "FL-004")


async def sends(run: Any, _: str) -> str:
    try:
        await run.send("r2", "go", {"n": 1})
    except fl.FairleadError as error:
        return error.code
    return "sent"


def test_a_signal_is_sent_once_however_often_its_step_is_executed() -> None:
    bench = bench_of(sends)
    other(bench)
    assert bench.execute().outcome["answer"] == "sent"
    for keep in (1, 0):
        assert again(bench, keep)["answer"] == "sent"
    (signal,) = bench.waits.signals
    assert (signal.run_id, signal.name, signal.payload) == ("r2", "go", {"n": 1})
    assert (signal.by, signal.tenant) == ("run:r1", "default")


def test_two_signals_of_a_run_are_two() -> None:
    async def twice(run: Any, _: str) -> str:
        await run.send("r2", "go", 1)
        await run.send("r2", "go", 1)
        return "sent"

    bench = bench_of(twice)
    other(bench)
    bench.execute()
    assert len(bench.waits.signals) == 2


REFUSED = [
    pytest.param(None, "FL-400", id="no such run"),
    pytest.param({"state": "succeeded"}, "FL-401", id="it has ended"),
    pytest.param({"principal": fl.Principal(tenant="other")}, "FL-400", id="another tenant's"),
]


@pytest.mark.parametrize(("values", "code"), REFUSED)
def test_a_refused_signal_is_refused_on_every_replay(
    values: dict[str, Any] | None, code: str
) -> None:
    bench = bench_of(sends)
    if values is not None:
        other(bench, **values)
    assert bench.execute().outcome["answer"] == code
    other(bench)
    assert again(bench)["answer"] == code
    assert bench.waits.signals == []


def test_invariant_11_an_inbox_that_is_full_takes_no_more() -> None:
    bench = bench_of(sends)
    other(bench)
    bench.waits.untaken_max = 0
    assert bench.execute().outcome["answer"] == "FL-413"


# ------------------------------------------------------------------------------------------ steps


def test_a_step_is_executed_once_and_its_value_keeps_its_type() -> None:
    executed: list[int] = []

    async def load(number: int, *, more: int = 0) -> Order:
        executed.append(number + more)
        return Order(number + more)

    def plain(order_number: int) -> int:
        executed.append(order_number)
        return order_number * 2

    async def steps(run: Any, _: str) -> str:
        order = await run.step(load, 3, more=4)
        assert isinstance(order, Order)
        return str(await run.step(plain, order.number))

    bench = bench_of(steps)
    ended = bench.execute()
    assert (ended.outcome["answer"], executed) == ("14", [7, 7])
    assert steps_of(bench) == ["step load #1", "step plain #2", "finish"]
    for keep in (2, 1, 0):
        assert again(bench, keep) == ended.outcome
    assert executed == [7, 7]


def test_a_step_that_raises_fails_its_call() -> None:
    def breaks() -> int:
        raise LookupError("nothing there")

    async def steps(run: Any, _: str) -> str:
        return str(await run.step(breaks))

    ended = bench_of(steps).execute()
    assert (ended.state, ended.outcome["code"]) == ("failed", "FL-603")
    assert "LookupError: nothing there" in ended.reason


def test_a_step_with_other_arguments_than_on_record_is_an_error() -> None:
    numbers = iter([1, 2])

    def plain(number: int) -> int:
        return number

    async def steps(run: Any, _: str) -> str:
        return str(await run.step(plain, next(numbers)))

    bench = bench_of(steps)
    bench.execute()
    assert again(bench)["code"] == "FL-403"


# ------------------------------------------------------------------------------------------ turns


@pytest.mark.parametrize("what", ["sleep", "now", "send", "signal", "stream"])
def test_nothing_durable_is_asked_for_inside_the_body_of_a_call(what: str) -> None:
    """It would be a step inside a step."""

    async def nested(run: Any, _: str) -> str:
        asks = {
            "sleep": lambda: run.sleep(timedelta(seconds=1)),
            "now": run.now,
            "send": lambda: run.send("r2", "go", 1),
            "signal": lambda: run.signal("go", str),
            "stream": lambda: run.stream(1),
        }

        async def inside() -> str:
            return str(await asks[what]())

        return str(await run.step(inside))

    bench = bench_of(nested)
    ended = bench.execute()
    assert (ended.state, ended.outcome["code"]) == ("failed", "FL-402")
    assert steps_of(bench) == ["step inside #1", "finish"]


def test_what_is_gathered_takes_turns_and_falls_the_same_way_on_every_replay() -> None:
    async def gathers(run: Any, _: str) -> str:
        found = await asyncio.gather(
            run.call(look), run.random(), run.sleep(timedelta(seconds=9)), run.call(look)
        )
        return str(found)

    bench = bench_of(gathers)
    ended = bench.execute()
    names = steps_of(bench)
    assert sorted(names) == sorted(
        ["tool look #1", "random", "wait w2", "answer w2", "tool look #2", "finish"]
    )
    # One at a time: nothing comes between the two steps of a wait.
    assert names.index("answer w2") == names.index("wait w2") + 1
    for keep in range(5):
        assert again(bench, keep) == ended.outcome, keep


def test_a_run_that_was_approved_makes_its_call() -> None:
    async def asks_first(run: Any, _: str) -> str:
        return str(await run.approve(look))

    bench = bench_of(asks_first)

    def yes(wait: Wait) -> None:
        bench.approvals.answer(wait.topic, True, Said(by="ann", reason=""))

    bench.seat.answer = yes
    assert bench.execute().outcome["answer"] == "seen"
    (approval,) = bench.approvals.records.values()
    assert approval.expires_at - approval.asked_at == timedelta(hours=24).total_seconds()
    # Without an answer it is not made.
    silent = bench_of(asks_first)
    assert silent.execute().outcome["code"] == "FL-508"


# ------------------------------------------------------------------------------ what is no call


async def tells(run: Any, _: str) -> str:
    await run.stream("an item")
    await run.send("r2", "go", "now")
    return "told"


@pytest.mark.parametrize(("scope", "which"), [("tenant", "default"), ("workflow", "tells")])
def test_a_run_that_was_stopped_tells_nobody_anything(scope: Any, which: str) -> None:
    bench = bench_of(tells)
    other(bench)
    bench.kills.pull(scope, which, Said(by="ann", reason="wrong"))
    ended = bench.execute()
    assert (ended.state, ended.outcome["code"]) == ("denied", "FL-521")
    assert bench.streams.items == {}
    assert bench.waits.signals == []


def test_what_a_run_does_beside_its_calls_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundary, "ASIDE_MAX", 3)

    async def never_ends(run: Any, _: str) -> str:
        while True:
            await run.uuid()

    bench = bench_of(never_ends)
    ended = bench.execute()
    assert (ended.state, ended.outcome["code"]) == ("denied", "FL-503")
    assert steps_of(bench).count("uuid") == 3
