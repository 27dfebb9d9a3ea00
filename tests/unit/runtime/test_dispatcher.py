"""The dispatcher: what it claims, wakes, gives to the engine, drops and buries."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from fairlead.core.errors import StoreLocked
from fairlead.ports.dispatch import Claimed, Fence
from fairlead.ports.engine import Suspended
from fairlead.ports.workers import WorkerRecord
from fairlead.runtime.dispatcher import POLL_S, START_S_MAX, TIDY_S, Dispatcher
from fairlead.runtime.seats import Seats
from fairlead.testing import FakeClock
from tests.unit.runtime.office import FakeQueue, FakeStore, FakeWorkers, Ticks

TTL_S = 10.0


class Desk:
    """A dispatcher of worker `me`, with two places, and what it can see."""

    def __init__(self, *, active_max: int = 2, queues: tuple[str, ...] = ("default",)) -> None:
        self.clock, self.queue, self.lead = FakeClock(), FakeQueue(), True
        self.workers = FakeWorkers(self.clock)
        self.store = FakeStore(self.workers)
        self.seats = Seats(
            active_max=active_max,
            parked_max=10,
            clock=self.clock,
            lease_held=lambda: True,
            unload=self.store.unload,
        )
        self.dispatcher = Dispatcher(
            worker_id="me",
            code="code",
            queues=queues,
            seats=self.seats,
            store=self.store,
            queue=self.queue,
            workers=self.workers,
            clock=self.clock,
            ttl_s=TTL_S,
            takeovers=3,
            may_lead=lambda: self.lead,
        )

    def other(self, id: str, *, silent_s: float) -> None:
        """Let another worker have been silent for so long."""
        beat = self.clock.now() - silent_s
        self.workers.records[id] = WorkerRecord(
            id=id, code_digest="code", host="h", pid=1, started_at=0.0, heartbeat_at=beat
        )

    def states(self) -> dict[str, tuple[str, str | None]]:
        """Return each run's state and worker."""
        return {row.id: (row.state, row.worker_id) for row in self.store.rows.values()}

    async def park(self, run_id: str) -> asyncio.Task[None]:
        """Let a run of this worker begin and wait."""
        if run_id not in self.seats.seated:
            fence = Fence(worker_id="me", claim=1)
            self.seats.take(
                Claimed(run_id=run_id, tenant="default", fence=fence, deaths=0, fresh=True)
            )
        seat = self.seats.sit(run_id)
        seat.expect()
        resting = asyncio.ensure_future(seat.rest())
        await asyncio.sleep(0)
        return resting


def test_it_claims_no_more_than_its_free_places() -> None:
    desk = Desk(active_max=2)
    for number in range(5):
        desk.store.add(f"r{number}")
    desk.dispatcher.look()
    assert [bid.most for bid in desk.store.bids] == [2]
    assert (desk.queue.started, desk.seats.free) == (["r0", "r1"], 0)
    desk.dispatcher.look()
    assert len(desk.store.bids) == 1, "with no place left nothing is asked for"
    desk.seats.vacate("r0")
    desk.dispatcher.look()
    assert [bid.most for bid in desk.store.bids] == [2, 1]
    assert desk.queue.started == ["r0", "r1", "r2"]


def test_a_bid_says_who_asks_for_what_and_where_the_round_goes_on() -> None:
    desk = Desk(active_max=4, queues=("slow", "default"))
    desk.store.add("r1", tenant="acme")
    desk.store.add("r2", tenant="other", deaths=1, claims=1)
    desk.dispatcher.look()
    desk.store.add("r3", deaths=2, claims=2)
    desk.dispatcher.look()
    desk.dispatcher.look()
    first, second, third = desk.store.bids
    assert (first.worker_id, first.code, first.queues) == ("me", "code", ("slow", "default"))
    assert (first.after, first.uncleared, first.suspect) == ("", 0, False)
    assert (second.after, second.uncleared, second.suspect) == ("other", 1, False)
    assert (third.after, third.uncleared, third.suspect) == ("default", 2, True)


def test_a_new_run_is_started_in_the_claim_and_a_known_one_is_resumed_after_it() -> None:
    desk = Desk()
    desk.store.add("new")
    desk.store.add("known", claims=3)
    desk.dispatcher.look()
    assert (desk.queue.started, desk.queue.resumed) == (["new"], ["known"])
    assert desk.states() == {"new": ("running", "me"), "known": ("running", "me")}
    desk.dispatcher.look()
    assert (desk.queue.started, desk.queue.resumed) == (["new"], ["known"])


def test_what_the_engine_did_not_take_is_given_to_it_again() -> None:
    desk = Desk()
    desk.store.add("known", claims=1)
    desk.queue.fails = ConnectionError("the engine's database is away")
    with pytest.raises(ConnectionError):
        desk.dispatcher.look()
    assert (desk.queue.resumed, desk.seats.seated) == ([], {"known"})
    desk.dispatcher.look()
    assert desk.queue.resumed == ["known"]
    desk.dispatcher.look()
    assert desk.queue.resumed == ["known"]


