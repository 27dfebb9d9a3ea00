"""The ledger on SQL: what is known of an effect decides what may happen under its key."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead.adapters.sql.database import Database
from fairlead.core.calls import Done, Effect, Failed, Result, Unknown
from fairlead.core.errors import (
    CallFailed,
    EffectSettled,
    KeyReused,
    LeaseLost,
    ResultNotJson,
    ToolAsksAgain,
    ToolFailed,
    UnknownEffectKey,
)
from fairlead.ports.dispatch import Fence
from fairlead.ports.effects import EffectRecord
from fairlead.ports.journal import CallVerdict
from fairlead.ports.runs import Order
from tests.unit.adapters.sql.test_runs import CALL, TIMING, Stores

LOOKED = Order(by="ann", reason="looked in the bank's list")


@pytest.fixture
def stores(database: Database) -> Stores:
    made = Stores(database)
    made.admit()
    return made


@pytest.fixture
def fence(stores: Stores) -> Fence:
    return stores.claim()[0].fence


def known(stores: Stores, key: str = "aa11:1") -> EffectRecord:
    """Return the effect under a key."""
    (found,) = [one for one in stores.effects.list() if one.key == key]
    return found


def test_an_effect_is_intended_once_with_its_event(stores: Stores, fence: Fence) -> None:
    assert stores.effects.intend(CALL, "acme", fence) == (None, "aa11:1")
    before, key = stores.effects.intend(CALL, "acme", fence)
    assert before is not None
    assert (before.state, before.tool, key) == ("intended", "pay", "aa11:1")
    assert stores.types() == ["run.admitted", "call.intended"]


def test_a_try_finds_the_row_that_it_wrote_and_was_not_answered(
    stores: Stores, fence: Fence
) -> None:
    assert stores.effects.intend(CALL, "acme", fence, at=5.0) == (None, "aa11:1")
    assert stores.effects.intend(CALL, "acme", fence, at=5.0) == (None, "aa11:1")
    assert stores.types() == ["run.admitted", "call.intended"]
    before, _ = stores.effects.intend(CALL, "acme", fence, at=6.0)
    assert before is not None
    assert before.state == "intended"


def test_an_effect_that_is_tried_again_finds_its_own_row_too(stores: Stores, fence: Fence) -> None:
    stores.effects.intend(CALL, "acme", fence, at=5.0)
    stores.journal.finish(CALL, Failed(code=ToolFailed.code, reason="no"), TIMING, CallVerdict())
    before, _ = stores.effects.intend(CALL, "acme", fence, at=7.0)
    assert before is not None
    assert before.state == "failed"
    assert stores.effects.intend(CALL, "acme", fence, at=7.0) == (None, "aa11:1")


def test_the_next_claim_does_not_take_a_dead_workers_row_for_its_own(
    stores: Stores, fence: Fence
) -> None:
    stores.effects.intend(CALL, "acme", fence, at=5.0)
    stores.start_worker("w1")
    stores.die("w1")
    (taken,) = stores.claim("w2")
    before, _ = stores.effects.intend(CALL, "acme", taken.fence, at=5.0)
    assert before is not None
    assert before.state == "intended"


STATES: list[tuple[Effect, Result, str]] = [
    ("once", Done(value=1), "done"),
    ("once", Unknown(reason="?"), "unknown"),
    ("once", Failed(code=ToolFailed.code, reason="no"), "failed"),
    ("once", Failed(code=ToolAsksAgain.code, reason="later"), "failed"),
    ("once", Failed(code=CallFailed.code, reason="TypeError"), "unknown"),
    ("once", Failed(code=ResultNotJson.code, reason="no JSON"), "done"),
    ("once", Done(value=1, found="reconciled"), "reconciled"),
    ("idempotent", Failed(code=CallFailed.code, reason="TypeError"), "failed"),
    ("idempotent", Done(value=1), "done"),
]


@pytest.mark.parametrize(("effect", "result", "state"), STATES)
def test_what_is_known_after_a_call(
    stores: Stores, fence: Fence, effect: Effect, result: Result, state: str
) -> None:
    call = replace(CALL, effect=effect)
    stores.effects.intend(call, "acme", fence)
    stores.journal.finish(call, result, TIMING, CallVerdict())
    assert known(stores).state == state
    before, _ = stores.effects.intend(call, "acme", fence)
    assert before is not None
    again = known(stores).state
    # Only what surely did not happen, or may be repeated, is intended again.
    assert again == ("intended" if state == "failed" else state)


def test_invariant_02_who_lost_the_run_intends_nothing(stores: Stores, fence: Fence) -> None:
    stores.start_worker("w1")
    stores.die("w1")
    with pytest.raises(LeaseLost):
        stores.effects.intend(CALL, "acme", fence)
    stores.claim("w2")
    with pytest.raises(LeaseLost):
        stores.effects.intend(CALL, "acme", fence)
    assert stores.effects.list() == []


def test_a_key_belongs_to_one_request(stores: Stores, fence: Fence) -> None:
    keyed = replace(CALL, business_key="pay:7", arguments={"amount": 1})
    stores.effects.intend(keyed, "acme", fence)
    with pytest.raises(KeyReused, match="aa11"):
        stores.effects.intend(replace(keyed, arguments={"amount": 2}), "acme", fence)


def test_another_run_under_the_same_key_waits_while_the_first_one_executes(
    stores: Stores, fence: Fence
) -> None:
    stores.admit(id="bb22")
    (other,) = stores.claim("w2")
    keyed = replace(CALL, business_key="pay:7")
    theirs = replace(keyed, run_id="bb22", lineage="bb22")
    stores.effects.intend(keyed, "acme", fence)
    before, _ = stores.effects.intend(theirs, "acme", other.fence)
    assert before is not None
    assert before.in_flight
    stores.journal.finish(keyed, Done(value="paid"), TIMING, CallVerdict())
    before, _ = stores.effects.intend(theirs, "acme", other.fence)
    assert before is not None
    assert (before.in_flight, before.state, before.result) == (False, "done", "paid")


def test_what_was_undone_happens_again_under_a_key_of_its_own(stores: Stores, fence: Fence) -> None:
    stores.effects.intend(CALL, "acme", fence)
    stores.journal.finish(CALL, Done(value=1), TIMING, CallVerdict())
    stores.effects.undo(CALL.key)
    stores.effects.undo(CALL.key)
    assert known(stores).state == "compensated"
    before, key = stores.effects.intend(CALL, "acme", fence)
    assert before is not None
    assert (before.state, key) == ("compensated", "aa11:1~1")
    assert stores.types().count("effect.compensated") == 1


def test_a_person_says_what_happened_and_the_run_wakes(stores: Stores, fence: Fence) -> None:
    stores.effects.intend(CALL, "acme", fence)
    stores.journal.finish(CALL, Unknown(reason="?"), TIMING, CallVerdict())
    stores.waits.open("aa11", "u1.1", "effect", topic=CALL.key, within_s=500.0)
    stores.dispatch.park("aa11", fence, "u1.1")
    with pytest.raises(UnknownEffectKey):
        stores.effects.resolve("zz", True, None, LOOKED)
    found = stores.effects.resolve("aa11", True, {"receipt": 7}, LOOKED)
    assert (found.state, found.result, found.by) == ("reconciled", {"receipt": 7}, "ann")
    assert [*stores.dispatch.awake("w1", 9)] == ["aa11"]
    with pytest.raises(EffectSettled):
        stores.effects.resolve(CALL.key, False, None, LOOKED)
    assert stores.types()[-1] == "effect.reconciled"


def test_a_worker_that_comes_late_with_the_result_wakes_the_run_that_waits_for_it(
    stores: Stores, fence: Fence
) -> None:
    stores.effects.intend(CALL, "acme", fence)
    stores.journal.finish(CALL, Unknown(reason="?"), TIMING, CallVerdict())
    stores.waits.open("aa11", "u1.1", "effect", topic=CALL.key, within_s=500.0)
    stores.dispatch.park("aa11", fence, "u1.1")
    assert stores.journal.finish(CALL, Done(value="late"), TIMING, CallVerdict()) == Done(
        value="late"
    )
    assert [*stores.dispatch.awake("w1", 9)] == ["aa11"]
    ended = stores.waits.look("aa11", "u1.1")
    assert ended is not None
    assert ended.answer == {"happened": True}


@pytest.mark.parametrize(
    "late", [Unknown(reason="?"), Failed(code=ToolFailed.code, reason="the line was cut")]
)
def test_a_worker_that_lost_the_run_has_no_say_without_a_value(
    stores: Stores, fence: Fence, late: Result
) -> None:
    stores.effects.intend(CALL, "acme", fence)
    stores.start_worker("w1")
    stores.die("w1")
    stores.claim("w2")
    with pytest.raises(LeaseLost):
        stores.journal.finish(CALL, late, TIMING, CallVerdict())
    assert stores.journal.find("aa11", 1) is None
    assert known(stores).state == "intended"
    assert stores.journal.finish(CALL, Done(value=1), TIMING, CallVerdict()) == Done(value=1)
    assert known(stores).state == "done"


def test_whoever_comes_second_is_told_what_is_on_record(stores: Stores, fence: Fence) -> None:
    read = replace(CALL, effect="read")
    assert stores.journal.finish(read, Done(value="first"), TIMING, CallVerdict()) == Done(
        value="first"
    )
    second = stores.journal.finish(read, Done(value="second"), TIMING, CallVerdict())
    assert second == Done(value="first")


def test_a_late_result_is_no_more_than_what_somebody_found_out(
    stores: Stores, fence: Fence
) -> None:
    stores.effects.intend(CALL, "acme", fence)
    stores.journal.finish(CALL, Unknown(reason="?"), TIMING, CallVerdict())
    stores.effects.resolve(CALL.key, True, "found", LOOKED)
    stores.journal.finish(CALL, Done(value="late"), TIMING, CallVerdict())
    assert known(stores).result == "found"
