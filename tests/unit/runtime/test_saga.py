"""What a run did is undone in reverse when it fails after it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

import fairlead as fl
from fairlead.core.outcome import Outcome
from fairlead.testing import FakeAuthorizer
from tests.unit.runtime.bench import Bench
from tests.unit.runtime.test_boundary import ProcessDied
from tests.unit.runtime.test_execute import bench_of


@dataclass
class Shop:
    """What happened outside, in order; `broken` names what fails, `deadly` what kills."""

    log: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    deadly: set[str] = field(default_factory=set)

    def act(self, what: str, key: str) -> None:
        if what in self.broken:
            raise ValueError(f"{what} is broken")
        self.log.append(what)
        self.keys.append(key)
        if what in self.deadly:
            self.deadly.discard(what)
            raise ProcessDied


SHOP = Shop()


@fl.tool(effect="idempotent", scope="orders:write")
async def give_back(ctx: fl.Context, order: str, result: str) -> str:
    """Undo a payment."""
    SHOP.act(f"give back {order} {result}", ctx.idempotency_key)
    return "back"


@fl.tool(effect="once", scope="orders:write", compensate=give_back)
async def pay(ctx: fl.Context, order: str, amount: int = 5) -> str:
    """Pay an order."""
    SHOP.act(f"pay {order}", ctx.idempotency_key)
    return f"receipt {order}"


@fl.tool(effect="once", scope="mail:write")
async def mail(ctx: fl.Context, to: str) -> str:
    """Send a mail, which nothing undoes."""
    SHOP.act(f"mail {to}", ctx.idempotency_key)
    return "sent"


@fl.tool(effect="read", scope="orders:read")
async def look(_: fl.Context) -> str:
    """Look."""
    return "seen"


@pytest.fixture(autouse=True)
def shop() -> Shop:
    """A shop in which nothing has happened yet."""
    SHOP.__init__()  # type: ignore[misc]
    return SHOP


async def pays_twice(run: Any, _: str) -> str:
    await run.call(pay, "a")
    await run.call(mail, "ann")
    await run.call(look)
    await run.call(pay, "b")
    raise LookupError("then it broke")


TOOLS = (pay, mail, look)


def shop_bench(body: Any = pays_twice, **options: Any) -> Bench:
    return bench_of(body, tools=TOOLS, **options)


def states(bench: Bench) -> list[tuple[str, str]]:
    return [(record.tool, record.state) for record in bench.effects.of_run("r1")]


def test_effects_are_undone_newest_first_with_what_they_were_and_gave(shop: Shop) -> None:
    bench = shop_bench()
    ended = bench.execute()
    assert (ended.state, ended.outcome["code"]) == ("failed", "FL-409")
    assert shop.log == [
        "pay a", "mail ann", "pay b", "give back b receipt b", "give back a receipt a",
    ]  # fmt: skip
    assert states(bench) == [
        ("pay", "compensated"), ("mail", "done"), ("pay", "compensated"),
        ("give_back", "done"), ("give_back", "done"),
    ]  # fmt: skip
    assert "not undone" not in ended.reason
    assert [name for name, _ in bench.engine.steps][-5:] == [
        "tool give_back #5", "undone 4", "tool give_back #6", "undone 1", "finish",
    ]  # fmt: skip


def test_each_undoing_is_a_call_like_any_other(shop: Shop) -> None:
    bench = shop_bench(authorizer=FakeAuthorizer(denied=frozenset(["give_back"])))
    ended = bench.execute()
    assert shop.log == ["pay a", "mail ann", "pay b"]
    assert [call.state for call in bench.journal.of_run("r1")][-2:] == ["denied", "denied"]
    assert states(bench)[0] == ("pay", "done")
    assert "not undone: pay, call 4: " in ended.reason
    assert "pay, call 1: " in ended.reason


def test_what_cannot_be_undone_is_said_and_the_rest_is_undone(shop: Shop) -> None:
    shop.broken = {"give back b receipt b"}
    bench = shop_bench()
    ended = bench.execute()
    assert shop.log[-1] == "give back a receipt a"
    assert "then it broke; not undone: pay, call 4: " in ended.reason
    assert "pay, call 1" not in ended.reason
    assert [state for tool, state in states(bench) if tool == "pay"] == ["compensated", "done"]


ENDS = [
    pytest.param("denied", True, id="denied"),
    pytest.param("failed", True, id="failed"),
    pytest.param("escalated", False, id="escalated"),
    pytest.param("succeeded", False, id="succeeded"),
]


@pytest.mark.parametrize(("state", "undone"), ENDS)
def test_only_a_run_that_failed_or_was_denied_is_undone(
    state: Any, undone: bool, shop: Shop
) -> None:
    async def ends(run: Any, _: str) -> str:
        await run.call(pay, "a")
        answer = Outcome(state=state, answer="an answer", reason="so", code="FL-603")
        return answer.unwrap()

    bench = shop_bench(ends)
    assert bench.execute().state == state
    assert ("give back a receipt a" in shop.log) == undone


def test_a_run_without_anything_to_undo_ends_as_it_is(shop: Shop) -> None:
    async def mails(run: Any, _: str) -> str:
        await run.call(mail, "ann")
        raise LookupError("then it broke")

    bench = shop_bench(mails)
    assert bench.execute().state == "failed"
    assert (shop.log, bench.engine.executed[-1]) == (["mail ann"], "finish")
    assert len(bench.journal.of_run("r1")) == 1


def test_an_effect_that_did_not_happen_is_not_undone(shop: Shop) -> None:
    shop.broken = {"pay a"}

    async def pays(run: Any, _: str) -> str:
        return str(await run.call(pay, "a"))

    bench = shop_bench(pays)
    assert bench.execute().state == "failed"
    assert shop.log == []


def test_no_limit_stands_in_the_way_of_undoing(shop: Shop) -> None:
    """The steps are used up and the deadline is past: that is often why it is undone."""

    async def pays_late(run: Any, _: str) -> str:
        await run.call(pay, "a")
        bench.clock.time += 10_000
        await run.call(look)
        return "not reached"

    bench = shop_bench(pays_late, limits=fl.Limits(steps=1))
    ended = bench.execute()
    assert ended.state == "denied"
    assert shop.log == ["pay a", "give back a receipt a"]
    assert "not undone" not in ended.reason


def test_invariant_01_a_recovery_undoes_nothing_twice(shop: Shop) -> None:
    bench = shop_bench()
    ended = bench.execute()
    log = list(shop.log)
    for keep in range(len(bench.engine.steps)):
        bench.forget_end()
        again = bench.execute(bench.engine.replay(keep=keep))
        assert (again.outcome, shop.log) == (ended.outcome, log), keep


def test_invariant_02_a_death_while_it_is_undone_repeats_it_under_its_key(shop: Shop) -> None:
    shop.deadly = {"give back b receipt b"}
    bench = shop_bench()
    with pytest.raises(ProcessDied):
        bench.execute()
    assert bench.execute(bench.engine.replay()).state == "failed"
    backs = [key for what, key in zip(shop.log, shop.keys, strict=True) if "back b" in what]
    assert (len(backs), len(set(backs))) == (2, 1)
    assert shop.log.count("give back a receipt a") == 1
    assert [state for tool, state in states(bench) if tool == "pay"] == ["compensated"] * 2


def test_an_effect_that_was_undone_is_made_anew_under_another_key(shop: Shop) -> None:
    """As a retry does, which keeps the keys."""
    bench = shop_bench()
    bench.execute()
    bench.forget_end()
    bench.journal.records.clear()
    bench.execute(bench.engine.replay(keep=0))
    keys = [key for what, key in zip(shop.log, shop.keys, strict=True) if what == "pay a"]
    assert keys == ["r1:1", "r1:1~1"]


@fl.tool(effect="once", scope="orders:write", key=["order"], compensate=give_back)
async def pay_once(ctx: fl.Context, order: str) -> str:
    """Pay an order, once for all runs."""
    SHOP.act(f"pay {order}", ctx.idempotency_key)
    return f"receipt {order}"


async def pays_shared(run: Any, order: str) -> str:
    """Pay, then fail."""
    await run.call(pay_once, order)
    raise RuntimeError("no")


def test_what_another_run_did_under_the_same_key_is_not_undone() -> None:
    SHOP.__init__()  # type: ignore[misc]
    first, second = (bench_of(pays_shared, tools=[pay_once]) for _ in range(2))
    assert first.execute().state == "failed"
    assert [what.split()[0] for what in SHOP.log] == ["pay", "give"]
    (effect,) = [one for one in first.effects.records.values() if one.tool == "pay_once"]
    # Of another run it was done and is still needed.
    second.effects.records[effect.key] = replace(effect, state="done", run_id="another")
    SHOP.__init__()  # type: ignore[misc]
    assert second.execute().state == "failed"
    assert SHOP.log == []