def test_a_run_whose_record_is_pickled_is_refused_and_others_go_on() -> None:
    """Its place is free again: rows that nobody may read do not fill a worker up."""
    desk = Desk(active_max=2)
    for name in ("bad", "good"):
        desk.store.add(name, claims=1)
    desk.queue.pickled = {"bad"}
    desk.dispatcher.look()
    assert desk.queue.resumed == ["good"]
    assert desk.states() == {"bad": ("failed", None), "good": ("running", "me")}
    assert (desk.seats.seated, desk.seats.free) == ({"good"}, 1)
    desk.clock.time += START_S_MAX + TIDY_S
    desk.dispatcher.look()
    assert "bad" not in desk.queue.resumed


def test_a_parked_run_with_something_to_go_on_with_is_woken() -> None:
    async def scenario() -> None:
        desk = Desk()
        due, other = await desk.park("r1"), await desk.park("r2")
        desk.store.add("r1", state="waiting", worker_id="me", due=True)
        desk.store.add("r2", state="waiting", worker_id="me")
        desk.dispatcher.look()
        await due
        assert not other.done()
        assert desk.states() == {"r1": ("running", "me"), "r2": ("waiting", "me")}
        other.cancel()

    asyncio.run(scenario())


def test_no_more_runs_are_woken_than_there_are_places() -> None:
    async def scenario() -> None:
        desk = Desk(active_max=1)
        resting = [await desk.park(name) for name in ("r1", "r2")]
        for name in ("r1", "r2"):
            desk.store.add(name, state="waiting", worker_id="me", due=True)
        desk.store.add("r3")
        for _ in range(2):
            desk.dispatcher.look()
            await asyncio.sleep(0)
        await resting[0]
        assert not resting[1].done()
        # Who waits here goes before who is queued: the place was gone before any was claimed.
        assert desk.store.bids == []
        resting[1].cancel()

    asyncio.run(scenario())


def test_a_parked_run_that_is_not_its_own_any_more_is_dropped() -> None:
    async def scenario() -> None:
        desk = Desk()
        mine, gone = await desk.park("r1"), await desk.park("r2")
        desk.store.add("r1", state="waiting", worker_id="me")
        desk.store.add("r2", state="cancelled")
        desk.dispatcher.look()
        with pytest.raises(Suspended):
            await gone
        assert not mine.done()
        mine.cancel()

    asyncio.run(scenario())


def test_a_run_that_parks_while_the_record_is_read_is_not_dropped() -> None:
    async def scenario() -> None:
        desk = Desk()
        parks: list[asyncio.Task[None]] = []
        desk.store.add("r1")
        desk.dispatcher.look()
        desk.clock.time += TIDY_S
        seat = desk.seats.sit("r1")

        def meanwhile() -> None:
            desk.store.park("r1", seat.fence, "w1")
            desk.seats._taken["r1", 1].parked = True

        desk.store.meanwhile = meanwhile
        seat.expect()
        desk.dispatcher.look()
        parks.append(asyncio.ensure_future(seat.rest()))
        await asyncio.sleep(0)
        assert not parks[0].done()
        parks[0].cancel()

    asyncio.run(scenario())


def test_what_it_holds_on_record_and_does_not_execute_is_queued_again() -> None:
    desk = Desk()
    desk.store.add("stray", state="running", worker_id="me", claims=1)
    desk.store.add("theirs", state="running", worker_id="another", claims=1)
    desk.store.add("mine")
    desk.lead = False
    desk.dispatcher.look()
    assert desk.states()["stray"] == ("queued", None)
    assert desk.states()["theirs"] == ("running", "another")
    desk.lead = True
    desk.clock.time += TIDY_S
    desk.dispatcher.look()
    # What it claimed meanwhile has a place, and so is none.
    assert desk.store.seated == [frozenset(), frozenset({"stray", "mine"})]
    assert desk.states()["mine"] == desk.states()["stray"] == ("running", "me")


def test_memory_and_record_are_compared_once_a_second() -> None:
    desk = Desk()
    for _ in range(3):
        desk.dispatcher.look()
        desk.clock.time += TIDY_S / 2
    assert len(desk.store.seated) == 2


def test_a_run_that_the_engine_does_not_begin_is_given_to_it_again() -> None:
    desk = Desk()
    desk.store.add("r1")
    desk.dispatcher.look()
    desk.clock.time += START_S_MAX
    desk.dispatcher.look()
    assert (desk.queue.started, desk.queue.resumed) == (["r1"], [])
    desk.clock.time += TIDY_S
    desk.dispatcher.look()
    assert (desk.queue.started, desk.queue.resumed) == (["r1"], ["r1"])


