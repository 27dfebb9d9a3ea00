"""Waits and signals on SQL: an answer ends a wait once, before or after it began."""

from __future__ import annotations

import pytest

from fairlead import Principal
from fairlead.adapters.sql import waits as module
from fairlead.adapters.sql.database import Database
from fairlead.core.errors import InboxFull, RunFinished, UnknownRun
from fairlead.ports.waits import Signal
from tests.unit.adapters.sql.test_runs import ORDER, Stores, ending

WORD = Signal(run_id="r1", name="word", payload={"n": 1}, by="ann")


@pytest.fixture
def stores(database: Database) -> Stores:
    made = Stores(database)
    made.admit(id="r1")
    return made


def test_a_wait_that_began_does_not_begin_anew(stores: Stores) -> None:
    first = stores.waits.open("r1", "w1", "timer", topic="", within_s=50.0)
    stores.age(10.0)
    again = stores.waits.open("r1", "w1", "timer", topic="", within_s=50.0)
    assert again.due_at == pytest.approx(first.due_at - 10.0)
    assert (again.over, again.answered) == (False, False)
    stores.age(50.0)
    ended = stores.waits.close("r1", "w1")
    assert (ended.over, ended.answered) == (True, False)
    assert ended.ended_at - ended.opened_at == pytest.approx(60.0, abs=1.0)
    assert stores.waits.look("r1", "another") is None


def test_a_signal_ends_an_open_wait_and_wakes_the_run(stores: Stores) -> None:
    (claimed,) = stores.claim()
    stores.waits.open("r1", "w1", "signal", topic="word", within_s=50.0)
    stores.dispatch.park("r1", claimed.fence, "w1")
    assert stores.waits.send(WORD) is True
    assert [*stores.dispatch.awake("w1", 9)] == ["r1"]
    ended = stores.waits.close("r1", "w1")
    assert (ended.answered, ended.answer) == (True, {"payload": {"n": 1}, "by": "ann"})


def test_signals_are_taken_in_order_one_by_each_wait(stores: Stores) -> None:
    for number in range(3):
        stores.waits.send(Signal(run_id="r1", name="word", payload=number, by="ann"))
    stores.waits.send(Signal(run_id="r1", name="other", payload="x", by="ann"))
    for number in range(3):
        wait = stores.waits.open("r1", f"w{number}", "signal", topic="word", within_s=50.0)
        assert (wait.answered, wait.answer["payload"]) == (True, number)
    assert not stores.waits.open("r1", "w9", "signal", topic="word", within_s=50.0).answered


def test_a_signal_with_a_known_key_is_dropped(stores: Stores) -> None:
    signal = Signal(run_id="r1", name="word", payload=1, by="ann", dedup_key="k")
    assert [stores.waits.send(signal), stores.waits.send(signal)] == [True, False]
    assert stores.types("r1") == ["run.admitted", "signal.sent"]


def test_what_comes_too_late_ends_nothing(stores: Stores) -> None:
    stores.waits.open("r1", "w1", "signal", topic="word", within_s=5.0)
    stores.age(10.0)
    stores.waits.close("r1", "w1")
    stores.waits.send(WORD)
    assert not stores.waits.close("r1", "w1").answered


def test_an_ended_run_and_another_tenants_run_take_no_signal(stores: Stores) -> None:
    stores.admit(id="r2", principal=Principal(user="bob", tenant="other"))
    with pytest.raises(UnknownRun):
        stores.waits.send(Signal(run_id="r2", name="word", payload=1, by="x", tenant="acme"))
    with pytest.raises(UnknownRun):
        stores.waits.send(Signal(run_id="r9", name="word", payload=1, by="x"))
    stores.control.cancel("r1", ORDER)
    with pytest.raises(RunFinished):
        stores.waits.send(WORD)


def test_invariant_11_the_inbox_is_bounded(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIGNALS_MAX", 2)
    for _ in range(2):
        stores.waits.send(WORD)
    with pytest.raises(InboxFull):
        stores.waits.send(WORD)
    stores.waits.open("r1", "w1", "signal", topic="word", within_s=5.0)
    assert stores.waits.send(WORD) is True


def test_a_child_that_ended_before_or_after_ends_its_parents_wait(stores: Stores) -> None:
    early = stores.admit(id="c1", parent_id="r1", parent_call=1, root_id="r1")
    late = stores.admit(id="c2", parent_id="r1", parent_call=2, root_id="r1")
    fences = {claimed.run_id: claimed.fence for claimed in stores.claim("w1", 9)}
    stores.runs.finish(early.id, ending(), fences["c1"])
    before = stores.waits.open("r1", "c1", "child", topic="c1", within_s=500.0)
    assert (before.over, before.answer) == (True, {"state": "succeeded"})
    assert not stores.waits.open("r1", "c2", "child", topic="c2", within_s=500.0).over
    stores.dispatch.park("r1", fences["r1"], "c2")
    stores.runs.finish(late.id, ending("failed", None, "no"), fences["c2"])
    assert [*stores.dispatch.awake("w1", 9)] == ["r1"]
    assert stores.waits.close("r1", "c2").answer == {"state": "failed"}
