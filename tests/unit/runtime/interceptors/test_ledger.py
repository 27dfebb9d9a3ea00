"""The ledger decides: what is known of an effect, and what may happen then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead import Context
from fairlead.core.digests import Json, digest
from fairlead.core.errors import EffectUnknown, KeyReused
from fairlead.ports.dispatch import Fence
from fairlead.ports.effects import EffectRecord
from fairlead.ports.runs import Order
from fairlead.ports.waits import Wait
from fairlead.runtime.boundary import PROBE_AFTER_S
from fairlead.testing import FakeEngine
from tests.unit.runtime.test_boundary import Bench, ProcessDied, raising

KEY = "root:1"
EFFECTS = ("idempotent", "once")
WEEK_S = timedelta(days=7).total_seconds()
BY_ANN = Order(by="ann", reason="she looked")


def bench_with(effect: str, state: str | None, **limits: Any) -> Bench:
    """Return a bench whose ledger has something on record under the key of the first call."""
    bench = Bench(**limits)
    if state is not None:
        bench.effects.records[KEY] = EffectRecord(
            key=KEY,
            run_id="r0" if state == "in flight" else "r1",
            number=1,
            tool=effect,
            tenant="default",
            effect=effect,  # type: ignore[arg-type]
            state="intended" if state == "in flight" else state,  # type: ignore[arg-type]
            arguments_digest=digest(["tool", effect, {}]),
            arguments={},
            intended_at=bench.clock.now(),
            result="on record" if state in ("done", "reconciled", "compensated") else None,
        )
    bench.effects.living = {"r0"} if state == "in flight" else set()
    return bench


def probed(bench: Bench, probe: Callable[[Context, dict[str, Json]], Any]) -> list[Any]:
    """Let the `once` tool have a probe; return what it is asked."""
    asked: list[Any] = []

    async def ask(context: Context, arguments: dict[str, Json]) -> list[Json]:
        asked.append((context.idempotency_key, arguments))
        found = probe(context, arguments)
        return await found if asyncio.iscoroutine(found) else found

    bench.scope = replace(bench.scope, probes={"once": ask})
    bench.again(bench.engine)
    return asked


def key_of(context: Context) -> str:
    return context.idempotency_key


EXECUTED = [
    *[(effect, None, KEY) for effect in EFFECTS],
    *[(effect, "failed", KEY) for effect in EFFECTS],
    *[(effect, "compensated", f"{KEY}~1") for effect in EFFECTS],
    ("idempotent", "intended", KEY),
    ("idempotent", "unknown", KEY),
]


@pytest.mark.parametrize(("effect", "before", "key"), EXECUTED)
def test_what_surely_did_not_happen_or_may_happen_again_is_executed(
    effect: str, before: str | None, key: str
) -> None:
    """After an undoing the next execution is another effect, with another key."""
    bench = bench_with(effect, before)
    assert bench.call(effect, body=key_of) == key
    assert bench.executed == 1
    record = bench.effects.records[KEY]
    assert (record.state, record.result, record.handed_key) == ("done", key, key)
    assert bench.seat.rests == 0


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("before", ["done", "reconciled"])
def test_invariant_02_what_happened_is_returned_and_not_executed(effect: str, before: str) -> None:
    bench = bench_with(effect, before)
    assert bench.call(effect) == "on record"
    assert bench.executed == 0
    assert bench.effects.records[KEY].state == before


@pytest.mark.parametrize("before", ["intended", "unknown"])
def test_invariant_02_what_may_have_happened_is_not_executed_and_waits_for_somebody(
    before: str,
) -> None:
    bench = bench_with("once", before)
    with pytest.raises(EffectUnknown) as error:
        bench.call("once")
    assert (error.value.code, bench.executed) == ("FL-405", 0)
    (wait,) = bench.waits.waits.values()
    assert (wait.kind, wait.topic, wait.due_at - wait.opened_at) == ("effect", KEY, WEEK_S)
    assert bench.seat.rests == 1
    assert bench.effects.records[KEY].state == "unknown"
    assert bench.journal.records["r1", 1].state == "unknown"


@pytest.mark.parametrize("effect", EFFECTS)
def test_invariant_02_what_another_run_executes_is_waited_for(effect: str) -> None:
    """Two runs name the same effect: the second one gets what the first one did."""
    bench = bench_with(effect, "in flight")
    looks: list[Wait] = []

    def answer(wait: Wait) -> None:
        assert bench.executed == 0
        looks.append(wait)
        if len(looks) == 3:
            bench.effects.living.clear()
            done = replace(bench.effects.records[KEY], state="done", result="theirs")
            bench.effects.records[KEY] = done

    bench.seat.answer = answer
    assert bench.call(effect) == "theirs"
    assert bench.executed == 0
    assert [(wait.kind, wait.due_at - wait.opened_at) for wait in looks] == [("timer", 1.0)] * 3


def test_an_unknown_effect_that_happened_gives_the_result_that_a_person_found() -> None:
    bench = bench_with("once", "intended")
    bench.seat.answer = lambda _: bench.effects.resolve(KEY, True, {"receipt": 7}, BY_ANN)
    bench.clock.time += 1
    assert bench.call("once") == {"receipt": 7}
    record = bench.effects.records[KEY]
    assert (bench.executed, record.state, record.by) == (0, "reconciled", "ann")
    assert bench.journal.records["r1", 1].state == "done"
    # On recovery it is read, and nobody is asked again.
    bench.again(bench.engine.replay())
    assert bench.call("once", body=raising(AssertionError())) == {"receipt": 7}
    assert (bench.engine.executed, bench.seat.rests) == ([], 1)


def test_an_unknown_effect_that_did_not_happen_is_executed() -> None:
    bench = bench_with("once", "intended")
    bench.seat.answer = lambda _: bench.effects.resolve(KEY, False, None, BY_ANN)
    assert bench.call("once", body=key_of) == KEY
    assert (bench.executed, bench.effects.records[KEY].state) == (1, "done")


def test_the_time_that_somebody_needs_is_no_time_at_work() -> None:
    bench = bench_with("once", "intended", wall_time=timedelta(seconds=30))

    def answer(_: Wait) -> None:
        bench.clock.time += timedelta(days=3).total_seconds()
        bench.effects.resolve(KEY, False, None, BY_ANN)

    bench.seat.answer = answer
    assert bench.call("once") == "done"
    assert bench.call("read") == "done"
    bench.clock.time += 31
    with pytest.raises(Exception, match="past its wall time"):
        bench.call("read")


# --------------------------------------------------------------------------------------- the probe


@pytest.mark.parametrize("before", ["intended", "unknown"])
def test_a_probe_that_finds_the_effect_reconciles_it(before: str) -> None:
    bench = bench_with("once", before)
    asked = probed(bench, lambda *_: ["found"])
    assert bench.call("once") == "found"
    assert (bench.executed, asked, bench.seat.rests) == (0, [(KEY, {})], 0)
    assert bench.effects.records[KEY].state == "reconciled"


def test_invariant_02_a_probe_gets_what_the_body_got_a_secret_included() -> None:
    """Asked by a placeholder it finds nothing, and the effect would happen a second time."""
    given = {"api_key": "aB3dE5fG7hJ9kL1mN3"}
    bench = bench_with("once", "intended")
    record = bench.effects.records[KEY]
    kept = {"api_key": "[redacted:named-secret]"}
    known = replace(record, arguments=kept, arguments_digest=digest(["tool", "once", kept]))
    bench.effects.records[KEY] = known
    asked = probed(bench, lambda *_: ["found"])
    assert bench.call("once", given) == "found"
    assert (bench.executed, asked) == (0, [(KEY, given)])


@pytest.mark.parametrize("before", ["intended", "unknown"])
def test_a_probe_that_surely_finds_nothing_lets_the_effect_happen(before: str) -> None:
    bench = bench_with("once", before)
    seen: list[str] = []

    def probe(*_: Any) -> list[Json]:
        return []

    def body(context: Context) -> str:
        seen.append(bench.effects.records[KEY].state)
        return context.idempotency_key

    probed(bench, probe)
    assert bench.call("once", body=body) == KEY
    # The intent stands again before it is executed: a death now leaves it in doubt, not unknown.
    assert (bench.executed, seen) == (1, ["intended"])
    assert bench.effects.records[KEY].state == "done"


def test_a_probe_is_asked_only_when_there_is_a_doubt() -> None:
    for state in (None, "failed", "done", "reconciled", "compensated"):
        bench = bench_with("once", state)
        asked = probed(bench, lambda *_: ["found"])
        bench.call("once")
        assert asked == [], state


def test_a_probe_that_cannot_tell_is_asked_again_later_and_later() -> None:
    bench = bench_with("once", "intended")
    answers: list[Any] = [ConnectionError("away"), ConnectionError("away"), ["found"]]

    def probe(*_: Any) -> list[Json]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    asked = probed(bench, probe)
    assert bench.call("once") == "found"
    waits = [wait.due_at - wait.opened_at for wait in bench.waits.waits.values()]
    assert waits == [PROBE_AFTER_S, 2 * PROBE_AFTER_S]
    assert (len(asked), bench.executed) == (3, 0)


def test_invariant_11_a_probe_that_never_can_tell_is_given_up() -> None:
    bench = bench_with("once", "intended", unknown_wait=timedelta(seconds=40))

    def probe(*_: Any) -> list[Json]:
        raise ConnectionError("away")

    asked = probed(bench, probe)
    with pytest.raises(EffectUnknown, match="ConnectionError: away"):
        bench.call("once")
    waits = [wait.due_at - wait.opened_at for wait in bench.waits.waits.values()]
    assert waits == [5.0, 10.0, 20.0, 5.0]
    assert (len(asked), bench.executed) == (5, 0)


def test_invariant_11_a_probe_that_does_not_answer_cannot_tell() -> None:
    bench = bench_with(
        "once",
        "intended",
        unknown_wait=timedelta(seconds=1),
        call_timeout=timedelta(milliseconds=3),
    )
    probed(bench, lambda *_: asyncio.Event().wait())
    with pytest.raises(EffectUnknown, match="TimeoutError"):
        bench.call("once")
    assert bench.executed == 0


def test_a_person_may_be_faster_than_the_probe() -> None:
    bench = bench_with("once", "intended")

    def probe(*_: Any) -> list[Json]:
        raise ConnectionError("away")

    asked = probed(bench, probe)
    bench.seat.answer = lambda _: bench.effects.resolve(KEY, True, "hers", BY_ANN)
    assert bench.call("once") == "hers"
    assert (len(asked), bench.executed) == (1, 0)


# -------------------------------------------------------------------------------- keys and claims


def test_a_key_with_other_arguments_fails_the_call() -> None:
    bench = bench_with("once", "done")
    with pytest.raises(KeyReused) as error:
        bench.call("once", {"x": 1})
    assert (error.value.code, bench.executed) == ("FL-424", 0)
    assert bench.journal.records["r1", 1].state == "failed"
    assert bench.effects.records[KEY].state == "done"


def test_a_business_key_names_an_effect_for_a_tenant_in_whichever_run() -> None:
    bench = Bench()
    keyed = replace(bench.scope.rules.contracts["once"], key=("order",))
    contracts = {**bench.scope.rules.contracts, "once": keyed}
    bundle = replace(bench.scope.rules.bundle, contracts=contracts)
    rules = replace(bench.scope.rules, bundle=bundle)
    bench.scope = replace(bench.scope, rules=rules)
    bench.again(bench.engine)
    key = bench.call("once", {"order": 7, "note": "a"}, key_of)
    assert key.startswith("once:")
    assert bench.call("once", {"order": 7, "note": "a"}, raising(AssertionError())) == key
    assert bench.call("once", {"order": 8, "note": "a"}, key_of) != key
    assert bench.executed == 2
    assert [record.number for record in bench.journal.of_run("r1")] == [1, 2, 3]
    principal = replace(bench.scope.context.principal, tenant="other")
    bench.scope = replace(bench.scope, context=replace(bench.scope.context, principal=principal))
    bench.journal.records.clear()
    bench.again(FakeEngine())
    assert bench.call("once", {"order": 7, "note": "a"}, key_of) != key


def test_who_lost_the_run_executes_nothing_and_records_nothing() -> None:
    bench = Bench()
    bench.effects.owners["r1"] = Fence(worker_id="another", claim=2)
    with pytest.raises(asyncio.CancelledError):
        bench.call("once")
    assert (bench.executed, bench.effects.records, bench.engine.steps) == (0, {}, [])
    assert bench.journal.records["r1", 1].state == "intended"


@pytest.mark.parametrize("name", ["read", *EFFECTS])
def test_nothing_is_executed_once_the_lease_may_have_lapsed(name: str) -> None:
    bench = Bench()
    bench.seat.lease = False
    with pytest.raises(asyncio.CancelledError):
        bench.call(name)
    assert (bench.executed, bench.engine.steps) == (0, [])


def test_what_is_on_record_is_progress() -> None:
    bench = Bench()
    bench.call("read")
    bench.call("once")
    assert bench.seat.progress == 2


# --------------------------------------------------------------------------- deaths, in any order

DEATHS = st.lists(st.sampled_from(["before", "after", "between"]), max_size=6)


def live(bench: Bench, deaths: list[str], happened: list[str]) -> Any:
    """Call `once` in one process after another; each but the last one dies at some moment."""
    for death in deaths:

        def body(_: Context, death: str = death) -> str:
            if death == "before":
                raise ProcessDied
            happened.append("it")
            if death == "after":
                raise ProcessDied
            return "it"

        try:
            found = bench.call("once", body=body)
        except (ProcessDied, EffectUnknown):
            found = None
        # The engine never recorded the step.
        bench.again(bench.engine.replay(keep=0))
        if found is not None:
            return found

    def last(_: Context) -> str:
        happened.append("it")
        return "it"

    return bench.call("once", body=last)


@given(DEATHS)
def test_invariant_02_with_a_probe_an_effect_happens_exactly_once(deaths: list[str]) -> None:
    bench, happened = Bench(), list[str]()
    probed(bench, lambda *_: list(happened))
    assert live(bench, deaths, happened) == "it"
    assert happened == ["it"]


@given(DEATHS)
def test_invariant_02_without_a_probe_an_effect_happens_at_most_once(deaths: list[str]) -> None:
    bench, happened = Bench(), list[str]()
    if not deaths or deaths[0] == "between":
        assert live(bench, deaths, happened) == "it"
    else:
        with pytest.raises(EffectUnknown):
            live(bench, deaths, happened)
    assert len(happened) <= 1