# --------------------------------------------------------------------------------------- the dead


def test_the_runs_of_a_worker_whose_lease_lapsed_are_queued_again() -> None:
    desk = Desk()
    desk.other("dead", silent_s=TTL_S + 0.1)
    desk.other("alive", silent_s=TTL_S - 0.1)
    desk.store.add("r1", state="running", worker_id="dead", claims=1)
    desk.store.add("r2", state="running", worker_id="alive", claims=1)
    assert desk.dispatcher.bury() == 1
    assert desk.states() == {"r1": ("queued", None), "r2": ("running", "alive")}
    # Its queue stays: it may have been held up only.
    assert desk.queue.log == []
    assert desk.dispatcher.bury() == 0
    assert desk.queue.log == []


def test_a_worker_does_not_bury_itself() -> None:
    desk = Desk()
    desk.other("me", silent_s=TTL_S + 100)
    desk.store.add("r1", state="running", worker_id="me", claims=1)
    assert desk.dispatcher.bury() == 0
    assert desk.states() == {"r1": ("running", "me")}


def test_who_comes_second_leaves_the_dead_to_the_first() -> None:
    desk = Desk()
    desk.other("dead", silent_s=TTL_S + 1)
    desk.other("next", silent_s=TTL_S + 1)
    desk.store.add("r1", state="running", worker_id="dead", claims=1)
    desk.store.add("r2", state="running", worker_id="next", claims=1)
    lapsed = desk.workers.lapsed(TTL_S)
    desk.workers.lapsed = lambda _: lapsed  # type: ignore[method-assign]
    take_over = desk.store.take_over

    def beaten(dead: str, ttl_s: float, limit: int) -> Any:
        return None if dead == "dead" else take_over(dead, ttl_s, limit)

    desk.store.take_over = beaten  # type: ignore[method-assign]
    assert desk.dispatcher.bury() == 1
    assert desk.states() == {"r1": ("running", "dead"), "r2": ("queued", None)}


def test_a_run_under_which_too_many_workers_died_is_not_queued_again() -> None:
    desk = Desk()
    desk.other("dead", silent_s=TTL_S + 1)
    desk.store.add("r1", state="running", worker_id="dead", claims=3, deaths=2)
    desk.store.add("r2", state="running", worker_id="dead", claims=1)
    assert desk.dispatcher.bury() == 1
    assert desk.states() == {"r1": ("failed", None), "r2": ("queued", None)}
    assert desk.queue.cancelled == ["r1"]


def test_who_may_not_lead_claims_and_buries_nothing_and_still_wakes() -> None:
    async def scenario() -> None:
        desk = Desk()
        resting = await desk.park("r1")
        desk.store.add("r1", state="waiting", worker_id="me", due=True)
        desk.store.add("r2")
        desk.other("dead", silent_s=TTL_S + 1)
        desk.store.add("r3", state="running", worker_id="dead", claims=1)
        desk.lead = False
        desk.dispatcher.look()
        await resting
        assert desk.states()["r2"] == ("queued", None)
        assert desk.states()["r3"] == ("running", "dead")
        desk.lead = True
        desk.dispatcher.look()
        assert desk.states()["r2"] == ("running", "me")
        assert desk.states()["r3"] == ("queued", None)

    asyncio.run(scenario())


# --------------------------------------------------------------------------------------- the loop


def test_a_look_that_fails_is_said_once_and_the_next_one_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk()
    errors: list[Exception | None] = [
        StoreLocked("locked"), StoreLocked("locked"), None, StoreLocked("locked"), OSError("gone"),
    ]  # fmt: skip

    def look() -> None:
        error = errors.pop(0)
        if error is not None:
            raise error

    desk.dispatcher.look = look  # type: ignore[method-assign]
    stopping: Any = Ticks(desk.clock, left=9)
    desk.dispatcher._stopping = stopping
    with caplog.at_level(logging.WARNING, "fairlead.worker"):
        desk.dispatcher._run()
    assert errors == []
    said = [record.getMessage() for record in caplog.records]
    assert [("locked" in text, "gone" in text) for text in said] == [
        (True, False), (True, False), (False, True),
    ]  # fmt: skip
    # After an error it waits longer before it asks again.
    assert stopping.waited == pytest.approx(
        [POLL_S, 10 * POLL_S, POLL_S, 10 * POLL_S, POLL_S, POLL_S, 10 * POLL_S, POLL_S, 10 * POLL_S]
    )


def test_a_dispatcher_that_was_stopped_looks_no_more() -> None:
    desk = Desk()
    desk.store.add("r1")
    desk.dispatcher.stop()
    desk.dispatcher.start()
    desk.dispatcher.stop()
    assert (desk.store.bids, desk.states()) == ([], {"r1": ("queued", None)})
