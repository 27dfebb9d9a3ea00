"""W2: a person agrees to exactly one call, once, before it expires."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fairlead.core.errors import (
    ApprovalClosed,
    ApprovalDenied,
    ApprovalExpired,
    ApprovalVoid,
    ArgumentsInvalid,
    Denied,
    StepsExceeded,
)
from fairlead.core.label import label_to_json, own_label
from fairlead.ports.approvals import ApprovalRecord
from fairlead.ports.engine import Suspended
from fairlead.ports.runs import Order
from fairlead.ports.waits import Wait
from tests.unit.runtime.test_boundary import Bench, ProcessDied, raising

HOUR = timedelta(hours=1)
PAID = {"order": 7}


def asking(approved: bool | None, **options: Any) -> Bench:
    """Return a bench with a person who answers; None for one who does not."""
    bench = Bench(**options)
    if approved is not None:
        bench.seat.answer = saying(bench, approved)
    return bench


def saying(bench: Bench, approved: bool, reason: str = "") -> Callable[[Wait], None]:
    def answer(wait: Wait) -> None:
        assert wait.kind == "approval"
        bench.clock.time += 60
        bench.approvals.answer(wait.topic, approved, Order(by="ann", reason=reason))

    return answer


def pay(bench: Bench, arguments: Any = PAID, body: Any = lambda _: "paid") -> Any:
    return bench.call("once", arguments, body, approve_within=HOUR)


def only(bench: Bench) -> ApprovalRecord:
    (record,) = bench.approvals.records.values()
    return record


def steps_of(bench: Bench) -> list[str]:
    return [name for name, _ in bench.engine.steps]


def test_invariant_06_an_approved_call_is_made_once_and_uses_the_approval_up() -> None:
    bench = asking(True)
    assert pay(bench) == "paid"
    record = only(bench)
    assert (record.state, record.by, bench.executed) == ("consumed", "ann", 1)
    assert (record.run_id, record.number, record.tool) == ("r1", 1, "once")
    assert (record.tenant, record.release) == ("default", "d")
    assert record.expires_at - record.asked_at == HOUR.total_seconds()
    assert steps_of(bench) == ["wait a1", "answer a1", "tool once #1"]


def test_invariant_06_a_person_sees_all_that_they_agree_to() -> None:
    bench = asking(True)
    with_policies(bench, "p1")
    bench.again(bench.engine)
    own = own_label(bench.scope.context.principal)
    bench.boundary.received({"order": 7}, {"": own})
    pay(bench)
    assert only(bench).subject == {
        "tool": "once",
        "arguments": PAID,
        "labels": {"order": label_to_json(own)},
        "policies": "p1",
        "release": "d",
        "workflow": "w",
        "user": "local",
        "role": "approver",
        "rules": "",
    }


def with_policies(bench: Bench, digest: str) -> None:
    bundle = replace(bench.scope.rules.bundle, digest=digest)
    bench.scope = replace(bench.scope, rules=replace(bench.scope.rules, bundle=bundle))


def test_nothing_is_meant_to_happen_before_the_answer() -> None:
    """Invariant 4: the question stands before the intent."""
    bench = asking(None)
    answer = saying(bench, True)

    def looks(wait: Wait) -> None:
        assert (bench.journal.records, bench.effects.records, bench.executed) == ({}, {}, 0)
        answer(wait)

    bench.seat.answer = looks
    assert pay(bench) == "paid"
    assert bench.seat.rests == 1


@pytest.mark.parametrize(
    ("arguments", "denied", "error"),
    [(PAID, ("once",), Denied), ([7], (), ArgumentsInvalid)],
    ids=["policy", "schema"],
)
def test_schema_and_policy_stand_before_the_question(
    arguments: Any, denied: tuple[str, ...], error: type[Exception]
) -> None:
    bench = asking(True, denied=denied)
    with pytest.raises(error):
        pay(bench, arguments)
    assert (bench.approvals.records, bench.waits.waits, bench.executed) == ({}, {}, 0)
    assert steps_of(bench) == ["tool once #1"]


@pytest.mark.parametrize(("reason", "said"), [("too much", "ann said no: too much"), ("", "no")])
def test_a_no_denies_the_call(reason: str, said: str) -> None:
    bench = asking(False)
    bench.seat.answer = saying(bench, False, reason)
    with pytest.raises(ApprovalDenied, match=said) as error:
        pay(bench)
    assert (error.value.code, bench.executed, only(bench).state) == ("FL-507", 0, "denied")
    assert bench.journal.records["r1", 1].state == "denied"
    assert bench.journal.decisions["r1", 1].said == "FL-507"
    assert bench.effects.records == {}


def test_invariant_06_an_approval_expires() -> None:
    bench = asking(None)
    with pytest.raises(ApprovalExpired) as error:
        pay(bench)
    assert (error.value.code, bench.executed, only(bench).state) == ("FL-508", 0, "expired")
    with pytest.raises(ApprovalClosed):
        bench.approvals.answer(only(bench).id, True, Order(by="ann", reason="late"))
    assert bench.journal.decisions["r1", 1].said == "FL-508"


def test_invariant_06_an_answer_does_not_outlive_its_time() -> None:
    """The yes came in time, the worker was away for long, and the call would be made too late."""
    bench = asking(True)
    pay(bench)
    bench.again(bench.engine.replay(keep=2))
    forget(bench)
    bench.clock.time += HOUR.total_seconds()
    bench.again(bench.engine)
    with pytest.raises(ApprovalVoid, match="expired"):
        pay(bench)
    assert bench.executed == 1


def forget(bench: Bench) -> None:
    """Make the world as if the worker had died after the answer, before the call was made."""
    bench.journal.records.clear()
    bench.effects.records.clear()
    record = only(bench)
    bench.approvals.records[record.id] = replace(record, state="approved")


def other_arguments(bench: Bench) -> Any:
    return {"order": 8}


def other_policies(bench: Bench) -> Any:
    with_policies(bench, "others")
    return PAID


def other_release(bench: Bench) -> Any:
    bench.scope = replace(bench.scope, context=replace(bench.scope.context, release="e"))
    return PAID


@pytest.mark.parametrize("change", [other_arguments, other_policies, other_release])
def test_invariant_06_a_call_with_another_subject_voids_the_approval(
    change: Callable[[Bench], Any],
) -> None:
    bench = asking(True)
    pay(bench)
    forget(bench)
    arguments = change(bench)
    bench.again(bench.engine.replay(keep=2))
    with pytest.raises(ApprovalVoid) as error:
        pay(bench, arguments)
    assert (error.value.code, bench.executed) == ("FL-509", 1)
    assert only(bench).state == "approved"
    assert bench.effects.records == {}


def test_invariant_06_an_approval_is_for_one_call() -> None:
    """The same call again is another one: a person is asked again."""
    bench = asking(True)
    assert [pay(bench), pay(bench)] == ["paid", "paid"]
    records = list(bench.approvals.records.values())
    assert [(record.number, record.state) for record in records] == [
        (1, "consumed"), (2, "consumed"),
    ]  # fmt: skip
    assert bench.seat.rests == 2


def test_invariant_06_an_approval_survives_restarts() -> None:
    """The question is asked once, and the answer that came while no worker lived counts."""
    bench = asking(None)

    def dies(_: Wait) -> None:
        raise Suspended("the worker stops")

    bench.seat.answer = dies
    with pytest.raises(asyncio.CancelledError):
        pay(bench)
    assert steps_of(bench) == ["wait a1"]
    bench.approvals.answer(only(bench).id, True, Order(by="ann", reason=""))
    bench.seat.answer = None
    bench.again(bench.engine.replay())
    assert pay(bench) == "paid"
    assert (only(bench).state, bench.executed, bench.seat.rests) == ("consumed", 1, 1)


def test_a_question_that_is_on_record_and_not_in_the_engine_is_not_asked_twice() -> None:
    bench = asking(True)
    pay(bench)
    first = only(bench)
    bench.again(bench.engine.replay(keep=0))
    assert pay(bench, body=raising(AssertionError())) == "paid"
    assert only(bench) == first
    assert (bench.executed, bench.seat.rests) == (1, 1)


def test_a_call_that_died_after_it_used_its_approval_up_goes_on() -> None:
    bench = asking(True)
    with pytest.raises(ProcessDied):
        bench.call("idempotent", PAID, raising(ProcessDied()), approve_within=HOUR)
    assert only(bench).state == "consumed"
    bench.again(bench.engine.replay())
    assert bench.call("idempotent", PAID, approve_within=HOUR) == "done"
    assert (len(bench.approvals.records), bench.seat.rests) == (1, 1)


def test_a_recovery_reads_question_and_answer() -> None:
    bench = asking(True)
    pay(bench)
    bench.again(bench.engine.replay())
    assert pay(bench, body=raising(AssertionError())) == "paid"
    assert (bench.engine.executed, len(bench.approvals.records)) == ([], 1)


def test_the_time_that_a_person_takes_is_no_time_at_work() -> None:
    bench = asking(None, wall_time=timedelta(seconds=30))
    answer = saying(bench, True)

    def slowly(wait: Wait) -> None:
        bench.clock.time += 3000
        answer(wait)

    bench.seat.answer = slowly
    assert pay(bench) == "paid"


def test_a_call_that_asks_nobody_asks_nobody() -> None:
    bench = asking(True)
    assert bench.call("once") == "done"
    assert (bench.approvals.records, bench.seat.rests) == ({}, 0)


# ---------------------------------------------------------------------- the policies want an answer


def test_a_rule_that_asks_waits_for_a_person_and_the_call_is_made_once() -> None:
    bench = asking(True, asks=("once",))
    assert bench.call("once", PAID, lambda _: "paid") == "paid"
    record = only(bench)
    assert (record.state, record.rules, record.role) == ("consumed", "asks-by-name", "approver")
    assert bench.executed == 1
    # What was decided is a step's result: whatever follows it falls the same way on a replay.
    assert steps_of(bench) == ["tool once #1", "wait a1", "answer a1", "tool once #1"]
    assert bench.journal.decisions["r1", 1].effect == "ask"


def test_a_rule_that_asks_and_a_no_is_a_no() -> None:
    bench = asking(False, asks=("once",))
    with pytest.raises(ApprovalDenied):
        bench.call("once", PAID, lambda _: "paid")
    assert (bench.executed, bench.effects.records) == (0, {})


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_invariant_06_a_question_of_a_rule_survives_a_death_at_any_step(kept: int) -> None:
    bench = asking(True, asks=("once",))
    bench.call("once", PAID, lambda _: "paid")
    forget(bench)
    bench.again(bench.engine.replay(keep=kept))
    assert bench.call("once", PAID, lambda _: "paid") == "paid"
    assert len(bench.approvals.records) == 1
    assert bench.executed == 2


def test_invariant_12_contract_schema_and_limits_stand_before_the_question() -> None:
    bench = asking(True, asks=("once",), steps=1)
    with pytest.raises(ArgumentsInvalid):
        bench.call("once", [7], lambda _: "paid")
    with pytest.raises(StepsExceeded):
        bench.call("once", PAID, lambda _: "paid")
    assert (bench.approvals.records, bench.executed) == ({}, 0)


def test_a_workflow_that_asks_too_asks_once() -> None:
    bench = asking(True, asks=("once",))
    assert pay(bench) == "paid"
    assert only(bench).rules == "asks-by-name"
    assert steps_of(bench) == ["wait a1", "answer a1", "tool once #1"]


def test_a_later_call_waits_for_the_question_of_an_earlier_one() -> None:
    """Calls of one batch are asked for at once; the second does not overtake the first."""
    bench = asking(True, asks=("once",))
    order: list[str] = []
    bench.seat.answer = _noting(order, saying(bench, True))

    async def batch() -> list[Any]:
        return await asyncio.gather(
            bench.boundary.call("tool", "once", PAID, bench.driver(lambda _: order.append("paid"))),
            bench.boundary.call(
                "tool", "idempotent", PAID, bench.driver(lambda _: order.append("sent"))
            ),
        )

    asyncio.run(batch())
    assert order == ["asked", "paid", "sent"]


def _noting(order: list[str], answer: Callable[[Wait], None]) -> Callable[[Wait], None]:
    def note(wait: Wait) -> None:
        order.append("asked")
        answer(wait)

    return note
