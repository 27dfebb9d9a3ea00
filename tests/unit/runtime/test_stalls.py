"""A worker whose loop stands still gives its lease up."""

from __future__ import annotations

import asyncio

from fairlead.core.errors import StoreLocked, WorkerStalled
from tests.unit.runtime.test_worker import Office


def test_a_worker_whose_loop_stands_still_gives_its_lease_up() -> None:
    async def scenario() -> None:
        office = Office()
        office.worker._renew()
        office.worker._pulse.feel()
        office.take("r1")
        # This coroutine blocks the loop while the heart beats. 2.5 s apart; the first one asks.
        ticks = office.beat(100)
        assert len(ticks.waited) == 1 + 13
        assert isinstance(office.worker.lost, WorkerStalled)
        assert (office.worker.lost.code, office.worker.lost.ids) == ("FL-423", {"worker": "me"})
        assert office.log == ["hand back me", "close me", "stalled me"]
        assert office.store.rows["r1"].state == "queued"
        # Nobody may execute anything here: others may have the runs by now.
        assert not office.lease.held()
        assert not office.worker._may_lead()
        assert office.worker._dispatcher._stopping.wait(0)

    asyncio.run(scenario())


def test_a_loop_that_turns_between_two_beats_keeps_the_lease() -> None:
    office = Office()

    async def scenario() -> None:
        office.worker._pulse.feel()
        for _ in range(100):
            office.beat(1)
            await asyncio.sleep(0)

    asyncio.run(scenario())
    assert (office.worker.lost, office.log) == (None, [])
    assert office.lease.held()


def test_a_stalled_worker_is_lost_also_when_the_database_is_away() -> None:
    async def scenario() -> None:
        office = Office()
        office.worker._renew()
        office.worker._pulse.feel()
        office.store.error = StoreLocked("locked")
        office.beat(100)
        assert isinstance(office.worker.lost, WorkerStalled)
        assert not office.lease.held()

    asyncio.run(scenario())
