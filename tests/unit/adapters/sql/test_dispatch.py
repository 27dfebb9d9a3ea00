"""Who executes what: fair claims that hoard nothing, parking, and what a dead worker held."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead import Principal
from fairlead.adapters.sql.database import Database
from fairlead.core.calls import Done
from fairlead.core.errors import LeaseLost
from fairlead.ports.dispatch import Bid, Claimed, Fence
from fairlead.ports.engine import Transaction
from fairlead.ports.journal import CallVerdict
from tests.databases import KINDS, opened
from tests.unit.adapters.sql.test_runs import CALL, TIMING, Stores, ending

NOBODY = Fence(worker_id="nobody", claim=1)


@pytest.fixture
def stores(database: Database) -> Stores:
    return Stores(database)


def tenant(name: str) -> Principal:
    return Principal(user="ann", tenant=name)


def names(claimed: list[Claimed]) -> list[str]:
    return [one.run_id for one in claimed]


def test_no_more_is_claimed_than_was_asked_for(stores: Stores) -> None:
    for number in range(10):
        stores.admit(id=f"r{number}", created_at=float(number))
    assert names(stores.claim("w1", 3)) == ["r0", "r1", "r2"]
    assert names(stores.claim("w2", 3)) == ["r3", "r4", "r5"]
    assert stores.claim("w3", 0) == []
    assert Counter(run.worker_id for run in stores.runs.list()) == {"w1": 3, "w2": 3, None: 4}


def test_a_crowd_does_not_delay_another_tenants_single_run(stores: Stores) -> None:
    for number in range(50):
        stores.admit(id=f"a{number:02}", created_at=float(number), principal=tenant("crowd"))
    stores.admit(id="b", created_at=99.0, principal=tenant("single"))
    assert "b" in names(stores.claim("w1", 2))
    stores.admit(id="c", created_at=100.0, principal=tenant("single"))
    # The single tenant has one at work, the crowd has one as well: it is its turn again.
    assert "c" in names(stores.claim("w1", 2))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    queued=st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 12), min_size=1),
    most=st.integers(1, 8),
)
@pytest.mark.parametrize("kind", KINDS[:1])
def test_tenants_share_each_round_evenly(
    kind: str,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    queued: dict[str, int],
    most: int,
) -> None:
    with opened(kind, request, tmp_path_factory.mktemp("fair")) as database:
        stores = Stores(database)
        for name, count in queued.items():
            for number in range(count):
                stores.admit(id=f"{name}{number}", principal=tenant(name))
        taken = Counter(one.tenant for one in stores.claim("w1", most))
        assert sum(taken.values()) == min(most, sum(queued.values()))
        for name in queued:
            for other in queued:
                # Nobody has two more than another one that still waits.
                if taken[other] < queued[other]:
                    assert taken[name] <= taken[other] + 1


def test_priority_counts_within_a_tenant_and_age_after_it(stores: Stores) -> None:
    for id, priority, at in (("low", -1, 1.0), ("old", 0, 2.0), ("new", 0, 3.0), ("top", 9, 4.0)):
        stores.admit(id=id, priority=priority, created_at=at)
    assert names(stores.claim("w1", 4)) == ["top", "old", "new", "low"]


def test_only_runs_of_the_workers_code_and_queues_are_claimed(stores: Stores) -> None:
    stores.admit(id="mine", queue="slow")
    stores.admit(id="other-queue", queue="fast")
    stores.admit(id="other-code", queue="slow", code_digest="d")
    assert names(stores.claim("w1", 9, queues=("slow",))) == ["mine"]
    assert names(stores.claim("w1", 9, queues=("slow", "fast"))) == ["other-queue"]
    assert stores.runs.get("other-code").state == "queued"


def test_a_claim_and_the_engines_start_are_one(stores: Stores) -> None:
    stores.admit(id="r1")

    def fail(_: Transaction, run_id: str) -> None:
        raise OSError(f"{run_id} is not started")

    bid = Bid(worker_id="w1", code="c", queues=("default",), most=1)
    with pytest.raises(OSError, match="r1 is not started"):
        stores.dispatch.claim(bid, fail)
    assert (stores.runs.get("r1").state, stores.runs.get("r1").claims) == ("queued", 0)


def test_a_parked_run_is_woken_when_its_wait_is_over_and_not_before(stores: Stores) -> None:
    stores.admit(id="r1")
    (claimed,) = stores.claim()
    stores.waits.open("r1", "w1", "timer", topic="", within_s=50.0)
    assert stores.dispatch.park("r1", claimed.fence, "w1") is True
    assert (stores.runs.get("r1").state, stores.dispatch.awake("w1", 9)) == ("waiting", ())
    assert stores.dispatch.parked("w1") == {"r1"}
    stores.age(60.0)
    assert [*stores.dispatch.awake("w1", 9)] == ["r1"]
    assert stores.runs.get("r1").state == "running"
    assert stores.dispatch.awake("w1", 9) == ()
    # What is over already is not parked at all.
    assert stores.dispatch.park("r1", claimed.fence, "w1") is False


def test_a_parked_run_that_was_let_go_is_claimed_when_it_can_go_on(stores: Stores) -> None:
    stores.admit(id="r1")
    (first,) = stores.claim()
    stores.waits.open("r1", "w1", "timer", topic="", within_s=50.0)
    stores.dispatch.park("r1", first.fence, "w1")
    stores.dispatch.unload("r1", first.fence)
    assert stores.claim("w2") == []
    stores.age(60.0)
    (again,) = stores.claim("w2")
    assert (again.fence, again.fresh) == (Fence(worker_id="w2", claim=2), False)


def test_who_lost_a_run_cannot_park_it(stores: Stores) -> None:
    stores.admit(id="r1")
    (claimed,) = stores.claim()
    stores.waits.open("r1", "w1", "timer", topic="", within_s=50.0)
    for fence in (NOBODY, Fence(worker_id="w1", claim=2)):
        with pytest.raises(LeaseLost):
            stores.dispatch.park("r1", fence, "w1")
    stores.runs.finish("r1", ending(), claimed.fence)
    with pytest.raises(LeaseLost):
        stores.dispatch.park("r1", claimed.fence, "w1")


def test_a_dead_workers_runs_are_queued_and_its_parked_ones_let_go(stores: Stores) -> None:
    stores.start_worker("w1")
    for run in ("r1", "r2"):
        stores.admit(id=run)
    first, second = stores.claim("w1", 2)
    stores.waits.open("r2", "w1", "timer", topic="", within_s=500.0)
    stores.dispatch.park("r2", second.fence, "w1")
    assert stores.die("w1").adopted == ("r1",)
    assert (stores.runs.get("r1").state, stores.runs.get("r1").takeovers) == ("queued", 1)
    # It was not executed when the worker died: that was not its fault.
    assert (stores.runs.get("r2").state, stores.runs.get("r2").takeovers) == ("waiting", 0)
    assert stores.runs.get("r2").worker_id is None
    assert stores.types("r1")[-1] == "run.taken_over"
    (again,) = stores.claim("w2", 2)
    assert (again.run_id, again.fence.claim, again.deaths) == ("r1", 2, 1)
    assert first.fence.claim == 1


def test_invariant_11_a_run_that_kills_its_workers_is_stopped_after_three(stores: Stores) -> None:
    stores.admit(id="r1")
    for number in range(3):
        worker = f"w{number}"
        stores.start_worker(worker)
        assert names(stores.claim(worker)) == ["r1"]
        taken = stores.die(worker)
    assert taken.quarantined == ("r1",)
    ended = stores.runs.get("r1")
    assert (ended.state, ended.takeovers, ended.outcome["code"]) == ("failed", 3, "FL-407")
    types = ["run.admitted", "run.taken_over", "run.taken_over", "run.quarantined"]
    assert stores.types("r1") == types
    assert stores.claim("w9") == []
    assert stores.events.gaps() == []


def test_the_neighbours_of_a_killer_are_not_quarantined(stores: Stores) -> None:
    """Nobody can say which of several runs killed a worker: a suspect is executed by itself."""
    for number in range(4):
        stores.admit(id=f"r{number}", created_at=float(number))
    quarantined: tuple[str, ...] = ()
    for number in range(20):
        worker = f"w{number}"
        stores.start_worker(worker)
        taken = stores.claim(worker, 4)
        suspects = [one for one in taken if one.deaths >= 2]
        assert len(suspects) <= 1
        if suspects:
            assert all(one.deaths == 0 for one in taken if one not in suspects)
        if "r2" not in names(taken):
            # The others get on, and are cleared by that.
            for place, one in enumerate(taken):
                call = replace(
                    CALL,
                    run_id=one.run_id,
                    lineage=one.run_id,
                    number=number * 10 + place,
                    effect="read",
                )
                stores.journal.finish(call, Done(value=1), TIMING, CallVerdict())
                stores.runs.finish(one.run_id, ending(), one.fence)
            stores.workers.stop(worker)
            continue
        quarantined += stores.die(worker).quarantined
        if quarantined:
            break
    assert quarantined == ("r2",)
    assert {stores.runs.get(f"r{n}").state for n in (0, 1, 3)} <= {"succeeded", "queued"}


def test_progress_clears_a_run_of_its_deaths(stores: Stores) -> None:
    stores.admit(id="aa11")
    for number in range(2):
        stores.start_worker(f"w{number}")
        stores.claim(f"w{number}")
        stores.die(f"w{number}")
    stores.journal.finish(CALL, Done(value=1), TIMING, CallVerdict())
    stores.start_worker("w2")
    (claimed,) = stores.claim("w2")
    assert claimed.deaths == 0
    assert stores.die("w2").quarantined == ()


def test_a_worker_that_stops_hands_everything_back(stores: Stores) -> None:
    for run in ("r1", "r2"):
        stores.admit(id=run)
    _, second = stores.claim("w1", 2)
    stores.waits.open("r2", "w1", "timer", topic="", within_s=500.0)
    stores.dispatch.park("r2", second.fence, "w1")
    assert stores.dispatch.hand_back("w1") == 1
    assert [stores.runs.get(run).worker_id for run in ("r1", "r2")] == [None, None]
    assert stores.runs.get("r1").takeovers == 0
    assert names(stores.claim("w2", 9)) == ["r1"]


def test_strays_are_queued_again(stores: Stores) -> None:
    for run in ("r1", "r2"):
        stores.admit(id=run)
    stores.claim("w1", 2)
    assert stores.dispatch.strays("w1", frozenset(["r1"])) == 1
    assert names(stores.claim("w2", 9)) == ["r2"]


def test_a_run_whose_record_is_foreign_ends_and_says_so(stores: Stores) -> None:
    stores.admit(id="r1")
    stores.claim("w1")
    stores.dispatch.refuse("r1", "another")
    assert stores.runs.get("r1").state == "running"
    stores.dispatch.refuse("r1", "w1")
    assert (stores.runs.get("r1").state, stores.runs.get("r1").outcome["code"]) == (
        "failed",
        "FL-425",
    )
    assert stores.events.gaps() == []
