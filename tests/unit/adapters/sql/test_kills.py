"""Kill switches on SQL, on each database: kept with who and why, and nothing stopped is claimed."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead import Principal
from fairlead.adapters.sql import kills
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.dispatch import SqlDispatchStore
from fairlead.adapters.sql.events import SqlEventLog
from fairlead.adapters.sql.kills import SqlKillStore
from fairlead.adapters.sql.releases import SqlReleaseStore
from fairlead.adapters.sql.runs import SqlRunStore
from fairlead.core.errors import KillNotFound, KillsFull
from fairlead.core.kill import KillScope
from fairlead.ports.dispatch import Bid
from fairlead.ports.runs import Order, Room, RunRecord
from fairlead.testing import FakeClock
from tests.unit.runtime.test_admission import RELEASE

ORDER = Order(by="ann", reason="it pays twice")
CLOCK = FakeClock()


def test_a_switch_is_kept_with_its_events_until_it_is_lifted(database: Database) -> None:
    store = SqlKillStore(database, CLOCK)
    kill, new = store.pull("tool", "pay", ORDER)
    assert new
    assert (kill.by, kill.reason) == ("ann", "it pays twice")
    assert abs(kill.at - database.clock()) < 60.0
    again, new = store.pull("tool", "pay", Order(by="bob", reason="me too"))
    assert (again, new) == (kill, False)
    assert list(SqlKillStore(database, CLOCK).active()) == [kill]
    assert store.lift("tool", "pay", Order(by="bob", reason="repaired")) == kill
    assert store.active() == []
    with pytest.raises(KillNotFound):
        store.lift("tool", "pay", ORDER)
    events = SqlEventLog(database, CLOCK).list(chain="kill:tool:pay")
    assert [(event.type, event.data["by"]) for event in events] == [
        ("kill.pulled", "ann"),
        ("kill.lifted", "bob"),
    ]


def test_there_is_a_bound(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kills, "KILLS_MAX", 2)
    store = SqlKillStore(database, CLOCK)
    for number in range(2):
        store.pull("tenant", f"t{number}", ORDER)
    with pytest.raises(KillsFull):
        store.pull("tenant", "t2", ORDER)
    assert not store.pull("tenant", "t1", ORDER)[1]


@pytest.mark.parametrize(
    ("scope", "which", "held"),
    [
        ("app", RELEASE.manifest.app, True),
        ("workflow", "echo", True),
        ("release", RELEASE.digest, True),
        ("tenant", "acme", True),
        ("tenant", "other", False),
        ("workflow", "other", False),
        ("tool", "echo", False),
    ],
)
def test_a_queued_run_that_is_stopped_waits_until_that_is_lifted(
    database: Database, scope: KillScope, which: str, held: bool
) -> None:
    SqlReleaseStore(database, CLOCK).put(RELEASE)
    run = RunRecord(
        id="r1",
        workflow="echo",
        release=RELEASE.digest,
        code_digest=RELEASE.manifest.code_digest,
        principal=Principal(tenant="acme"),
        purpose="user",
        state="queued",
        input="hello",
        created_at=CLOCK.now(),
    )
    SqlRunStore(database, CLOCK).admit(run, room=Room())
    store, dispatch = SqlKillStore(database, CLOCK), SqlDispatchStore(database, CLOCK)
    bid = Bid(
        worker_id="w1",
        code=run.code_digest,
        queues=("default",),
        most=5,
        uncleared=False,
        suspect=False,
        after="",
    )

    def claim() -> list[str]:
        def start(*_: Any) -> None:
            """There is no engine."""

        return [claimed.run_id for claimed in dispatch.claim(bid, start)]

    store.pull(scope, which, ORDER)
    assert claim() == ([] if held else ["r1"])
    store.lift(scope, which, ORDER)
    assert claim() == (["r1"] if held else [])
