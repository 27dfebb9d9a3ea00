"""An effect that somebody finds out about before its run begins to wait for that."""

from __future__ import annotations

import pytest

from fairlead import Principal
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.dispatch import SqlDispatchStore
from fairlead.adapters.sql.effects import SqlEffectsLedger
from fairlead.adapters.sql.journal import SqlJournal
from fairlead.adapters.sql.runs import SqlRunStore
from fairlead.adapters.sql.waits import SqlWaitStore
from fairlead.core.calls import Call, Unknown
from fairlead.ports.dispatch import Bid
from fairlead.ports.journal import CallVerdict, Execution
from fairlead.ports.runs import Order, Room, RunRecord
from fairlead.testing import FakeClock

ANN = Order(by="ann", reason="looked at the bank's list")
WEEK_S = 604_800.0


@pytest.mark.parametrize("happened", [True, False])
def test_the_answer_is_there_when_the_wait_begins(database: Database, happened: bool) -> None:
    """After the unknown outcome, before the wait for somebody, a worker may be slow or die."""
    call = unknown_call(database)
    effects, waits = SqlEffectsLedger(database, FakeClock()), SqlWaitStore(database, FakeClock())
    effects.resolve(call.key, happened, "paid" if happened else None, ANN)
    wait = waits.open(call.run_id, "u1.1", "effect", topic=call.key, within_s=WEEK_S)
    assert (wait.over, wait.answered, wait.answer) == (True, True, {"happened": happened})


def test_an_effect_that_is_still_unknown_is_waited_for(database: Database) -> None:
    call = unknown_call(database)
    effects, waits = SqlEffectsLedger(database, FakeClock()), SqlWaitStore(database, FakeClock())
    assert not waits.open(call.run_id, "u1.1", "effect", topic=call.key, within_s=WEEK_S).over
    effects.resolve(call.key, True, "paid", ANN)
    assert waits.open(call.run_id, "u1.1", "effect", topic=call.key, within_s=WEEK_S).answered


def unknown_call(database: Database) -> Call:
    """Return a call of a claimed run whose effect is unknown on record."""
    clock = FakeClock()
    runs, dispatch = SqlRunStore(database, clock), SqlDispatchStore(database, clock)
    run = RunRecord(
        id=clock.id(),
        workflow="w",
        release="d",
        code_digest="c",
        principal=Principal(),
        purpose="user",
        state="queued",
        input="item",
        created_at=clock.now(),
    )
    runs.admit(run, room=Room(backlog=10))
    bid = Bid(worker_id="w1", code="c", queues=("default",), most=1)
    (claimed,) = dispatch.claim(bid, lambda *_: None)
    call = Call(
        run_id=run.id,
        number=1,
        kind="tool",
        name="pay",
        arguments={"item": "book"},
        effect="once",
        lineage=run.id,
    )
    journal = SqlJournal(database, clock)
    journal.intend(call, clock.now())
    SqlEffectsLedger(database, clock).intend(call, "default", claimed.fence)
    execution = Execution(started_at=0.0, finished_at=1.0, attempts=1, claim=1)
    journal.finish(call, Unknown(reason="the line is bad"), execution, CallVerdict())
    return call
